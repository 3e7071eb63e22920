package policy

import (
	"strings"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"
)

func TestResourcePatterns(t *testing.T) {
	const secret = "arn:aws:secretsmanager:eu-west-1:111122223333:secret:prod/db-AbCdEf"
	tests := []struct {
		name, pattern, resource string
		want                    bool
	}{
		{"everything", "*", secret, true},
		{"everything includes the resource of an action without one", "*", "*", true},
		{"an ARN pattern is not everything", "arn:aws:*", "*", false},
		{"the ARN itself", secret, secret, true},
		{"case counts", strings.ToUpper(secret[:3]) + secret[3:], secret, false},
		{"case counts in the name", "arn:aws:secretsmanager:eu-west-1:111122223333:secret:PROD/db-AbCdEf", secret, false},
		{"six question marks", "arn:aws:secretsmanager:eu-west-1:111122223333:secret:prod/db-??????", secret, true},
		{"five question marks", "arn:aws:secretsmanager:eu-west-1:111122223333:secret:prod/db-?????", secret, false},
		{"a name without its suffix", "arn:aws:secretsmanager:eu-west-1:111122223333:secret:prod/db", secret, false},
		{"a star crosses slashes", "arn:aws:secretsmanager:eu-west-1:111122223333:secret:*AbCdEf", secret, true},
		{"stars for whole segments", "arn:aws:secretsmanager:*:*:secret:*", secret, true},
		{"a star crosses colons in the resource part", "arn:aws:secretsmanager:eu-west-1:111122223333:*/db-AbCdEf", secret, true},
		{"a star that ends a segment crosses colons", "arn:aws:secretsmanager:*", secret, true},
		{"a star that ends an early segment crosses colons too", "arn:aws:secretsmanager:*:secret:prod/db-AbCdEf", secret, true},
		{"a star inside a segment stays in it", "arn:aws:secretsmanager:eu-*-1:111122223333:secret:*", secret, true},
		{"a star inside a segment does not reach the next", "arn:aws:secretsmanager:eu-*3333:secret:*", secret, false},
		{"a question mark is no colon before the resource part", "arn:aws:secretsmanager:eu-west-1?111122223333:secret:*", secret, false},
		{"a question mark may be a colon in the resource part", "arn:aws:secretsmanager:eu-west-1:111122223333:secret?prod/db-AbCdEf", secret, true},
		{"missing segments are stars", "arn:aws:secretsmanager:eu-????-1", secret, true},
		{"missing segments are stars only where no star crosses", "arn:aws:secretsmanager:*:secret:prod/db-AbCdE?", secret, true},
		{"a pattern without the prefix has no segments", "*:secret:*AbCdEf", secret, true},
		{"an empty segment is empty", "arn:aws:secretsmanager::111122223333:secret:*", secret, false},
		{"one character is not one byte", "arn:aws:s3:::b/gr??e", "arn:aws:s3:::b/größe", true},
		{"a character outside the base plane is one", "arn:aws:s3:::b/?", "arn:aws:s3:::b/😀", true},
		{"a byte that is no UTF-8 is one character", "arn:aws:s3:::b/?", "arn:aws:s3:::b/\xff", true},
		{"stars do not cut characters", "arn:aws:s3:::b/*??", "arn:aws:s3:::b/€", false},
		{"no Unicode normalisation", "arn:aws:s3:::b/\u00e9", "arn:aws:s3:::b/e\u0301", false},
		{"a star backs up over a colon", "arn:aws:s3:::*a:*b", "arn:aws:s3:::a:xa:b", true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := newPattern(tt.pattern, ruleResource, true, false, false)
			if got := p.match(tt.resource, &Request{}) == yes; got != tt.want {
				t.Errorf("%s matches %s: %t, want %t", tt.pattern, tt.resource, got, tt.want)
			}
		})
	}
}

func TestARNPatterns(t *testing.T) {
	// The example of the IAM User Guide, "Condition operators", section ARN.
	const documented = "arn:aws:someservice:us-east-2:999999999999:store/abc:111122223333:finance/document.txt"
	tests := []struct {
		name, pattern, value string
		want                 bool
	}{
		{"a component is matched by itself", "arn:aws:someservice:*:111122223333:finance/*", documented, false},
		{"the sixth component holds what follows", "arn:aws:someservice:*:999999999999:store/*finance/*", documented, true},
		{"a star alone has no components", "*", documented, false},
		{"five components are too few", "arn:aws:iam::*", "arn:aws:iam::111122223333:root", false},
		{"six stars", "*:*:*:*:*:*", documented, true},
		{"a value that is no ARN", "*:*:*:*:*:*", "us-east-2", false},
		{"a question mark is no colon", "arn:aws:iam:??11122223333:root", "arn:aws:iam::111122223333:root", false},
		{"an empty component", "arn:aws:iam:?:111122223333:root", "arn:aws:iam::111122223333:root", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := newPattern(tt.pattern, ruleARN, true, false, false)
			if got := p.match(tt.value, &Request{}) == yes; got != tt.want {
				t.Errorf("%s matches %s: %t, want %t", tt.pattern, tt.value, got, tt.want)
			}
		})
	}
}

// slowMatch is matchTokens in its plainest form: every way to let a wildcard take characters is tried.
func slowMatch(tokens []token, s string, fold bool) bool {
	if len(tokens) == 0 {
		return s == ""
	}
	t := tokens[0]
	switch t.kind {
	case tokenStar:
		if slowMatch(tokens[1:], s, fold) {
			return true
		}
		if s == "" || t.within && s[0] == ':' {
			return false
		}
		_, size := utf8.DecodeRuneInString(s)
		return slowMatch(tokens, s[size:], fold)
	case tokenOne:
		if s == "" || t.within && s[0] == ':' {
			return false
		}
		_, size := utf8.DecodeRuneInString(s)
		return slowMatch(tokens[1:], s[size:], fold)
	default:
		if fold {
			s = lowerASCII(s)
		}
		rest, ok := strings.CutPrefix(s, t.text)
		return ok && slowMatch(tokens[1:], rest, fold)
	}
}

func TestPatternsMatchAsTheSlowMatcherDoes(t *testing.T) {
	rules := []patternRule{ruleText, ruleARN, ruleResource}
	rapid.Check(t, func(t *rapid.T) {
		prefix := rapid.SampledFrom([]string{"", "arn:", "arn:a:b:", "arn:a:b:c:d:"}).Draw(t, "prefix")
		text := prefix + strings.Join(rapid.SliceOfN(rapid.SampledFrom([]string{"*", "?", ":", "a", "b", "é", "A"}), 0, 9).Draw(t, "pattern"), "")
		value := prefix + strings.Join(rapid.SliceOfN(rapid.SampledFrom([]string{":", "a", "b", "é", "B"}), 0, 9).Draw(t, "value"), "")
		rule := rapid.SampledFrom(rules).Draw(t, "rule")
		fold := rapid.Bool().Draw(t, "fold")
		p := newPattern(text, rule, true, false, fold)
		want := !p.never && slowMatch(p.tokens, value, fold) && (rule != ruleARN || strings.Count(value, ":") >= arnColons)
		if got := p.match(value, &Request{}) == yes; got != want {
			t.Fatalf("rule %d fold %t: %q matches %q: %t, want %t", rule, fold, text, value, got, want)
		}
	})
}

func BenchmarkMatchHostile(b *testing.B) {
	p := newPattern("arn:aws:s3:::"+strings.Repeat("*a", 1000)+"b", ruleResource, true, false, false)
	value := "arn:aws:s3:::" + strings.Repeat("a", 2000)
	b.ReportAllocs()
	for b.Loop() {
		if p.match(value, &Request{}) == yes {
			b.Fatal("matches")
		}
	}
}
