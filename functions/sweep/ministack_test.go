package main

import (
	"archive/zip"
	"bytes"
	"encoding/json"
	"os"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"

	"github.com/rotationguard/rotationguard/pkg/awstest/emulator"
	"github.com/rotationguard/rotationguard/scripts/demo/account"
)

// onMinistack is the function in ministack, which runs the zip's bootstrap as provided.al2023 does; what it sweeps is elsewhere.
type onMinistack struct{ client *lambda.Client }

const functionName = "rotationguard-sweep"

// deployOnMinistack starts ministack and makes the function from a zip, as infra's template would.
func deployOnMinistack(t *testing.T, config string, environ map[string]string) onMinistack {
	t.Helper()
	s, err := emulator.StartMinistack(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			log := s.Log()
			t.Logf("the end of ministack's log:\n%s", log[max(0, len(log)-4000):])
		}
		if err := s.Stop(); err != nil {
			t.Error(err)
		}
	})
	cfg := aws.Config{Region: account.Region, BaseEndpoint: &s.URL, Credentials: credentials.NewStaticCredentialsProvider("test", "test", "")}
	role, err := iam.NewFromConfig(cfg).CreateRole(t.Context(), &iam.CreateRoleInput{
		RoleName: aws.String("rotationguard-reader"), AssumeRolePolicyDocument: aws.String(
			`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"lambda.amazonaws.com"},"Action":"sts:AssumeRole"}]}`),
	})
	if err != nil {
		t.Fatal(err)
	}
	environ[envConfig] = "rotationguard.yaml"
	client := lambda.NewFromConfig(cfg)
	if _, err := client.CreateFunction(t.Context(), &lambda.CreateFunctionInput{
		FunctionName: aws.String(functionName), Runtime: types.RuntimeProvidedal2023, Handler: aws.String("bootstrap"), Role: role.Role.Arn,
		Code: &types.FunctionCode{ZipFile: pack(t, config)}, Environment: &types.Environment{Variables: environ},
		Timeout: aws.Int32(120), MemorySize: aws.Int32(512),
	}); err != nil {
		t.Fatal(err)
	}
	return onMinistack{client}
}

// pack zips the bootstrap and a config as infra does.
func pack(t *testing.T, config string) []byte {
	t.Helper()
	binary, err := os.ReadFile(bootstrap(t))
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for _, f := range []struct {
		name string
		mode os.FileMode
		data []byte
	}{{"bootstrap", 0o755, binary}, {"rotationguard.yaml", 0o644, []byte(config)}} {
		header := &zip.FileHeader{Name: f.name, Method: zip.Deflate}
		header.SetMode(f.mode)
		w, err := z.CreateHeader(header)
		if err == nil {
			_, err = w.Write(f.data)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	const most = 12 << 20 // bytes, zipped
	if b.Len() > most {
		t.Errorf("the package has %d bytes, want at most %d", b.Len(), most)
	}
	t.Logf("the package has %d bytes", b.Len())
	return b.Bytes()
}

// invoke invokes the function as `aws lambda invoke` does.
func (f onMinistack) invoke(t *testing.T, payload string) outcome {
	t.Helper()
	out, err := f.client.Invoke(t.Context(), &lambda.InvokeInput{FunctionName: aws.String(functionName), Payload: []byte(payload)})
	if err != nil {
		t.Fatal(err)
	}
	o := outcome{raw: string(out.Payload), failed: out.FunctionError != nil}
	if o.failed {
		var said struct{ ErrorType, ErrorMessage string }
		err = json.Unmarshal(out.Payload, &said)
		o.kind, o.message = said.ErrorType, said.ErrorMessage
	} else {
		err = json.Unmarshal(out.Payload, &o.answer)
	}
	if err != nil {
		t.Fatalf("%s: %v", out.Payload, err)
	}
	return o
}
