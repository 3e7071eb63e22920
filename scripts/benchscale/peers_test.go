package main

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func TestCallsAreNamedAlikeWhoeverMakesThem(t *testing.T) {
	signed := func(service string) string {
		return "AWS4-HMAC-SHA256 Credential=test/20261125/eu-central-1/" + service + "/aws4_request, SignedHeaders=host, Signature=0"
	}
	tests := []struct {
		name, method, path, service, target, form, want string
	}{
		{"a JSON protocol's call", "POST", "/", "secretsmanager", "secretsmanager.ListSecrets", "", "secretsmanager:ListSecrets"},
		{"a form's call", "POST", "/", "iam", "", "Action=GetRole&RoleName=r&Version=2010-05-08", "iam:GetRole"},
		{"a path with a name", "GET", "/2015-03-31/functions/fn-001-rotator/policy", "lambda", "", "", "lambda:GET /2015-03-31/functions/*/policy"},
		{"a path with an ARN", "GET", "/2015-03-31/functions/arn%3Aaws%3Alambda%3Aeu-central-1%3A123456789012%3Afunction%3Af/policy", "lambda", "", "", "lambda:GET /2015-03-31/functions/*/policy"},
		{"tags of an ARN", "GET", "/2017-03-31/tags/arn:aws:lambda:eu-central-1:123456789012:function:a/b", "lambda", "", "", "lambda:GET /2017-03-31/tags/*"},
		{"a list", "GET", "/2015-03-31/functions", "lambda", "", "", "lambda:GET /2015-03-31/functions"},
		{"nobody's", "GET", "/x", "", "", "", "unsigned:GET /x"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := httptest.NewRequest(tt.method, tt.path, strings.NewReader(tt.form))
			if tt.service != "" {
				r.Header.Set("Authorization", signed(tt.service))
			}
			if tt.target != "" {
				r.Header.Set("X-Amz-Target", tt.target)
			}
			if tt.form != "" {
				r.Header.Set("Content-Type", "application/x-www-form-urlencoded; charset=utf-8")
			}
			if got, err := callOf(r); err != nil || got != tt.want {
				t.Errorf("callOf = %q, %v, want %q", got, err, tt.want)
			}
		})
	}
}

func TestCounterPassesOnWhatItCounts(t *testing.T) {
	account := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.FormValue("Action") == "GetRole" { // the form is still there
			w.WriteHeader(http.StatusTeapot)
		}
	}))
	defer account.Close()
	c, err := count(account.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.close() }()
	for range 2 {
		answer, err := http.Post(c.URL, "application/x-www-form-urlencoded", strings.NewReader("Action=GetRole"))
		if err != nil {
			t.Fatal(err)
		}
		_ = answer.Body.Close()
		if answer.StatusCode != http.StatusTeapot {
			t.Errorf("status %d", answer.StatusCode)
		}
	}
	if got := c.taken(); got["unsigned:GetRole"] != 2 || len(got) != 1 {
		t.Errorf("counted %v", got)
	}
	if got := c.taken(); len(got) != 0 {
		t.Errorf("counted %v again", got)
	}
}

func TestToolTellsAClassOnlyByWhatItSaysOfThatAlone(t *testing.T) {
	every := func(check string, wrong ...trouble) (all []flagged) {
		for _, s := range setups() {
			for _, w := range wrong {
				if s.trouble == w {
					all = append(all, flagged{check, "arn:aws:secretsmanager:::secret:" + s.names[0] + "-AbCdEf"})
				}
			}
		}
		return all
	}
	tests := []struct {
		name  string
		said  []flagged
		class trouble
		found int
		alarm int
	}{
		{"a check of the class", every("invoke", noInvoke), noInvoke, 10, 0},
		{"a check that says the same of sound setups", every("all", noInvoke, nothingAtFault), noInvoke, 0, 100},
		{"a check of two classes tells both", every("open", publicInvoke, foreignInvoke), foreignInvoke, 10, 0},
		{"secrets that do not rotate are no open secrets", every("off", notRotating, openSecret), openSecret, 0, 0},
		{"an open secret", every("open", openSecret), openSecret, 10, 0},
		{"secrets that do not rotate", every("off", notRotating, openSecret), notRotating, 390, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var r compared
			r.judge(tt.said)
			alarm := 0
			for _, n := range r.alarms {
				alarm += n
			}
			if r.found[tt.class] != tt.found || alarm != tt.alarm {
				t.Errorf("found %d, alarms %d, want %d, %d", r.found[tt.class], alarm, tt.found, tt.alarm)
			}
		})
	}
}
