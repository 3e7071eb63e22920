package policy

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// inStatement puts members into one statement of a document that is otherwise right.
func inStatement(members string) string {
	return `{"Version":"2012-10-17","Statement":[{` + members + `}]}`
}

func allowWith(members string) string {
	return inStatement(`"Effect":"Allow","Action":"s3:GetObject","Resource":"*",` + members)
}

func TestParseRefuses(t *testing.T) {
	const fine = `{"Effect":"Allow","Action":"s3:GetObject","Resource":"*"}`
	tests := []struct {
		name      string
		text      string
		statement int
		field     string
		message   string // a part of it
	}{
		{"an empty document", "", -1, "", "empty"},
		{"white space alone", " \n\t", -1, "", "empty"},
		{"no JSON", "hello", -1, "", "something that is not JSON"},
		{"an array", "[]", -1, "", "an array"},
		{"a string", `"x"`, -1, "", "a string"},
		{"null", `null`, -1, "", "null"},
		{"a byte order mark", "\xef\xbb\xbf" + `{"Statement":[` + fine + `]}`, -1, "", "byte order mark"},
		{"trailing data", `{"Statement":[` + fine + `]} {}`, -1, "", "after the end"},
		{"a trailing comma", `{"Statement":[` + fine + `],}`, -1, "", "member name"},
		{"a document that ends early", `{"Statement":[` + fine, -1, "Statement", "comma or a closing bracket"},
		{"a comment", `{/*x*/"Statement":[` + fine + `]}`, -1, "", "member name"},
		{"invalid UTF-8", `{"Id":"` + "\xff" + `","Statement":[` + fine + `]}`, -1, "", "UTF-8"},
		{"a UTF-8 surrogate", `{"Id":"` + "\xed\xa0\x80" + `","Statement":[` + fine + `]}`, -1, "", "UTF-8"},
		{"a lone high surrogate", `{"Id":"\ud800","Statement":[` + fine + `]}`, -1, "Id", "surrogate"},
		{"a lone low surrogate", `{"Id":"\udc00x","Statement":[` + fine + `]}`, -1, "Id", "surrogate"},
		{"two high surrogates", `{"Id":"\ud800\ud800","Statement":[` + fine + `]}`, -1, "Id", "surrogate"},
		{"a bad escape", `{"Id":"\x","Statement":[` + fine + `]}`, -1, "Id", "escape"},
		{"a short unicode escape", `{"Id":"\u12","Statement":[` + fine + `]}`, -1, "Id", "hexadecimal"},
		{"a raw control character", "{\"Id\":\"a\nb\",\"Statement\":[" + fine + "]}", -1, "Id", "control character"},
		{"a string without end", `{"Id":"abc`, -1, "Id", "does not end"},
		{"more than 1 MB", `{"Id":"` + strings.Repeat("x", MaxDocumentSize) + `"}`, -1, "", "more than"},
		{"deep nesting", strings.Repeat("[", 100_000), -1, "", "an array"},
		{"deep nesting in a statement", `{"Statement":` + strings.Repeat("[", 100_000), 0, "", "an array"},
		{"deep nesting in a condition", allowWith(`"Condition":{"StringEquals":{"k":` + strings.Repeat(`[`, 100_000)), 0, "Condition.StringEquals.k[0]", "an array"},
		{"no Statement", `{"Version":"2012-10-17"}`, -1, "Statement", "missing"},
		{"no statement in Statement", `{"Statement":[]}`, -1, "Statement", "no statement"},
		{"a Statement of the wrong type", `{"Statement":"x"}`, -1, "Statement", "must be an object"},
		{"a statement of the wrong type", `{"Statement":[1]}`, 0, "", "a number"},
		{"an unknown member of the document", `{"Statements":[` + fine + `]}`, -1, "Statements", "unknown member"},
		{"a member in another case", `{"statement":[` + fine + `]}`, -1, "statement", "unknown member"},
		{"an unknown Version", `{"Version":"2012-10-18","Statement":[` + fine + `]}`, -1, "Version", `not "2012-10-18"`},
		{"an empty Version", `{"Version":"","Statement":[` + fine + `]}`, -1, "Version", "must be"},
		{"a Version of the wrong type", `{"Version":2012,"Statement":[` + fine + `]}`, -1, "Version", "a number"},
		{"Version twice", `{"Version":"2012-10-17","Version":"2012-10-17","Statement":[` + fine + `]}`, -1, "Version", "twice"},
		{"Statement twice", `{"Statement":[` + fine + `],"Statement":[` + fine + `]}`, -1, "Statement", "twice"},
		{"an escaped duplicate", `{"Statement":[` + fine + `],"\u0053tatement":[` + fine + `]}`, -1, "Statement", "twice"},

		{"an unknown member of a statement", allowWith(`"Resources":"*"`), 0, "Resources", "unknown member"},
		{"the second statement", `{"Statement":[` + fine + `,{"Effect":"Allow","Action":"s3:GetObject","Recource":"*"}]}`, 1, "Recource", "unknown member"},
		{"Effect missing", inStatement(`"Action":"*","Resource":"*"`), 0, "Effect", "missing"},
		{"Effect in lower case", inStatement(`"Effect":"allow","Action":"*","Resource":"*"`), 0, "Effect", `not "allow"`},
		{"Effect in upper case", inStatement(`"Effect":"DENY","Action":"*","Resource":"*"`), 0, "Effect", `not "DENY"`},
		{"Effect of the wrong type", inStatement(`"Effect":true,"Action":"*","Resource":"*"`), 0, "Effect", "a Boolean"},
		{"Effect twice", inStatement(`"Effect":"Deny","Effect":"Allow","Action":"*","Resource":"*"`), 0, "Effect", "twice"},
		{"no Action", inStatement(`"Effect":"Allow","Resource":"*"`), 0, "Action", "needs Action or NotAction"},
		{"Action and NotAction", inStatement(`"Effect":"Allow","Action":"*","NotAction":"s3:*","Resource":"*"`), 0, "NotAction", "both"},
		{"Resource and NotResource", allowWith(`"NotResource":"*"`), 0, "NotResource", "both"},
		{"Principal and NotPrincipal", allowWith(`"Principal":"*","NotPrincipal":"*"`), 0, "NotPrincipal", "both"},
		{"a Sid of the wrong type", allowWith(`"Sid":1`), 0, "Sid", "a number"},

		{"an empty Action list", inStatement(`"Effect":"Allow","Action":[],"Resource":"*"`), 0, "Action", "empty"},
		{"an action of the wrong type", inStatement(`"Effect":"Allow","Action":["s3:*",null],"Resource":"*"`), 0, "Action[1]", "null"},
		{"an action without a service", inStatement(`"Effect":"Allow","Action":["s3:*","GetObject"],"Resource":"*"`), 0, "Action[1]", "service:Action"},
		{"an action with two colons", inStatement(`"Effect":"Allow","Action":"s3:Get:Object","Resource":"*"`), 0, "Action", "more than one colon"},
		{"an action with a wildcard in the service", inStatement(`"Effect":"Allow","Action":"s*:GetObject","Resource":"*"`), 0, "Action", "service prefix"},
		{"an action with an empty service", inStatement(`"Effect":"Allow","Action":":GetObject","Resource":"*"`), 0, "Action", "service prefix"},
		{"an action with an empty name", inStatement(`"Effect":"Allow","Action":"s3:","Resource":"*"`), 0, "Action", "names no action"},
		{"an action with a space", inStatement(`"Effect":"Allow","Action":"s3: GetObject","Resource":"*"`), 0, "Action", "names no action"},
		{"an empty action", inStatement(`"Effect":"Allow","Action":"","Resource":"*"`), 0, "Action", "service:Action"},
		{"a malformed NotAction", inStatement(`"Effect":"Deny","NotAction":["GetObject"],"Resource":"*"`), 0, "NotAction[0]", "service:Action"},

		{"an empty Resource list", inStatement(`"Effect":"Allow","Action":"*","Resource":[]`), 0, "Resource", "empty"},
		{"an empty resource", inStatement(`"Effect":"Allow","Action":"*","Resource":""`), 0, "Resource", "is empty"},
		{"a resource that is no ARN", inStatement(`"Effect":"Allow","Action":"*","Resource":"my-secret"`), 0, "Resource", "neither an ARN"},
		{"a wildcard that no ARN can match", inStatement(`"Effect":"Allow","Action":"*","Resource":"prod/*"`), 0, "Resource", "neither an ARN"},
		{"a resource with too few parts", inStatement(`"Effect":"Allow","Action":"*","Resource":"arn:aws:s3:bucket"`), 0, "Resource", "six parts"},
		{"a resource without a partition", inStatement(`"Effect":"Allow","Action":"*","Resource":"arn::s3:::bucket"`), 0, "Resource", "no partition"},
		{"a resource without a service", inStatement(`"Effect":"Allow","Action":"*","Resource":"arn:aws::::bucket"`), 0, "Resource", "no service"},
		{"an ARN in upper case", inStatement(`"Effect":"Allow","Action":"*","Resource":"ARN:aws:s3:::bucket"`), 0, "Resource", "neither an ARN"},
		{"a malformed NotResource", inStatement(`"Effect":"Deny","Action":"*","NotResource":["*","x"]`), 0, "NotResource[1]", "neither an ARN"},

		{"a principal that is a plain string", allowWith(`"Principal":"arn:aws:iam::111122223333:root"`), 0, "Principal", `must be "*"`},
		{"a principal of the wrong type", allowWith(`"Principal":["*"]`), 0, "Principal", "an array"},
		{"an empty Principal", allowWith(`"Principal":{}`), 0, "Principal", "names no principal"},
		{"an empty principal list", allowWith(`"Principal":{"AWS":[]}`), 0, "Principal.AWS", "empty"},
		{"an unknown principal type", allowWith(`"Principal":{"User":"x"}`), 0, "Principal.User", "unknown principal type"},
		{"a principal type twice", allowWith(`"Principal":{"AWS":"*","AWS":"*"}`), 0, "Principal.AWS", "twice"},
		{"a short account id", allowWith(`"Principal":{"AWS":"11112222333"}`), 0, "Principal.AWS", "neither an account id"},
		{"an account id as a number", allowWith(`"Principal":{"AWS":111122223333}`), 0, "Principal.AWS", "a number"},
		{"an ARN of no principal", allowWith(`"Principal":{"AWS":["*","arn:aws:s3:::bucket"]}`), 0, "Principal.AWS[1]", "neither an account id"},
		{"a wildcard in a principal", allowWith(`"Principal":{"AWS":"arn:aws:iam::111122223333:role/*"}`), 0, "Principal.AWS", "wildcard"},
		{"a role without a name", allowWith(`"Principal":{"AWS":"arn:aws:iam::111122223333:role/"}`), 0, "Principal.AWS", "neither an account id"},
		{"a session without a name", allowWith(`"Principal":{"AWS":"arn:aws:sts::111122223333:assumed-role/x"}`), 0, "Principal.AWS", "neither an account id"},
		{"an account of the wrong length in an ARN", allowWith(`"Principal":{"AWS":"arn:aws:iam::1111:root"}`), 0, "Principal.AWS", "neither an account id"},
		{"a wildcard service", allowWith(`"Principal":{"Service":"*"}`), 0, "Principal.Service", "service principal"},
		{"a provider ARN that is none", allowWith(`"Principal":{"Federated":"arn:aws:iam::111122223333:role/x"}`), 0, "Principal.Federated", "identity provider"},
		{"a canonical user that is none", allowWith(`"Principal":{"CanonicalUser":"bob"}`), 0, "Principal.CanonicalUser", "canonical user"},
		{"a malformed NotPrincipal", allowWith(`"NotPrincipal":{"AWS":"bob"}`), 0, "NotPrincipal.AWS", "neither an account id"},

		{"a Condition of the wrong type", allowWith(`"Condition":[]`), 0, "Condition", "an array"},
		{"an unknown operator", allowWith(`"Condition":{"StringMatches":{"a:b":"c"}}`), 0, "Condition.StringMatches", "unknown condition operator"},
		{"an unknown operator without keys", allowWith(`"Condition":{"StringMatches":{}}`), 0, "Condition.StringMatches", "unknown condition operator"},
		{"an unknown qualifier", allowWith(`"Condition":{"ForSomeValues:StringEquals":{"a:b":"c"}}`), 0, "Condition.ForSomeValues:StringEquals", "unknown condition operator"},
		{"a qualifier alone", allowWith(`"Condition":{"ForAnyValue:":{"a:b":"c"}}`), 0, "Condition.ForAnyValue:", "unknown condition operator"},
		{"a suffix alone", allowWith(`"Condition":{"IfExists":{"a:b":"c"}}`), 0, "Condition.IfExists", "unknown condition operator"},
		{"Null with IfExists", allowWith(`"Condition":{"NullIfExists":{"a:b":"true"}}`), 0, "Condition.NullIfExists", "cannot take IfExists"},
		{"an operator twice", allowWith(`"Condition":{"Bool":{"a:b":"true"},"Bool":{"a:c":"true"}}`), 0, "Condition.Bool", "twice"},
		{"an operator twice in another case", allowWith(`"Condition":{"Bool":{"a:b":"true"},"bool":{"a:c":"true"}}`), 0, "Condition.bool", "twice"},
		{"a key twice", allowWith(`"Condition":{"Bool":{"a:b":"true","a:b":"true"}}`), 0, "Condition.Bool.a:b", "twice"},
		{"a key twice in another case", allowWith(`"Condition":{"Bool":{"a:b":"true","A:B":"true"}}`), 0, "Condition.Bool.A:B", "twice"},
		{"a key that is empty", allowWith(`"Condition":{"Bool":{"":"true"}}`), 0, "Condition.Bool", "empty"},
		{"an operator of the wrong type", allowWith(`"Condition":{"Bool":"true"}`), 0, "Condition.Bool", "must be an object"},
		{"a value of the wrong type", allowWith(`"Condition":{"Bool":{"a:b":{"c":1}}}`), 0, "Condition.Bool.a:b", "an object"},
		{"a null value", allowWith(`"Condition":{"StringEquals":{"a:b":["c",null]}}`), 0, "Condition.StringEquals.a:b[1]", "null"},
		{"a malformed number literal", allowWith(`"Condition":{"NumericEquals":{"a:b":01}}`), 0, "Condition.NumericEquals.a:b", "malformed"},
		{"a number that is none", allowWith(`"Condition":{"NumericEquals":{"a:b":"ten"}}`), 0, "Condition.NumericEquals.a:b", "not a number"},
		{"a date that is none", allowWith(`"Condition":{"DateLessThan":{"a:b":"2024-13-01"}}`), 0, "Condition.DateLessThan.a:b", "ISO 8601"},
		{"a Boolean that is none", allowWith(`"Condition":{"Bool":{"a:b":"yes"}}`), 0, "Condition.Bool.a:b", "neither true nor false"},
		{"a Null value that is none", allowWith(`"Condition":{"Null":{"a:b":"maybe"}}`), 0, "Condition.Null.a:b", "neither true nor false"},
		{"base-64 that is none", allowWith(`"Condition":{"BinaryEquals":{"a:b":"Q="}}`), 0, "Condition.BinaryEquals.a:b", "base-64"},
		{"a bad CIDR", allowWith(`"Condition":{"IpAddress":{"aws:SourceIp":"10.0.0.0/33"}}`), 0, "Condition.IpAddress.aws:SourceIp", "CIDR"},
		{"a bad address in a list", allowWith(`"Condition":{"NotIpAddress":{"aws:SourceIp":["10.0.0.0/8","10.0.0"]}}`), 0, "Condition.NotIpAddress.aws:SourceIp[1]", "CIDR"},
		{"an address with a zone", allowWith(`"Condition":{"IpAddress":{"aws:SourceIp":"fe80::1%eth0"}}`), 0, "Condition.IpAddress.aws:SourceIp", "CIDR"},
		{"a variable where none is replaced", allowWith(`"Condition":{"NumericEquals":{"a:b":"${aws:EpochTime}"}}`), 0, "Condition.NumericEquals.a:b", "not a number"},
		{"a variable without a closing brace", allowWith(`"Condition":{"StringLike":{"a:b":"${aws:username"}}`), 0, "Condition.StringLike.a:b", "closing brace"},
		{"a variable that is empty", inStatement(`"Effect":"Allow","Action":"*","Resource":"arn:aws:s3:::b/${}"`), 0, "Resource", "empty"},
		{"a variable with a space", inStatement(`"Effect":"Allow","Action":"*","Resource":"arn:aws:s3:::b/${aws:user name}"`), 0, "Resource", "space"},
		{"a default without quotes", inStatement(`"Effect":"Allow","Action":"*","Resource":"arn:aws:s3:::b/${aws:username, x}"`), 0, "Resource", "default"},
		{"a default without a space", inStatement(`"Effect":"Allow","Action":"*","Resource":"arn:aws:s3:::b/${aws:username,'x'}"`), 0, "Resource", "default"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			d, err := Parse("B.json", []byte(tt.text))
			var parseError *ParseError
			if !errors.As(err, &parseError) {
				t.Fatalf("Parse = %v, %v, want a ParseError", d, err)
			}
			if d != nil {
				t.Errorf("Parse gives a document with its error: %v", d)
			}
			if parseError.Name != "B.json" || parseError.Statement != tt.statement || parseError.Field != tt.field {
				t.Errorf("error is of %q, statement %d, field %q; want statement %d, field %q", parseError.Name, parseError.Statement, parseError.Field, tt.statement, tt.field)
			}
			if !strings.Contains(parseError.Message, tt.message) {
				t.Errorf("message is %q, want it to say %q", parseError.Message, tt.message)
			}
		})
	}
}

func TestParseErrorNamesThePlace(t *testing.T) {
	text := "{\n  \"Version\": \"2012-10-17\",\n  \"Statement\": [\n    {\"Sid\": \"größe\", \"Effect\": \"allow\", \"Action\": \"*\", \"Resource\": \"*\"}\n  ]\n}"
	_, err := Parse("B.json", []byte(text))
	const want = `B.json:4:32: Statement[0].Effect: must be "Allow" or "Deny", not "allow"`
	if err == nil || err.Error() != want {
		t.Errorf("error is %v, want %s", err, want)
	}
}

func TestParseTakes(t *testing.T) {
	tests := []struct {
		name, text string
		want       *Document
	}{
		{"no Version, one statement without an array", `{"Statement":{"Effect":"Allow","Action":"s3:*","Resource":"*"}}`,
			&Document{Statements: []Statement{{Effect: Allow, Actions: []string{"s3:*"}, Resources: []string{"*"}}}}},
		{"every element", ` {"Id":"x","Statement":[{"Sid":"a","Condition":{"stringequals":{"a:b":"c","a:d":["e","f"]},"FORANYVALUE:ARNLIKEIFEXISTS":{"a:b":[]}},
			"NotResource":["arn:aws:s3:::b","arn:aws:s3:::b/*"],"NotAction":["iam:*"],"Effect":"Deny",
			"NotPrincipal":{"Service":["a.amazonaws.com","b.amazonaws.com"],"AWS":"111122223333"}}],"Version":"2008-10-17"} `,
			&Document{Version: Version2008, ID: "x", Statements: []Statement{{
				Sid: "a", Effect: Deny, NotActions: []string{"iam:*"}, NotResources: []string{"arn:aws:s3:::b", "arn:aws:s3:::b/*"},
				NotPrincipals: []Principal{{PrincipalService, "a.amazonaws.com"}, {PrincipalService, "b.amazonaws.com"}, {PrincipalAWS, "111122223333"}},
				Conditions: []Condition{
					{"StringEquals", "a:b", []string{"c"}}, {"StringEquals", "a:d", []string{"e", "f"}}, {"ForAnyValue:ArnLikeIfExists", "a:b", []string{}},
				},
			}}}},
		{"numbers and Booleans become text", allowWith(`"Condition":{"Bool":{"a:b":true},"NumericLessThan":{"a:c":[10,-1.50,1e3]},"StringEquals":{"a:d":[false,7]}}`),
			&Document{Version: Version2012, Statements: []Statement{{Effect: Allow, Actions: []string{"s3:GetObject"}, Resources: []string{"*"}, Conditions: []Condition{
				{"Bool", "a:b", []string{"true"}}, {"NumericLessThan", "a:c", []string{"10", "-1.50", "1e3"}}, {"StringEquals", "a:d", []string{"false", "7"}},
			}}}}},
		{"escapes", `{"Id":"\"\\\/\b\f\n\r\t\u00e9\ud83d\ude00","Statement":[{"Effect":"Allow","\u0041ction":"s3:*","Resource":"*"}]}`,
			&Document{ID: "\"\\/\b\f\n\r\té😀", Statements: []Statement{{Effect: Allow, Actions: []string{"s3:*"}, Resources: []string{"*"}}}}},
		{"every form of principal", allowWith(`"Principal":{"AWS":["*","111122223333","arn:aws:iam::111122223333:root","arn:aws-cn:iam::111122223333:role/p/r","arn:aws:iam::111122223333:user/u",
			"arn:aws:sts::111122223333:assumed-role/r/s","arn:aws:sts::111122223333:federated-user/f","AROAEXAMPLE1234567890","arn:aws:iam::cloudfront:user/CloudFront Origin Access Identity E1"],
			"Federated":["arn:aws:iam::111122223333:saml-provider/p","cognito-identity.amazonaws.com"],"CanonicalUser":"79a59df900b949e55d96a1e698fbacedfd6e09d98eacf8f8d5218e7cd47ef2be"}`), nil},
		{"the bare everybody", allowWith(`"Principal":"*"`),
			&Document{Version: Version2012, Statements: []Statement{{Effect: Allow, Principals: []Principal{{PrincipalAny, "*"}}, Actions: []string{"s3:GetObject"}, Resources: []string{"*"}}}}},
		{"a trust policy", `{"Statement":{"Effect":"Allow","Principal":{"Service":"lambda.amazonaws.com"},"Action":"sts:AssumeRole"}}`, nil},
		{"resources that some ARN matches", inStatement(`"Effect":"Allow","Action":["*","*:*","a4b.x-y:G?t*"],"Resource":["*","*a*b*c?","arn:*","arn:aws:s3:*","a?n:aws:s3:::x","arn:aws:iam::*"]`), nil},
		{"malformed variables where there are none", `{"Statement":{"Effect":"Allow","Action":"s3:*","Resource":"arn:aws:s3:::b/${","Condition":{"StringLike":{"a:b":"${ }"}}}}`, nil},
		{"Version after the variables", `{"Statement":{"Effect":"Allow","Action":"s3:*","Resource":"arn:aws:s3:::b/${aws:username, 'it's'}${*}"},"Version":"2012-10-17"}`, nil},
		{"an empty Condition", allowWith(`"Condition":{"StringEquals":{}}`), nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := Parse("A.json", []byte(tt.text))
			if err != nil {
				t.Fatal(err)
			}
			if tt.want != nil {
				tt.want.Name = "A.json"
				if diff := cmp.Diff(tt.want, got); diff != "" {
					t.Errorf("Parse differs (-want +got):\n%s", diff)
				}
			}
			for _, printed := range []string{got.String(), got.Indent()} {
				again, err := Parse("A.json", []byte(printed))
				if err != nil {
					t.Fatalf("%s: %v", printed, err)
				}
				if diff := cmp.Diff(got, again); diff != "" {
					t.Errorf("the round trip through %s differs:\n%s", printed, diff)
				}
			}
		})
	}
}

func TestParseTakesAMegabyte(t *testing.T) {
	text := `{"Statement":{"Effect":"Allow","Action":"s3:*","Resource":"*","Condition":{"StringEquals":{"a:b":["`
	text += strings.Repeat("x", MaxDocumentSize-len(text)-len(`"]}}}}`)) + `"]}}}}`
	if _, err := Parse("A.json", []byte(text)); err != nil || len(text) != MaxDocumentSize {
		t.Errorf("Parse of %d bytes: %v", len(text), err)
	}
}

func TestParseCostsTheSameForManyKeys(t *testing.T) {
	var b strings.Builder
	for i := 0; b.Len() < MaxDocumentSize-200; i++ {
		b.WriteString(`,"k:` + strings.Repeat("x", i%7) + string(rune('a'+i%26)) + indexed("", i) + `":"v"`)
	}
	d, err := Parse("A.json", []byte(allowWith(`"Condition":{"StringEquals":{`+b.String()[1:]+`}}`)))
	if err != nil {
		t.Fatal(err)
	}
	if len(d.Statements[0].Conditions) < 10_000 {
		t.Errorf("only %d conditions", len(d.Statements[0].Conditions))
	}
}

func TestPrint(t *testing.T) {
	d := &Document{Version: Version2012, Statements: []Statement{{
		Sid: "a", Effect: Allow, Actions: []string{"s3:GetObject", "s3:PutObject"}, Resources: []string{"*"},
		Principals: []Principal{{PrincipalAWS, "111122223333"}, {PrincipalService, "lambda.amazonaws.com"}, {PrincipalAWS, "444455556666"}},
		Conditions: []Condition{{"stringequals", "a:b", []string{"<&>\u2028\x01"}}, {"Bool", "a:c", []string{"true"}}, {"StringEquals", "a:d", []string{"e", "f"}}},
	}}}
	const line = `{"Version":"2012-10-17","Statement":[{"Sid":"a","Effect":"Allow","Principal":{"AWS":["111122223333","444455556666"],"Service":"lambda.amazonaws.com"},` +
		`"Action":["s3:GetObject","s3:PutObject"],"Resource":"*","Condition":{"StringEquals":{"a:b":"<&>` + "\u2028" + `\u0001","a:d":["e","f"]},"Bool":{"a:c":"true"}}}]}`
	if got := d.String(); got != line {
		t.Errorf("String is\n%s, want\n%s", got, line)
	}
	small := &Document{Statements: []Statement{{Effect: Deny, NotActions: []string{"iam:*"}, NotResources: []string{"*"}, Conditions: []Condition{{"Null", "a:b", []string{}}}}}}
	const lines = `{
  "Statement": [
    {
      "Effect": "Deny",
      "NotAction": "iam:*",
      "NotResource": "*",
      "Condition": {
        "Null": {
          "a:b": []
        }
      }
    }
  ]
}`
	if got := small.Indent(); got != lines {
		t.Errorf("Indent is\n%s, want\n%s", got, lines)
	}
}

func TestMarshalRefusesWhatJSONCannotSay(t *testing.T) {
	d := &Document{Name: "A.json", Statements: []Statement{{Effect: Allow, Actions: []string{"*"}, Resources: []string{"*"},
		Conditions: []Condition{{"StringLike", "a:b", []string{"x*"}}, {"stringLike", "A:b", []string{"*y"}}}}}}
	if text, err := d.MarshalJSON(); err == nil {
		t.Errorf("MarshalJSON = %s, want an error", text)
	}
}

func TestCheckKind(t *testing.T) {
	const identity, resource, trust = KindIdentity, KindResource, KindTrust
	tests := []struct {
		name, text string
		fits       map[Kind]string // the field that the error names, "" where it fits
	}{
		{"an identity policy", allowWith(`"Sid":"a"`), map[Kind]string{identity: "", resource: "Principal", trust: "Principal"}},
		{"a resource policy", allowWith(`"Principal":"*"`), map[Kind]string{identity: "Principal", resource: "", trust: "Resource"}},
		{"a resource policy with NotPrincipal", allowWith(`"NotPrincipal":{"AWS":"111122223333"}`), map[Kind]string{identity: "NotPrincipal", resource: "", trust: "NotPrincipal"}},
		{"a trust policy", inStatement(`"Effect":"Allow","Action":"sts:AssumeRole","Principal":{"Service":"lambda.amazonaws.com"}`), map[Kind]string{identity: "Principal", resource: "", trust: ""}},
		{"an identity policy without a resource", inStatement(`"Effect":"Allow","Action":"s3:*"`), map[Kind]string{identity: "Resource", resource: "Principal", trust: "Principal"}},
		{"a Sid twice", `{"Statement":[{"Sid":"a","Effect":"Allow","Action":"s3:*","Resource":"*"},{"Sid":"a","Effect":"Deny","Action":"s3:*","Resource":"*"}]}`, map[Kind]string{identity: "Sid"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			d := mustParse(t, tt.text)
			for kind, field := range tt.fits {
				err := d.CheckKind(kind)
				var parseError *ParseError
				if got := errors.As(err, &parseError); got != (field != "") || got && parseError.Field != field {
					t.Errorf("CheckKind(%s) = %v, want an error of %q", kind, err, field)
				}
			}
		})
	}
	if err := mustParse(t, allowWith(`"Sid":"a"`)).CheckKind("other"); err == nil {
		t.Error("a kind that there is not passes")
	}
}
