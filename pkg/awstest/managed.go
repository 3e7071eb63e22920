package awstest

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	_ "embed"
)

// managedJSON holds the AWS managed policies that rotation setups and their operators use, as the "AWS Managed Policy
// Reference Guide" prints them.
//
//go:embed managed.json
var managedJSON []byte

// managedPolicies are AWS's own policies in a partition.
func managedPolicies(partition string) []*Policy {
	var all map[string]struct {
		Path, Version    string
		Created, Updated time.Time
		Document         json.RawMessage
	}
	if err := json.Unmarshal(managedJSON, &all); err != nil {
		panic(fmt.Sprintf("managed.json: %v", err)) // the embedded file is at fault, not any input
	}
	var out []*Policy
	for name, p := range sorted(all) {
		doc := string(p.Document)
		if partition != "aws" {
			doc = strings.ReplaceAll(doc, "arn:aws:", "arn:"+partition+":")
		}
		out = append(out, &Policy{
			Name: name, Path: p.Path, ARN: "arn:" + partition + ":iam::aws:policy" + p.Path + name,
			ID: fmt.Sprintf("ANPA%017X", mix(uint64(len(out)+1))), Document: doc, Default: p.Version, Versions: map[string]string{}, Created: p.Created, Updated: p.Updated,
		})
	}
	return out
}
