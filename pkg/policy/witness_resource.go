package policy

import (
	"slices"
	"strings"
)

// home is the partition, Region and account that the policies speak of, so that a made-up ARN looks like theirs.
type home struct {
	partition, region, account string
	made                       []madeARN
	room                       [6]madeARN
	tidied                     tidied
}

// madeARN is an ARN that was written already.
type madeARN struct{ service, rest, arn string }

// tidied are the forms of the resource that was last tidied.
type tidied struct {
	resource string
	forms    []string
}

// homeOf takes the first ARN of the statements that names a Region and an account.
func homeOf(statements []compared) home {
	h := home{partition: "aws", region: "us-east-1", account: "111122223333"}
	region, account := false, false
	look := func(text string) {
		a, ok := splitARN(text)
		if !ok || strings.ContainsAny(a.partition+a.region+a.account, "*?$") {
			return
		}
		if !account && isAccountID(a.account) {
			h.account, account = a.account, true
			h.partition = a.partition
		}
		if !region && a.region != "" {
			h.region, region = a.region, true
		}
	}
	for i := range statements {
		s := statements[i].written
		for _, list := range [...][]string{s.Resources, s.NotResources} {
			for _, text := range list {
				look(text)
			}
		}
		for _, k := range s.Conditions {
			for _, text := range k.Values {
				look(text)
			}
		}
		if region && account {
			break
		}
	}
	return h
}

// arn writes an ARN of the home. An empty region or account stays empty where the service has none.
func (h *home) arn(service, rest string, regional bool) string {
	for i := range h.made {
		if h.made[i].service == service && h.made[i].rest == rest {
			return h.made[i].arn
		}
	}
	region, account := h.region, h.account
	switch {
	case service == "s3":
		region, account = "", ""
	case !regional:
		region = ""
	}
	arn := "arn:" + h.partition + ":" + service + ":" + region + ":" + account + ":" + rest
	if h.made == nil {
		h.made = h.room[:0]
	}
	h.made = append(h.made, madeARN{service, rest, arn})
	return arn
}

// resource is what an action may be called on; the second form is for where the first will not do, and "" ends the list.
func (h *home) resource(action string, form int) string {
	if actionHasNoResource(action) {
		form--
	}
	switch form {
	case -1:
		return "*"
	case 0:
	case 1:
		if actionHasNoResource(action) {
			return ""
		}
		return "*"
	default:
		return ""
	}
	service, name, _ := strings.Cut(action, ":")
	service = lowerASCII(service)
	switch service {
	case "secretsmanager":
		return h.arn(service, "secret:example-AbCdEf", true)
	case "kms":
		return h.arn(service, "key/1234abcd-12ab-34cd-56ef-1234567890ab", true)
	case "lambda":
		return h.arn(service, "function:example", true)
	case "iam":
		if strings.Contains(name, "User") || strings.Contains(name, "AccessKey") || strings.Contains(name, "LoginProfile") {
			return h.arn(service, "user/example", false)
		}
		return h.arn(service, "role/example", false)
	case "sts":
		return h.arn("iam", "role/example", false)
	case "s3":
		if strings.Contains(name, "Object") {
			return h.arn(service, "example-bucket/example", false)
		}
		return h.arn(service, "example-bucket", false)
	case "ec2":
		if strings.Contains(name, "NetworkInterface") || strings.Contains(name, "PrivateIpAddresses") {
			return h.arn(service, "network-interface/eni-0123456789abcdef0", true)
		}
		return h.arn(service, "instance/i-0123456789abcdef0", true)
	case "logs":
		return h.arn(service, "log-group:/aws/lambda/example:log-stream:example", true)
	case "dynamodb":
		return h.arn(service, "table/example", true)
	case "rds":
		return h.arn(service, "db:example", true)
	case "ssm":
		return h.arn(service, "parameter/example", true)
	}
	return h.arn(service, "example", true)
}

// tidy lists forms of a found resource that read better, best first: the parts that IAM knows other values of are replaced by
// those.
func (h *home) tidy(resource string) []string {
	if h.tidied.resource == resource {
		return h.tidied.forms
	}
	h.tidied = tidied{resource: resource}
	a, ok := splitARN(resource)
	if !ok {
		return nil
	}
	partitions, regions, accounts := []string{a.partition}, []string{a.region}, []string{a.account}
	if !slices.Contains(knownPartitions, a.partition) {
		partitions = append(slices.Clone(knownPartitions), a.partition)
	}
	if a.region != "" && a.region != h.region {
		regions = []string{h.region, "us-east-1", "eu-west-1", a.region}
	}
	if a.account != "" && a.account != h.account && !isAccountID(a.account) {
		accounts = []string{h.account, "444455556666", a.account}
	}
	if len(partitions)+len(regions)+len(accounts) == 3 {
		return nil
	}
	have := a
	for _, a.partition = range partitions {
		for _, a.region = range regions {
			for _, a.account = range accounts {
				if a == have {
					return h.tidied.forms
				}
				h.tidied.forms = append(h.tidied.forms, "arn:"+a.partition+":"+a.service+":"+a.region+":"+a.account+":"+a.resource)
			}
		}
	}
	return h.tidied.forms
}

// knownPartitions are partitions of AWS.
var knownPartitions = []string{"aws", "aws-cn", "aws-us-gov"}

// universe is what every value of a dimension is: nil when the required elements say so already, or when it may be any text.
// A request's resource is an ARN or "*"; so is a key that only Arn operators test an ARN.
func (c *comparer) universe(dim int32, require []*element) *element {
	var all *element
	switch {
	case dim == resourceDimension:
		all = c.anyResource()
	case c.keys.dimensions[dim].family == familyARN:
		all = c.anyARN()
	default:
		return nil
	}
	for _, e := range require {
		if all.covers(e, &c.budget) {
			return nil
		}
	}
	return all
}

// arnSymbols spells "prefix*:*:*:*:*" with as many parts as an ARN has.
func arnSymbols(prefix string, stars int) []symbol {
	var out []symbol
	for _, c := range prefix {
		out = append(out, symbol{symbolChar, c})
	}
	for i := range stars {
		if i > 0 {
			out = append(out, symbol{symbolChar, ':'})
		}
		if i < stars-1 {
			out = append(out, symbol{kind: symbolStarInSegment})
		} else {
			out = append(out, symbol{kind: symbolStar})
		}
	}
	return out
}

// resourceSymbols spell any ARN.
var resourceSymbols = arnSymbols("arn:", 5)

func (c *comparer) anyResource() *element {
	if c.resourceUniverse == nil {
		c.resourceUniverse = &element{languages: []*language{newLanguage(slices.Clone(resourceSymbols)), literalLanguage("*")}}
	}
	return c.resourceUniverse
}

func (c *comparer) anyARN() *element {
	if c.arnUniverse == nil {
		c.arnUniverse = &element{languages: []*language{newLanguage(arnSymbols("", 6))}}
	}
	return c.arnUniverse
}

// hints are readable values of a dimension that no statement names.
func (c *comparer) hints(dim int32) []string {
	if dim == resourceDimension {
		return []string{
			"arn:aws:secretsmanager:us-east-1:111122223333:secret:example-AbCdEf",
			"arn:aws:s3:::example-bucket/example",
			"*",
		}
	}
	if c.keys.dimensions[dim].family == familyARN || strings.HasSuffix(c.keys.dimensions[dim].lower, "arn") {
		return []string{"arn:aws:iam::111122223333:role/example", "arn:aws:lambda:us-east-1:111122223333:function:example", "example"}
	}
	return []string{"example", "other"}
}

// place chooses the resource: the one that was found when the statement lists it or it is at hand, else one that suits the
// action, as long as the request still shows the difference.
func (w *witnesses) place(p *pendingWitness, r *Request, resource string) (Witness, bool) {
	try := func(candidate string) (Witness, bool) {
		r.Resource = candidate
		return w.check(p, r)
	}
	if w.home.partition == "" {
		w.home = homeOf(w.statement)
	}
	if resource == "" {
		for form := 0; ; form++ {
			candidate := w.home.resource(r.Action, form)
			if candidate == "" {
				return Witness{}, false
			}
			if witness, ok := try(candidate); ok {
				return witness, true
			}
		}
	}
	lists := w.resourceLists(p)
	fixed := slices.ContainsFunc(lists, func(e *element) bool {
		return anyLanguage(e.languages, func(l *language) bool { return l.single && l.text == resource })
	})
	if w.facts != nil && !fixed {
		_, fixed = w.facts.at[resource]
	}
	if !fixed {
		suits := func(candidate string) bool {
			return candidate != resource && !slices.ContainsFunc(lists, func(e *element) bool { return !e.holds(candidate) })
		}
		if candidate := w.home.resource(r.Action, 0); suits(candidate) {
			if witness, ok := try(candidate); ok {
				return witness, true
			}
		}
		for _, candidate := range w.home.tidy(resource) {
			if !suits(candidate) {
				continue
			}
			if witness, ok := try(candidate); ok {
				return witness, true
			}
		}
	}
	return try(resource)
}
