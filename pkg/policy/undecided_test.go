package policy

import (
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestUnknownKeysThatCoverEverythingDoNotDecide(t *testing.T) {
	const allow, deny = `"Effect":"Allow","Action":"*","Resource":"*"`, `"Effect":"Deny","Action":"*","Resource":"*"`
	when := func(effect, operator, values string) string {
		return effect + `,"Condition":{"` + operator + `":{"a:k":` + values + `}}`
	}
	tests := []struct {
		name       string
		statements []string
		want       Outcome
	}{
		{"a condition and its negation", []string{when(allow, "StringEquals", `"x"`), when(allow, "StringNotEquals", `"x"`)}, Allowed},
		{"the key in another case", []string{when(allow, "StringEquals", `"x"`), strings.ReplaceAll(when(allow, "StringNotEquals", `"x"`), "a:k", "A:K")}, Allowed},
		{"a value list split over statements", []string{when(allow, "StringEquals", `"x"`), when(allow, "StringEquals", `"y"`), when(allow, "StringNotEquals", `["x","y"]`)}, Allowed},
		{"a value list that leaves one out", []string{when(allow, "StringEquals", `"x"`), when(allow, "StringNotEquals", `["x","y"]`)}, Undecided},
		{"presence and absence", []string{when(allow, "Null", `"true"`), when(allow, "Null", `"false"`)}, Allowed},
		{"absence is not covered by two positives", []string{when(allow, "IpAddress", `"0.0.0.0/0"`), when(allow, "IpAddress", `"::/0"`)}, Undecided},
		{"a range and its negation", []string{when(allow, "IpAddress", `"10.0.0.0/8"`), when(allow, "NotIpAddress", `"10.0.0.0/8"`)}, Allowed},
		{"IfExists and presence", []string{when(allow, "StringLikeIfExists", `"a*"`), when(allow, "StringNotLike", `"a*"`)}, Allowed},
		{"a Deny and its negation", []string{allow, when(deny, "StringEquals", `"x"`), when(deny, "StringNotEquals", `"x"`)}, ExplicitlyDenied},
		{"what is allowed is always denied", []string{when(allow, "StringEquals", `"x"`), when(deny, "StringEquals", `"x"`)}, ImplicitlyDenied},
		{"a literal under StringLike is one under StringEquals", []string{when(allow, "StringEquals", `"x"`), when(allow, "StringNotLike", `"x"`)}, Allowed},
		{"a literal without case is another", []string{when(allow, "StringEquals", `"x"`), when(allow, "StringNotEqualsIgnoreCase", `"x"`)}, Undecided},
		{"sets do not complement each other", []string{when(allow, "ForAnyValue:StringEquals", `"x"`), when(allow, "ForAnyValue:StringNotEquals", `"x"`)}, Undecided},
		{"too many facts stay undecided", []string{when(allow, "StringEquals", `["1","2","3","4","5","6","7","8","9","10","11","12","13"]`),
			when(allow, "StringNotEquals", `["1","2","3","4","5","6","7","8","9","10","11","12","13"]`)}, Undecided},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			set := &Set{}
			for _, s := range tt.statements {
				set.Identity = append(set.Identity, mustParse(t, statementOf(s)))
			}
			r := roleRequest()
			r.Unknown = []string{"a:k"}
			got := Evaluate(set, &r)
			if got.Outcome != tt.want || (got.Outcome == Undecided) != (len(got.Keys) > 0) || got.Outcome == Allowed && len(got.By) == 0 {
				t.Errorf("Evaluate = %+v, want %s", got, tt.want)
			}
			if Compile(*set).Allows(&r) != (tt.want == Allowed) {
				t.Error("Allows disagrees")
			}
		})
	}
}

// TestDecidedIsCertain: what is decided with keys unknown is decided so for every value that they may have.
func TestDecidedIsCertain(t *testing.T) {
	operators := []string{"StringEquals", "StringNotEquals", "StringLike", "StringNotLike", "StringEqualsIfExists", "StringNotEqualsIgnoreCase", "Null", "ForAnyValue:StringEquals", "ForAllValues:StringNotEquals"}
	values := [][]string{nil, {"x"}, {"y"}, {"X"}, {"xy"}, {"z"}, {""}}
	decided := 0
	rapid.Check(t, func(t *rapid.T) {
		statement := rapid.Custom(func(t *rapid.T) Statement {
			s := wide(rapid.SampledFrom([]Effect{Allow, Allow, Deny}).Draw(t, "effect"))
			for i := range rapid.IntRange(0, 2).Draw(t, "conditions") {
				operator := rapid.SampledFrom(operators).Draw(t, "operator")
				wanted := rapid.SliceOfN(rapid.SampledFrom([]string{"x", "y", "x*", "${a:l}"}), 1, 2).Draw(t, "values")
				if operator == "Null" {
					wanted = rapid.SampledFrom([][]string{{"true"}, {"false"}}).Draw(t, "null")
				}
				s.Conditions = append(s.Conditions, Condition{Operator: operator, Key: []string{"a:k", "a:l"}[(i+rapid.IntRange(0, 1).Draw(t, "key"))%2], Values: wanted})
			}
			return s
		})
		document := &Document{Version: Version2012, Statements: rapid.SliceOfN(statement, 1, 4).Draw(t, "statements")}
		compiled := Compile(Set{Identity: []*Document{document}})
		r := roleRequest()
		r.Unknown = []string{"a:k", "a:l"}
		blind := compiled.Evaluate(&r)
		if blind.Outcome == Undecided {
			return
		}
		decided++
		for _, k := range values {
			for _, l := range values {
				seeing := roleRequest()
				seeing.Context = map[string][]string{"a:k": k, "a:l": l}
				got := compiled.Evaluate(&seeing)
				if (got.Outcome == Allowed) != (blind.Outcome == Allowed) || blind.Outcome == ExplicitlyDenied && got.Outcome != ExplicitlyDenied {
					t.Fatalf("%s with both keys unknown, %s with %v and %v: %s", blind.Outcome, got.Outcome, k, l, document)
				}
			}
		}
	})
	if decided == 0 {
		t.Error("nothing was decided")
	}
}
