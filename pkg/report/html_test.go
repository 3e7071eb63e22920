package report

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/rotationguard/rotationguard/pkg/drift"
	"github.com/rotationguard/rotationguard/pkg/ledger"
	"github.com/rotationguard/rotationguard/pkg/policy"
	"github.com/rotationguard/rotationguard/pkg/repair"
	"github.com/rotationguard/rotationguard/pkg/rotation"
)

func htmlOf(t testing.TB, o *Outcome) string {
	t.Helper()
	var out bytes.Buffer
	if err := o.WriteHTML(&out); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

// bodyOf is a page without its style and script, which golden files of their own text would only repeat.
func bodyOf(page string) string {
	page = strings.Replace(page, htmlStyle, "", 1)
	page = strings.Replace(page, htmlScript, "", 1)
	for _, text := range []string{htmlStyle, htmlScript} {
		page = strings.Replace(page, strings.ReplaceAll(sourceHash(text), "+", "&#43;"), "", 1)
	}
	return page
}

func TestHTMLOfEverySituation(t *testing.T) {
	for name, o := range situations() {
		t.Run(name, func(t *testing.T) {
			page := htmlOf(t, &o)
			golden(t, name+".html", []byte(bodyOf(page)))
			if again := htmlOf(t, &o); again != page {
				t.Error("the same outcome gives two pages")
			}
			if got := strings.Count(page, "are not visible from the account"); got != 1 {
				t.Errorf("what cannot be seen is said %d times", got)
			}
		})
	}
}

// elements are all that the page may consist of, with the attributes that each may have.
var elements = map[string][]string{
	"html": {"lang"}, "head": {}, "meta": {"charset", "http-equiv", "content", "name"}, "title": {}, "style": {}, "script": {}, "noscript": {},
	"body": {}, "header": {}, "nav": {"aria-label"}, "main": {}, "section": {"id", "aria-labelledby", "class"},
	"h1": {"id"}, "h2": {"id", "tabindex"}, "p": {"class", "id", "role", "hidden"}, "a": {"href", "class", "data-pick"}, "b": {"class", "data-v", "data-c"}, "i": {}, "small": {}, "span": {"class"},
	"svg": {"class", "viewBox", "preserveAspectRatio", "aria-hidden"}, "rect": {"data-v", "x", "width", "height"},
	"div": {"class", "id", "data-s", "role", "aria-label", "aria-labelledby", "tabindex"},
	"ul":  {"class", "id"}, "ol": {"class"}, "li": {"class", "id", "data-v", "data-s", "data-c", "data-h", "data-p"},
	"dl": {"class"}, "dt": {}, "dd": {"class"}, "time": {"datetime"}, "code": {}, "pre": {"class"}, "del": {}, "ins": {}, "mark": {},
	"details": {"class"}, "summary": {}, "button": {"type", "class", "id"},
	"form": {"id", "role", "aria-label", "hidden"}, "fieldset": {}, "legend": {}, "label": {"class", "data-v", "data-s"},
	"input": {"type", "name", "value", "list", "autocomplete", "spellcheck", "placeholder"}, "select": {"name"}, "option": {"value"}, "datalist": {"id"},
	"table": {"class"}, "thead": {}, "tbody": {}, "tr": {"data-v"}, "br": {}, "th": {"scope"}, "td": {"class"},
}

// checkPage reads a page element by element: nothing is in it but what the template has, every link stays inside, every anchor is one of a
// kind, and no text would act on a terminal or turn its direction.
func checkPage(t *testing.T, page string) {
	t.Helper()
	checkElements(t, bodyOf(page), 2)
}

// checkElements is checkPage of a page without its style and script, of which it has so many.
func checkElements(t *testing.T, page string, own int) {
	t.Helper()
	for _, r := range page {
		if r != '\n' && !unicode.IsPrint(r) {
			t.Errorf("the page holds %U", r)
		}
	}
	ids, links, labelled := map[string]bool{}, []string{}, []string{}
	scripts := 0
	d := xml.NewDecoder(strings.NewReader(page))
	d.Strict, d.AutoClose, d.Entity = false, xml.HTMLAutoClose, xml.HTMLEntity
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if c, ok := token.(xml.Comment); ok {
			t.Errorf("a comment: %.60q", c)
		}
		e, ok := token.(xml.StartElement)
		if !ok {
			continue
		}
		allowed, known := elements[e.Name.Local]
		if !known {
			t.Errorf("element %s", e.Name.Local)
			continue
		}
		if e.Name.Local == "script" || e.Name.Local == "style" {
			scripts++
		}
		for _, a := range e.Attr {
			if !slices.Contains(allowed, a.Name.Local) {
				t.Errorf("attribute %s=%.60q of %s", a.Name.Local, a.Value, e.Name.Local)
			}
			switch a.Name.Local {
			case "id":
				if ids[a.Value] {
					t.Errorf("two elements with the id %.60q", a.Value)
				}
				ids[a.Value] = true
			case "href":
				links = append(links, a.Value)
			case "aria-labelledby", "list":
				labelled = append(labelled, a.Value)
			}
		}
	}
	if scripts != own {
		t.Errorf("%d scripts and styles, want %d", scripts, own)
	}
	for _, link := range links {
		if !strings.HasPrefix(link, "#") || !ids[link[1:]] {
			t.Errorf("a link to %.60q, which the page does not have", link)
		}
	}
	for _, id := range labelled {
		if !ids[id] {
			t.Errorf("a label %.60q that the page does not have", id)
		}
	}
}

func TestPageHoldsNothingButItsOwnElements(t *testing.T) {
	for name, o := range situations() {
		t.Run(name, func(t *testing.T) { checkPage(t, htmlOf(t, &o)) })
	}
}

// hostileTexts are what somebody may write into names, tags, policies and messages.
var hostileTexts = []string{
	`<script>alert(1)</script>`, `</script><script>alert(1)</script>`, `</style><img src=x onerror=alert(1)>`, `<!-- `, `--><svg onload=alert(1)>`, `<![CDATA[`, `]]>`,
	`" onmouseover="alert(1)`, `' autofocus onfocus='alert(1)`, "` onclick=alert(1) `", `></details></li></ul>`, `javascript:alert(1)`, `JaVaScRiPt&colon;alert(1)`,
	`data:text/html,<script>alert(1)</script>`, `vbscript:msgbox(1)`, `//evil.example/x`, `&lt;b&gt;&amp;&#x3c;`, `<iframe srcdoc="<script>">`, `<base href=//evil.example>`,
	`<meta http-equiv=refresh content="0;url=//evil.example">`, `<a href=javascript:alert(1)>x</a>`, `<form action=//evil.example><button>`, `<template><script>`,
	`{{.Script}}`, `${alert(1)}`, `{{constructor.constructor('alert(1)')()}}`, `[x](javascript:alert(1))`, `![x](//evil.example/p.png)`, "```\n# heading\n```",
	`=cmd|' /C calc'!A0`, `+1+1`, `@SUM(1)`, "\x1b[31mred\x1b]0;title\x07", "\x1b]8;;//evil.example\x07link", "\u009b31m", "\u202edesrever\u202c", "\u2066\u2067\u2068x\u2069",
	"\u200b\u200d\ufeff", "\u2028\u2029", "a\x00b\r\nc\td", "\U000e0041\U000e0042", "\xff\xfe", "\ufffe", "שלום \u05d0 مرحبا", strings.Repeat("A", 500), "",
	"s-000000000000", "headline", "rows", "__proto__", "constructor",
}

// filled is an outcome with the text wherever an account may put one.
func filled(text string) Outcome {
	finding := func(kind drift.Kind, direction policy.Direction, severity drift.Severity) *drift.Finding {
		return &drift.Finding{
			ID: text, Rule: text, Kind: kind, Direction: direction, Severity: severity, Subject: rotation.ARN(text), Secret: rotation.ARN(text), Function: rotation.ARN(text),
			Statement: &policy.StatementRef{Document: text, Sid: text}, Explanation: text, Exempt: text,
			Witness: &drift.Witness{Action: text, Resource: text, Principal: &text, Context: map[string][]string{text: {text, text}}},
			Fix:     &drift.Fix{By: drift.ByPerson, Summary: text, Where: text, Statement: text, Command: text, BlockedBy: text},
		}
	}
	var findings []*drift.Finding
	for _, kind := range []drift.Kind{
		drift.KindRole, drift.KindFunctionPolicy, drift.KindTrust, drift.KindBoundary, drift.KindSecretPolicy, drift.KindKey, drift.KindFunction, drift.KindSecret, drift.KindOperator,
	} {
		for i, direction := range []policy.Direction{policy.Missing, policy.Excess} {
			findings = append(findings, finding(kind, direction, severities[(len(findings)/2+i)%len(severities)]))
		}
	}
	statement := finding(drift.KindRole, policy.Missing, drift.Critical)
	statement.Fix.Statement = fmt.Sprintf(`{"Sid":%q,"Effect":"Allow","Action":%q,"Resource":%q}`, text, text, text)
	findings = append(findings, statement)
	o := Outcome{Account: text, Region: text, Mode: repair.Mode(text), At: now}
	for _, v := range Verdicts {
		arn := secretARN(text)
		if v == drift.Broken {
			arn = rotation.ARN(text)
		}
		o.Secrets = append(o.Secrets, Secret{
			ARN: arn, Name: text, Kind: rotation.KindLambda, FunctionARN: functionARN(text), RoleARN: roleARN(text), KMSKeyID: text, Strategy: rotation.Strategy(text),
			StrategySource: rotation.Source(text), Master: rotation.ARN(text), Tags: map[string]string{text: text, "k": text}, Verdict: v, NextRotation: in(time.Hour),
			Reason: text, Findings: findings, Notes: []string{text}, Rotate: text,
			Decided: true, needs: []need{{rotation.TargetSecret, actionOf("s:" + text)}, {rotation.TargetNetwork, actionOf("s:" + text)}},
			documents: map[document]string{{rotation.ARN(text), text}: fmt.Sprintf(`{"Statement":[{"Sid":%q,"Effect":"Allow"},{"Sid":%q}]}`, text, text)},
		})
	}
	o.Operators = []Operator{{Principal: rotation.ARN(text), May: rotation.Permission(text), Verdict: drift.Drifted, Reason: text, Findings: findings}}
	for _, status := range []repair.Status{repair.Planned, repair.Waiting, repair.Refused, repair.Done, repair.Failed} {
		o.Changes = append(o.Changes, repair.Change{
			ID: text, Call: repair.AddPermission, Status: status, Reason: text, Subject: rotation.ARN(text), Name: text, Function: rotation.ARN(text),
			Secrets: []rotation.ARN{rotation.ARN(text), secretARN(text)}, Findings: []string{text}, Before: text, After: text,
			Diff: "@@ -1 +1 @@\n " + text + "\n-" + text + "\n+" + text + "\n", Proof: repair.Proof{Required: 1, Excess: text, Lost: text},
			NotBefore: in(time.Hour), At: in(0), Undo: text, Breaks: []string{text}, Opens: []string{text},
		})
	}
	o.Left = []repair.Left{{Function: rotation.ARN(text), Subject: rotation.ARN(text), Secret: rotation.ARN(text), What: text, Reason: text, Findings: []string{text}}}
	o.Breaker = &repair.Breaker{Tripped: text}
	o.Errors = []Error{{Call: text, Resource: text, Code: text, Message: text, Permission: text}}
	o.Notes = []string{text}
	ended := now
	o.Timeline = &Timeline{
		Since: now,
		Runs: []ledger.Run{{
			ID: text, Mode: text, Command: text, Caller: text, Cause: text, Summary: text, Started: now, Ended: &ended, Verdicts: map[drift.Verdict]int{drift.Broken: 1, drift.Verdict(text): 1},
			Changed: []ledger.VerdictChange{{Secret: text, Was: drift.Verdict(text), Is: drift.Verdict(text), Reason: text}, {Secret: string(secretARN(text)), Was: drift.Broken, Is: drift.Drifted, Reason: text}},
		}},
		Writes:   []ledger.Entry{{Run: text, At: now, Phase: ledger.PhaseOutcome, Call: text, Subject: text, Name: text, Status: text, Reason: text}},
		Findings: []ledger.FindingRecord{{Finding: *statement, FirstSeen: now}},
	}
	return o
}

func TestHostileTextIsInert(t *testing.T) {
	for i, text := range hostileTexts {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			o := filled(text)
			page := htmlOf(t, &o)
			checkPage(t, page)
			if again := htmlOf(t, &o); again != page {
				t.Error("the same outcome gives two pages")
			}
		})
	}
	all := filled(strings.Join(hostileTexts, " "))
	checkPage(t, htmlOf(t, &all))
}

func FuzzHTMLIsInert(f *testing.F) {
	for _, text := range hostileTexts {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		o := filled(text)
		o.Secrets, o.Changes = o.Secrets[:1], o.Changes[3:4] // more of the same would only make it slow
		checkPage(t, htmlOf(t, &o))
	})
}

func TestContentPolicyNamesWhatThePageHolds(t *testing.T) {
	o := situations()["broken"]
	page := htmlOf(t, &o)
	between := func(start, end string) string {
		_, rest, _ := strings.Cut(page, start)
		text, _, found := strings.Cut(rest, end)
		if !found {
			t.Fatalf("no %s in the page", start)
		}
		return text
	}
	policy := strings.ReplaceAll(between(`http-equiv="Content-Security-Policy" content="`, `"`), "&#43;", "+")
	policy = strings.ReplaceAll(policy, "&#39;", "'")
	for directive, text := range map[string]string{"style-src": between("<style>", "</style>"), "script-src": between("<script>", "</script>")} {
		sum := sha256.Sum256([]byte(text))
		if want := directive + " 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"; !strings.Contains(policy, want) {
			t.Errorf("the policy %s lacks %s", policy, want)
		}
	}
	for _, want := range []string{"default-src 'none'", "base-uri 'none'", "form-action 'none'"} {
		if !strings.Contains(policy, want) {
			t.Errorf("the policy %s lacks %s", policy, want)
		}
	}
	if strings.Contains(policy, "unsafe") || strings.Contains(policy, "http:") || strings.Contains(policy, "https:") {
		t.Errorf("the policy %s lets more in", policy)
	}
}

func TestHeadlineSaysTheWorst(t *testing.T) {
	of := func(counts map[drift.Verdict]int) *Outcome {
		o := &Outcome{At: now}
		for _, v := range Verdicts {
			for range counts[v] {
				o.Secrets = append(o.Secrets, Secret{Verdict: v})
			}
		}
		return o
	}
	tests := []struct {
		counts map[drift.Verdict]int
		want   string
	}{
		{nil, "No secret here is rotated by a function"},
		{map[drift.Verdict]int{drift.Skipped: 3}, "No secret here is rotated by a function"},
		{map[drift.Verdict]int{drift.InSync: 1}, "The one rotating secret is in sync"},
		{map[drift.Verdict]int{drift.InSync: 4, drift.Skipped: 1}, "All 4 rotating secrets are in sync"},
		{map[drift.Verdict]int{drift.InSync: 4, drift.Exempt: 1}, "4 of 5 rotating secrets in sync, 1 exempt"},
		{map[drift.Verdict]int{drift.InSync: 4, drift.Drifted: 1}, "Every rotation can work, and 1 of 5 rotating secrets drifted"},
		{map[drift.Verdict]int{drift.InSync: 4, drift.Drifted: 1, drift.Unknown: 2}, "Whether 2 of 7 rotating secrets can rotate is not known"},
		{map[drift.Verdict]int{drift.InSync: 4, drift.Unknown: 2, drift.Broken: 1, drift.Orphaned: 1}, "2 of 8 rotating secrets cannot rotate"},
	}
	for _, tt := range tests {
		t.Run(tt.want, func(t *testing.T) {
			if got := newPage(of(tt.counts)).Headline(); got != tt.want {
				t.Errorf("Headline = %q, want %q", got, tt.want)
			}
		})
	}
}

func TestSpanIsToTheHourWithinAWeek(t *testing.T) {
	for d, want := range map[time.Duration]string{
		20 * time.Second: "less than 1 min", 59 * time.Minute: "59 min", 23 * time.Hour: "23 h", 24 * time.Hour: "1 day", 52 * time.Hour: "2 days 4 h", 200 * time.Hour: "8 days",
	} {
		if got := span(d); got != want {
			t.Errorf("span(%s) = %q, want %q", d, got, want)
		}
	}
}

// large is an account with a mix that real ones have: most in sync, some with a finding of severity info, a fifth worse.
func large(secrets int) Outcome {
	o := Outcome{Account: accountID, Region: region, Mode: repair.ModeReport, At: now}
	for i := range secrets {
		name := fmt.Sprintf("prod/service-%04d/db-%05d", i/3, i)
		next := in(time.Duration(i%720-24) * time.Hour)
		var j drift.Judgement
		switch i % 10 {
		case 0:
			denials := []*drift.Finding{denied(ShortHash("get", name), name, "secretsmanager:GetSecretValue"), denied(ShortHash("put", name), name, "secretsmanager:PutSecretValue")}
			j = judged(name, drift.Broken, next, "the next rotation fails: secretsmanager:GetSecretValue on "+string(secretARN(name))+" is denied; and 1 more", denials...)
		case 1:
			j = judged(name, drift.Drifted, next, "rotation works, but anybody may invoke the function", public(name), info(name))
		case 2, 3, 4:
			j = judged(name, drift.InSync, next, "every request that rotation needs is allowed", info(name))
		case 5:
			j = judged(name, drift.Skipped, nil, "rotation is not enabled")
		default:
			j = judged(name, drift.InSync, next, "every request that rotation needs is allowed")
		}
		j.Secrets[0].Secret.Tags = map[string]string{"team": []string{"pay", "search", "mail"}[i%3], "service": fmt.Sprint("service-", i/3)}
		o.Add(&j)
	}
	o.Sort()
	return o
}

func TestSecretsAreHeldAsTextFromAThousandOn(t *testing.T) {
	for _, tt := range []struct{ secrets, texts int }{{heldFrom - 1, 0}, {heldFrom, heldFrom / chunk}, {heldFrom + 1, heldFrom/chunk + 1}} {
		o := large(tt.secrets)
		page := htmlOf(t, &o)
		if got := strings.Count(page, "<noscript><ul>\n<li class=\"row"); got != tt.texts {
			t.Errorf("%d secrets are held in %d texts, want %d", tt.secrets, got, tt.texts)
		}
		if got := strings.Count(bodyOf(page), "\n<li class=\"row"); got != tt.secrets {
			t.Errorf("the page has %d rows of %d secrets", got, tt.secrets)
		}
		checkPage(t, page)
	}
}

func BenchmarkWriteHTML(b *testing.B) {
	for _, n := range []int{10, 1000, 10_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			o := large(n)
			size := len(htmlOf(b, &o))
			b.ReportAllocs()
			for b.Loop() {
				if err := o.WriteHTML(io.Discard); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(size)/float64(n), "B/secret")
		})
	}
}
