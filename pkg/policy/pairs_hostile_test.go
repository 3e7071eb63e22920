package policy_test

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rotationguard/rotationguard/pkg/policy"
)

// The bounds of one comparison, on any input.
const (
	hostileTime   = time.Second
	hostileMemory = 256 << 20
)

func allow(change func(s *policy.Statement)) policy.Statement {
	s := policy.Statement{Effect: policy.Allow, Actions: []string{"s3:GetObject"}, Resources: []string{"*"}}
	if change != nil {
		change(&s)
	}
	return s
}

func deny(change func(s *policy.Statement)) policy.Statement {
	s := allow(change)
	s.Effect = policy.Deny
	return s
}

func statements(list ...policy.Statement) policy.Set {
	return policy.Set{Identity: []*policy.Document{{Name: "hostile", Version: policy.Version2012, Statements: list}}}
}

// glob is a pattern of length n whose automaton is large: stars between letters that come again and again.
func glob(r *rand.Rand, n int, alphabet string) string {
	var b strings.Builder
	for b.Len() < n {
		b.WriteByte('*')
		b.WriteByte(alphabet[r.IntN(len(alphabet))])
		if r.IntN(5) == 0 {
			b.WriteByte('?')
		}
	}
	return b.String()[:n]
}

func many(n int, one func(i int) string) []string {
	out := make([]string, n)
	for i := range out {
		out[i] = one(i)
	}
	return out
}

func manyStatements(n int, one func(i int) policy.Statement) []policy.Statement {
	out := make([]policy.Statement, n)
	for i := range out {
		out[i] = one(i)
	}
	return out
}

func when(operator, key string, values ...string) policy.Condition {
	return policy.Condition{Operator: operator, Key: key, Values: values}
}

// hostilePairs are inputs that make a careless comparison run away. The documents are larger than IAM takes.
var hostilePairs = []struct {
	name string
	make func(r *rand.Rand) (expected, actual policy.Set)
}{
	{"one resource of 6144 characters", func(r *rand.Rand) (policy.Set, policy.Set) {
		p := "arn:aws:s3:::" + glob(r, 6131, "abc")
		return statements(allow(func(s *policy.Statement) { s.Resources = []string{p} })), statements(allow(func(s *policy.Statement) { s.Resources = []string{p + "?"} }))
	}},
	{"question marks and stars by turns", func(*rand.Rand) (policy.Set, policy.Set) {
		p := "arn:aws:s3:::" + strings.Repeat("*?", 3000)
		return statements(allow(func(s *policy.Statement) { s.Resources = []string{p} })), statements(allow(func(s *policy.Statement) { s.Resources = []string{p + "?"} }))
	}},
	{"globs of 512 characters in both", func(r *rand.Rand) (policy.Set, policy.Set) {
		one := func(int) string { return "arn:aws:s3:::" + glob(r, 499, "abc") }
		return statements(allow(func(s *policy.Statement) { s.Resources = many(12, one) })), statements(allow(func(s *policy.Statement) { s.Resources = many(12, one) }))
	}},
	{"globs of 6144 characters in 200 statements", func(r *rand.Rand) (policy.Set, policy.Set) {
		one := func(int) policy.Statement {
			return allow(func(s *policy.Statement) { s.Resources = []string{glob(r, 6144, "abc")} })
		}
		return statements(manyStatements(200, one)...), statements(manyStatements(200, one)...)
	}},
	{"short globs in 200 statements, half of them Deny", func(r *rand.Rand) (policy.Set, policy.Set) {
		one := func(i int) policy.Statement {
			s := allow(func(s *policy.Statement) { s.Resources = []string{"arn:aws:s3:::*" + glob(r, 8, "abcdef") + "*"} })
			if i%2 == 1 {
				s.Effect = policy.Deny
			}
			return s
		}
		return statements(manyStatements(200, one)...), statements(manyStatements(200, one)...)
	}},
	{"NotResource lists of globs", func(r *rand.Rand) (policy.Set, policy.Set) {
		one := func(int) policy.Statement {
			return deny(func(s *policy.Statement) {
				s.Resources, s.NotResources = nil, many(30, func(int) string { return "arn:aws:s3:::" + glob(r, 20, "ab") })
			})
		}
		return statements(append(manyStatements(40, one), allow(nil))...), statements(append(manyStatements(40, one), allow(nil))...)
	}},
	{"100 StringLike values on ten keys in 200 statements", func(r *rand.Rand) (policy.Set, policy.Set) {
		one := func(i int) policy.Statement {
			return allow(func(s *policy.Statement) {
				for k := range 10 {
					s.Conditions = append(s.Conditions, when([]string{"StringLike", "StringNotLike"}[(i+k)%2], fmt.Sprintf("aws:PrincipalTag/k%d", k), many(100, func(int) string { return glob(r, 12, "abcd") })...))
				}
			})
		}
		return statements(manyStatements(200, one)...), statements(manyStatements(200, one)...)
	}},
	{"100 plain values on ten keys in 200 statements", func(r *rand.Rand) (policy.Set, policy.Set) {
		one := func(i int) policy.Statement {
			return allow(func(s *policy.Statement) {
				for k := range 10 {
					s.Conditions = append(s.Conditions, when([]string{"StringEquals", "StringNotEquals", "StringEqualsIgnoreCaseIfExists"}[(i+k)%3], fmt.Sprintf("aws:PrincipalTag/k%d", k), many(100, func(int) string { return fmt.Sprint("v", r.IntN(300)) })...))
				}
			})
		}
		return statements(manyStatements(200, one)...), statements(manyStatements(200, one)...)
	}},
	{"one condition after the other on forty keys, as hard as a puzzle", func(r *rand.Rand) (policy.Set, policy.Set) {
		// Each Deny takes away one assignment of three keys: whether something is left is 3-SAT near its threshold.
		clause := func(int) policy.Statement {
			return deny(func(s *policy.Statement) {
				for _, k := range r.Perm(45)[:3] {
					s.Conditions = append(s.Conditions, when("Bool", fmt.Sprintf("example:b%d", k), fmt.Sprint(r.IntN(2) == 0)))
				}
			})
		}
		present := allow(func(s *policy.Statement) {
			for k := range 45 {
				s.Conditions = append(s.Conditions, when("Null", fmt.Sprintf("example:b%d", k), "false"))
			}
		})
		return statements(deny(nil)), statements(append(manyStatements(192, clause), present)...)
	}},
	{"pigeons and holes", func(*rand.Rand) (policy.Set, policy.Set) {
		// Every pigeon's key names one of nine holes, no two the same: ten pigeons leave nothing.
		var list []policy.Statement
		holes := many(9, func(i int) string { return fmt.Sprint("hole", i) })
		list = append(list, allow(func(s *policy.Statement) {
			for p := range 10 {
				s.Conditions = append(s.Conditions, when("StringEquals", fmt.Sprintf("example:pigeon%d", p), holes...))
			}
		}))
		for p := range 10 {
			for q := range p {
				for _, h := range holes {
					list = append(list, deny(func(s *policy.Statement) {
						s.Conditions = []policy.Condition{when("StringEquals", fmt.Sprintf("example:pigeon%d", p), h), when("StringEquals", fmt.Sprintf("example:pigeon%d", q), h)}
					}))
				}
			}
		}
		return statements(deny(nil)), statements(list...)
	}},
	{"chains of NumericLessThan", func(r *rand.Rand) (policy.Set, policy.Set) {
		one := func(i int) policy.Statement {
			return allow(func(s *policy.Statement) {
				for k := range 8 {
					s.Conditions = append(s.Conditions, when([]string{"NumericLessThan", "NumericGreaterThanEquals"}[(i+k)%2], fmt.Sprintf("example:n%d", k), fmt.Sprint(r.IntN(1_000_000))))
				}
			})
		}
		return statements(manyStatements(200, one)...), statements(manyStatements(200, one)...)
	}},
	{"numbers of 400 digits", func(r *rand.Rand) (policy.Set, policy.Set) {
		one := func(int) string {
			return "1" + strings.Repeat("0", r.IntN(400)) + "." + strings.Repeat("3", r.IntN(400)) + "e-300"
		}
		side := func() policy.Set {
			return statements(manyStatements(100, func(int) policy.Statement {
				return allow(func(s *policy.Statement) {
					s.Conditions = []policy.Condition{when("NumericLessThan", "example:n", many(100, one)...), when("NumericNotEquals", "example:n", many(100, one)...)}
				})
			})...)
		}
		return side(), side()
	}},
	{"address ranges within ranges", func(r *rand.Rand) (policy.Set, policy.Set) {
		one := func(int) string {
			return fmt.Sprintf("%d.%d.%d.%d/%d", r.IntN(256), r.IntN(256), r.IntN(256), r.IntN(256), r.IntN(33))
		}
		side := func() policy.Set {
			return statements(manyStatements(200, func(i int) policy.Statement {
				return allow(func(s *policy.Statement) {
					s.Conditions = []policy.Condition{when([]string{"IpAddress", "NotIpAddress"}[i%2], "aws:SourceIp", many(100, one)...), when("NotIpAddress", "aws:VpcSourceIp", many(100, one)...)}
				})
			})...)
		}
		return side(), side()
	}},
	{"sets of values under every set operator", func(r *rand.Rand) (policy.Set, policy.Set) {
		operators := []string{"ForAllValues:StringLike", "ForAnyValue:StringLike", "ForAllValues:StringNotLike", "ForAnyValue:StringNotLike", "ForAllValues:StringEquals"}
		side := func() policy.Set {
			return statements(manyStatements(100, func(i int) policy.Statement {
				return allow(func(s *policy.Statement) {
					for k := range 4 {
						s.Conditions = append(s.Conditions, when(operators[(i+k)%len(operators)], "aws:TagKeys", many(20, func(int) string { return glob(r, 6, "abc") })...))
						s.Conditions = append(s.Conditions, when(operators[(i+2*k)%len(operators)], fmt.Sprintf("example:set%d", k), many(20, func(int) string { return glob(r, 6, "abc") })...))
					}
				})
			})...)
		}
		return side(), side()
	}},
	{"sixty variables in one value", func(r *rand.Rand) (policy.Set, policy.Set) {
		one := func(int) string {
			var b strings.Builder
			b.WriteString("arn:aws:s3:::")
			for range 60 {
				fmt.Fprintf(&b, "${aws:PrincipalTag/k%d, 'x'}*", r.IntN(30))
			}
			return b.String()
		}
		side := func() policy.Set {
			return statements(manyStatements(20, func(int) policy.Statement {
				return allow(func(s *policy.Statement) { s.Resources = many(10, one) })
			})...)
		}
		return side(), side()
	}},
	{"keys that name each other", func(*rand.Rand) (policy.Set, policy.Set) {
		side := func(shift int) policy.Set {
			return statements(manyStatements(200, func(i int) policy.Statement {
				return allow(func(s *policy.Statement) {
					for k := range 6 {
						s.Conditions = append(s.Conditions, when([]string{"StringLike", "StringNotLike"}[(i+k)%2], fmt.Sprintf("aws:PrincipalTag/k%d", k), fmt.Sprintf("*${aws:PrincipalTag/k%d}?${aws:PrincipalTag/k%d}*", (k+i+shift)%6, (k+1)%6)))
					}
				})
			})...)
		}
		return side(1), side(2)
	}},
	{"braces within braces", func(*rand.Rand) (policy.Set, policy.Set) {
		p := "arn:aws:s3:::" + strings.Repeat("${", 1500) + "aws:username" + strings.Repeat("}", 1500)
		return statements(allow(func(s *policy.Statement) { s.Resources = []string{p} })), statements(allow(func(s *policy.Statement) { s.Resources = []string{p + "*"} }))
	}},
	{"10000 actions", func(*rand.Rand) (policy.Set, policy.Set) {
		one := func(i int) string { return fmt.Sprintf("service%d:DoSomething%d", i%97, i) }
		return statements(allow(func(s *policy.Statement) { s.Actions = many(10_000, one) })), statements(manyStatements(100, func(i int) policy.Statement {
			return allow(func(s *policy.Statement) { s.Actions = many(100, func(j int) string { return one(i*100 + j + 1) }) })
		})...)
	}},
	{"10000 actions with wildcards", func(r *rand.Rand) (policy.Set, policy.Set) {
		one := func(int) string { return "s3:" + glob(r, 8, "abcdefgh") }
		return statements(allow(func(s *policy.Statement) { s.Actions = many(10_000, one) })), statements(allow(func(s *policy.Statement) { s.Actions = many(10_000, one) }))
	}},
	{"wildcards in actions of 200 statements", func(r *rand.Rand) (policy.Set, policy.Set) {
		side := func() policy.Set {
			return statements(manyStatements(200, func(i int) policy.Statement {
				s := allow(func(s *policy.Statement) {
					s.Actions = many(10, func(int) string { return "s3:*" + glob(r, 10, "abc") + "*" })
				})
				if i%3 == 0 {
					s.NotActions, s.Actions = s.Actions, nil
				}
				return s
			})...)
		}
		return side(), side()
	}},
	{"10000 resources", func(r *rand.Rand) (policy.Set, policy.Set) {
		one := func(i int) string { return fmt.Sprintf("arn:aws:s3:::bucket%d/%s*", i, glob(r, 6, "abc")) }
		return statements(allow(func(s *policy.Statement) { s.Resources = many(10_000, one) })), statements(allow(func(s *policy.Statement) { s.Resources = many(10_000, one) }))
	}},
	{"10000 principals", func(*rand.Rand) (policy.Set, policy.Set) {
		side := func(shift int) policy.Set {
			s := allow(nil)
			for i := range 10_000 {
				s.Principals = append(s.Principals, policy.Principal{Type: policy.PrincipalAWS, ID: fmt.Sprintf("arn:aws:iam::%012d:role/r%d", (i+shift)%5000, i)})
			}
			d := deny(nil)
			d.NotPrincipals = s.Principals[:5000]
			return policy.Set{Relation: policy.ResourceOnly, Resource: []*policy.Document{{Name: "hostile", Version: policy.Version2012, Statements: []policy.Statement{s, d}}}}
		}
		return side(0), side(1)
	}},
	{"wildcards in every component of an ARN", func(r *rand.Rand) (policy.Set, policy.Set) {
		one := func(int) string {
			return "arn:*" + glob(r, 6, "aws") + ":*" + glob(r, 6, "sn") + ":" + glob(r, 6, "us") + ":" + glob(r, 6, "12") + ":" + glob(r, 20, "ab")
		}
		side := func() policy.Set {
			return statements(manyStatements(60, func(i int) policy.Statement {
				return allow(func(s *policy.Statement) {
					s.Conditions = []policy.Condition{when([]string{"ArnLike", "ArnNotLike"}[i%2], "aws:SourceArn", many(20, one)...)}
					s.Resources = many(5, one)
				})
			})...)
		}
		return side(), side()
	}},
	{"letters of every case and script", func(r *rand.Rand) (policy.Set, policy.Set) {
		side := func() policy.Set {
			return statements(manyStatements(50, func(int) policy.Statement {
				return allow(func(s *policy.Statement) {
					s.Conditions = []policy.Condition{
						when("StringEqualsIgnoreCase", "aws:username", many(50, func(i int) string { return strings.Repeat("aB", 100) + string(rune(0x100+r.IntN(5000))) })...),
						when("StringLike", "aws:username", many(50, func(i int) string {
							return "*" + strings.Repeat("?", r.IntN(30)) + string(rune(0x1f300+r.IntN(700))) + "*"
						})...),
					}
				})
			})...)
		}
		return side(), side()
	}},
	{"one key of every type", func(r *rand.Rand) (policy.Set, policy.Set) {
		side := func() policy.Set {
			return statements(manyStatements(100, func(i int) policy.Statement {
				return allow(func(s *policy.Statement) {
					s.Conditions = []policy.Condition{
						when("StringLike", "example:any", many(20, func(int) string { return glob(r, 6, "12.e") })...), when("NumericLessThan", "example:any", fmt.Sprint(r.IntN(100))),
						when("DateGreaterThan", "example:any", fmt.Sprint(r.IntN(100))), when("Bool", "example:any", "true"), when("NotIpAddress", "example:any", "10.0.0.0/8"), when("ArnLike", "example:any", "arn:*:*:*:*:*"),
					}[i%4 : i%4+3]
				})
			})...)
		}
		return side(), side()
	}},
}

// processor is the time that this process has had a processor.
func processor() time.Duration {
	var used syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &used); err != nil {
		return 0
	}
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}

// peak runs f and says how long it took and by how much the heap grew at most. The time is the processor's where that is less:
// other processes may run meanwhile.
func peak(f func()) (took time.Duration, grown uint64) {
	runtime.GC()
	var before runtime.MemStats
	runtime.ReadMemStats(&before)
	stop, done := make(chan struct{}), make(chan struct{})
	most := before.HeapAlloc
	go func() {
		defer close(done)
		for {
			var m runtime.MemStats
			runtime.ReadMemStats(&m)
			most = max(most, m.HeapAlloc)
			select {
			case <-stop:
				return
			case <-time.After(2 * time.Millisecond):
			}
		}
	}()
	start, used := time.Now(), processor()
	f()
	took = min(time.Since(start), processor()-used)
	close(stop)
	<-done
	return took, most - before.HeapAlloc
}

// TestHostilePairsAreBounded: whatever the input, there is an answer, or a reason why there is none, within a second and 256 MB.
func TestHostilePairsAreBounded(t *testing.T) {
	for _, tt := range hostilePairs {
		t.Run(tt.name, func(t *testing.T) {
			expected, actual := tt.make(rand.New(rand.NewPCG(1, 2)))
			var took time.Duration
			var grown uint64
			var got policy.Result
			// Of two measurements the better counts: the collector works in this process, too.
			for range 2 {
				if took, grown = peak(func() { got = policy.Compare(expected, actual, nil) }); took <= hostileTime {
					break
				}
			}
			t.Logf("%v, %d MB: %s, %d missing, %d excess, %d reasons", took.Round(time.Millisecond), grown>>20, got.Verdict(), len(got.Missing), len(got.Excess), len(got.Indeterminate))
			if took > hostileTime || grown > hostileMemory {
				t.Errorf("Compare takes %v and %d MB", took, grown>>20)
			}
			j := judged{result: got}
			for _, f := range j.faults(expected, actual) {
				if f.kind == faultWitness {
					t.Errorf("%s: %.300s", f.kind, f.text)
				}
			}
		})
	}
}
