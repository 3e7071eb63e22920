package policy

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// mixedValues are texts of which some are numbers, dates, addresses or Booleans.
var mixedValues = []string{
	"0", "1", "1.0", "2", "5", "9", "9.5", "10", "10.0", "010", "11", "19", "20", "21", "100", "-1", "-10", "1000000000", "1577836799", "1577836800", "1577836800.5", "1600000000",
	"2019-12-31T23:59:59Z", "2020-01-01", "2020-01-01T00:00:00Z", "2020-06-01T00:00:00Z", "2021-01-01T00:00:00Z", "1999-01-01T00:00:00Z",
	"10.0.0.1", "10.0.0.2", "10.1.0.1", "11.0.0.1", "192.168.0.1", "::1", "2001:db8::1", "true", "false", "True", "FALSE", "tru", "", "1x", "x", "20x", "text", "*",
}

var mixedTests = []string{
	`"NumericLessThan":{"a:k":"10"}`, `"NumericGreaterThanEquals":{"a:k":"10"}`, `"NumericEquals":{"a:k":["1","20"]}`, `"NumericNotEquals":{"a:k":"10"}`,
	`"NumericLessThanIfExists":{"a:k":"1577836800"}`, `"DateLessThan":{"a:k":"2020-01-01T00:00:00Z"}`, `"DateGreaterThanEquals":{"a:k":"2020-01-01"}`, `"DateNotEquals":{"a:k":"1577836800"}`,
	`"IpAddress":{"a:k":"10.0.0.0/8"}`, `"NotIpAddress":{"a:k":["10.0.0.0/16","::/0"]}`, `"Bool":{"a:k":"true"}`, `"BoolIfExists":{"a:k":"false"}`,
	`"StringLike":{"a:k":"1*"}`, `"StringNotLike":{"a:k":"1*"}`, `"StringLike":{"a:k":["10.*","20??-*"]}`, `"StringNotLike":{"a:k":"*0"}`, `"StringEquals":{"a:k":["10","true"]}`,
	`"StringNotEquals":{"a:k":["1","10.0.0.1"]}`, `"StringEqualsIgnoreCase":{"a:k":"TRUE"}`, `"StringLikeIfExists":{"a:k":"*:*"}`, `"Null":{"a:k":"false"}`,
}

// TestCompareKeysOfSeveralTypes compares statements that test one key in several ways, and tries what is decided on many values.
func TestCompareKeysOfSeveralTypes(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 9))
	counts := map[string]int{}
	for i := range 1500 {
		side := func() string {
			var statements []string
			for range 1 + r.IntN(3) {
				tests := slices.Clone(mixedTests)
				r.Shuffle(len(tests), func(i, j int) { tests[i], tests[j] = tests[j], tests[i] })
				var chosen []string
				for _, test := range tests[:1+r.IntN(3)] {
					operator, _, _ := strings.Cut(test, ":")
					if !slices.ContainsFunc(chosen, func(have string) bool { return strings.HasPrefix(have, operator+":") }) {
						chosen = append(chosen, test)
					}
				}
				effect := []string{"Allow", "Allow", "Allow", "Deny"}[r.IntN(4)]
				statements = append(statements, `{"Effect":"`+effect+`","Action":"s3:GetObject","Resource":"*","Condition":{`+strings.Join(chosen, ",")+`}}`)
			}
			return doc(statements...)
		}
		texts := [2]string{side(), side()}
		if nearly := strings.Replace(texts[0], `"10"`, `"20"`, 1); r.IntN(3) == 0 {
			texts[1] = nearly
		}
		expected, actual := identitySet(t, texts[0]), identitySet(t, texts[1])
		got := Compare(expected, actual, nil)
		checkWitnesses(t, expected, actual, got)
		a, b := Compile(expected), Compile(actual)
		missing, excess := "", ""
		for n := range len(mixedValues) + 1 {
			request := Request{Action: "s3:GetObject", Resource: "arn:aws:s3:::b/k", Context: map[string][]string{}}
			if n < len(mixedValues) {
				request.Context["a:k"] = mixedValues[n : n+1]
			}
			switch x, y := a.Allows(&request), b.Allows(&request); {
			case x && !y:
				missing = fmt.Sprint(request.Context)
			case y && !x:
				excess = fmt.Sprint(request.Context)
			}
		}
		counts[string(got.Verdict())]++
		if v := got.Verdict(); v != Indeterminate && (missing != "" && len(got.Missing) == 0 || excess != "" && len(got.Excess) == 0) {
			t.Fatalf("pair %d: Compare = %v, but %s is missing or %s excess\n%s\n%s", i, v, missing, excess, texts[0], texts[1])
		}
	}
	t.Log(counts)
	if counts[string(Indeterminate)] > 150 || counts[string(Equivalent)] < 300 {
		t.Errorf("of 1,500 pairs Compare decides too few, or they say too little: %v", counts)
	}
}
