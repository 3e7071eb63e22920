package rotation_test

import (
	"testing"

	"github.com/rotationguard/rotationguard/pkg/policy"
	"github.com/rotationguard/rotationguard/pkg/rotation"
)

// FuzzTemplate: a template that is taken renders to a policy, the same each time.
func FuzzTemplate(f *testing.F) {
	for _, name := range rotation.TemplateNames() {
		text, err := rotation.Templates{}.Text(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(name, text)
	}
	f.Add(rotation.TemplateSingleUser, []byte(`{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"*","Resource":["<secret_arn>","<a>"]}}`))
	v := rotation.NewValues(function, []rotation.ARN{secretA, other})
	v.Masters, v.Keys = []rotation.ARN{admin}, []rotation.ARN{"arn:aws:kms:eu-west-1:111122223333:key/1"}
	f.Fuzz(func(t *testing.T, name string, text []byte) {
		templates, err := rotation.Templates{}.With(name, text)
		if err != nil {
			t.Skip()
		}
		got, err := templates.Render(name, v)
		if err != nil {
			t.Fatalf("taken, and not rendered: %v", err)
		}
		if _, err := policy.Parse(name, got); err != nil {
			t.Errorf("%v in\n%s", err, got)
		}
	})
}

// FuzzDeclare: whatever tags and parameters say, the declaration is one of the strategies or has a problem, and its texts stay on their line.
func FuzzDeclare(f *testing.F) {
	f.Add("multi-user", admin, "")
	f.Add("", "", other)
	f.Add("x\n\u202e", "arn:aws:secretsmanager:::secret:", "\x00")
	f.Fuzz(func(t *testing.T, strategy, master, stack string) {
		s := rotation.Secret{ARN: secretA, Name: "prod/db/app", Tags: map[string]string{rotation.TagStrategy: strategy, rotation.TagMaster: master}}
		d := rotation.Declare(rotation.Rules{}, &s, map[string]string{"masterSecretArn": stack})
		switch d.Strategy {
		case rotation.SingleUser, rotation.MasterUser, rotation.Custom:
		default:
			t.Errorf("Declare = %+v, want a strategy", d)
		}
		for _, text := range append(d.Evidence, d.Problem) {
			if text != rotation.OneLine(text) {
				t.Errorf("%q does not stay on its line", text)
			}
		}
		if d.Master != "" && d.MasterSource == "" {
			t.Errorf("Declare = %+v, want the master's source", d)
		}
	})
}
