package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestPrintedWitnessesHold asks policy eval about every witness that policy compare prints, from nothing but the printed JSON.
func TestPrintedWitnessesHold(t *testing.T) {
	managed, err := filepath.Glob(filepath.Join("..", "..", "pkg", "policy", "testdata", "managed", "*.json"))
	if err != nil || len(managed) < 10 {
		t.Fatalf("there are %d managed policies: %v", len(managed), err)
	}
	var pairs [][2]string
	for i := range managed {
		if info, err := os.Stat(managed[i]); err == nil && info.Size() < 8000 {
			pairs = append(pairs, [2]string{managed[i], managed[(i+7)%len(managed)]})
		}
	}
	dir := t.TempDir()
	resource := func(name, principal, rest string) string {
		path := filepath.Join(dir, name+".json")
		text := `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"secretsmanager:GetSecretValue","Resource":"*",` + principal + rest + `}]}`
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	documents := []string{
		resource("everybody", `"Principal":"*"`, ""),
		resource("account", `"Principal":{"AWS":"111122223333"}`, ""),
		resource("role", `"Principal":{"AWS":"arn:aws:iam::111122223333:role/path/batch"}`, ""),
		resource("session", `"Principal":{"AWS":"arn:aws:sts::111122223333:assumed-role/app/one"}`, ""),
		resource("user", `"Principal":{"AWS":"arn:aws:iam::111122223333:user/path/eve"}`, ""),
		resource("service", `"Principal":{"Service":["lambda.amazonaws.com","events.amazonaws.com"]}`, ""),
		resource("saml", `"Principal":{"Federated":"arn:aws:iam::111122223333:saml-provider/idp"}`, ""),
		resource("provider", `"Principal":{"Federated":"accounts.google.com"}`, ""),
		resource("canonical", `"Principal":{"CanonicalUser":"79a59df900b949e55d96a1e698fbacedfd6e09d98eacf8f8d5218e7cd47ef2be"}`, ""),
		resource("all-but", `"NotPrincipal":{"AWS":["arn:aws:iam::111122223333:root","arn:aws:iam::111122223333:role/app"]}`, ""),
		resource("org", `"Principal":"*"`, `,"Condition":{"StringEquals":{"aws:PrincipalOrgID":"o-example"},"ArnLike":{"aws:PrincipalArn":"arn:aws:iam::*:role/x"}}`),
	}
	for i := range documents {
		for j := range i {
			pairs = append(pairs, [2]string{documents[i], documents[j]})
		}
	}
	witnesses := 0
	for _, p := range pairs {
		witnesses += holdWitnesses(t, p[0], p[1])
	}
	if witnesses < 200 {
		t.Errorf("only %d witnesses were printed", witnesses)
	}
}

func holdWitnesses(t *testing.T, expected, actual string) int {
	t.Helper()
	var stdout, stderr bytes.Buffer
	code := run(t.Context(), []string{"policy", "compare", "--output", "json", "--expected", expected, "--actual", actual}, nil, &stdout, &stderr)
	var got comparisonJSON
	if err := json.Unmarshal(stdout.Bytes(), &got); err != nil {
		t.Fatalf("%s and %s: exit %d: %v: %s", expected, actual, code, err, &stderr)
	}
	for _, w := range got.Witnesses {
		want := []int{exitSettled, exitDiffers}
		if w.Direction == "excess" {
			slices.Reverse(want)
		}
		for i, path := range []string{expected, actual} {
			args := []string{"policy", "eval", "--policy", path, "--action", w.Action, "--resource", w.Resource, "--relation", "resource-only"}
			if w.Principal == nil {
				args = args[:len(args)-2]
			} else {
				args = append(args, "--principal", *w.Principal)
			}
			for key, values := range w.Context {
				for _, v := range values {
					args = append(args, "--context", key+"="+v)
				}
			}
			var said bytes.Buffer
			stderr.Reset()
			if code := run(t.Context(), args, nil, &said, &stderr); code != want[i] {
				t.Errorf("%s: exit %d, want %d: %s%s", fmt.Sprintf("rotationguard %s", strings.Join(args, " ")), code, want[i], &said, &stderr)
			}
		}
	}
	return len(got.Witnesses)
}
