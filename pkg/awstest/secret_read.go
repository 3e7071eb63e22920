package awstest

import (
	"cmp"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"unicode"
)

func secretOperations() []*operation {
	op := func(name string, write bool, run func(*exchange) (any, error)) *operation {
		return &operation{service: "secretsmanager", name: name, write: write, resource: secretResource, run: run}
	}
	list := op("ListSecrets", false, listSecrets)
	batch := op("BatchGetSecretValue", false, refuseValue)
	list.resource, batch.resource = nil, nil
	return []*operation{
		list,
		batch,
		op("GetSecretValue", false, refuseValue),
		op("DescribeSecret", false, describeSecret),
		op("GetResourcePolicy", false, getSecretPolicy),
		op("CreateSecret", true, createSecret),
		op("UpdateSecret", true, updateSecret),
		op("TagResource", true, tagSecret),
		op("UntagResource", true, untagSecret),
		op("RotateSecret", true, rotateSecret),
		op("CancelRotateSecret", true, cancelRotateSecret),
		op("PutResourcePolicy", true, putSecretPolicy),
		op("DeleteResourcePolicy", true, deleteSecretPolicy),
		op("DeleteSecret", true, deleteSecret),
		op("RestoreSecret", true, restoreSecret),
	}
}

// secretResource is the ARN of the secret that the call names; of one that does not exist, what it would be.
func secretResource(x *exchange) string {
	id := x.params["SecretId"]
	if id == "" {
		id = x.params["Name"]
	}
	if c := x.reg.secrets.find(id); c != nil {
		return c.now.ARN
	}
	if strings.HasPrefix(id, "arn:") {
		return id
	}
	return x.acct.arn("secretsmanager", x.reg.name, "secret:"+id)
}

// refuseValue denies the reading of values: there are none.
func refuseValue(x *exchange) (any, error) {
	resource := "*"
	if x.op.resource != nil {
		resource = x.op.resource(x)
	}
	return nil, protocolOf("secretsmanager").denied(x.who, x.op, resource, "with an explicit deny in an identity-based policy")
}

// secretShape is what ListSecrets and DescribeSecret share.
type secretShape struct {
	ARN                            string
	Name                           string
	Type                           string         `json:",omitempty"`
	Description                    string         `json:",omitempty"`
	KmsKeyID                       string         `json:"KmsKeyId,omitempty"`
	RotationEnabled                *bool          `json:",omitempty"`
	RotationLambdaARN              string         `json:",omitempty"`
	RotationRules                  *RotationRules `json:",omitempty"`
	ExternalSecretRotationMetadata []Tag          `json:",omitempty"`
	ExternalSecretRotationRoleArn  string         `json:",omitempty"`
	LastRotatedDate                epoch          `json:",omitzero"`
	LastChangedDate                epoch          `json:",omitzero"`
	LastAccessedDate               epoch          `json:",omitzero"`
	DeletedDate                    epoch          `json:",omitzero"`
	NextRotationDate               epoch          `json:",omitzero"`
	Tags                           []Tag          `json:",omitempty"`
	OwningService                  string         `json:",omitempty"`
	CreatedDate                    epoch          `json:",omitzero"`
	PrimaryRegion                  string         `json:",omitempty"`
}

type secretEntry struct {
	secretShape
	SecretVersionsToStages map[string][]string `json:",omitempty"`
}

type secretDescription struct {
	secretShape
	VersionIDsToStages map[string][]string `json:"VersionIdsToStages,omitempty"`
	ReplicationStatus  []Replica           `json:",omitempty"`
}

func (s *Secret) shape() secretShape {
	return secretShape{
		ARN: s.ARN, Name: s.Name, Type: s.Type, Description: s.Description, KmsKeyID: s.KmsKeyID,
		RotationEnabled: s.RotationEnabled, RotationLambdaARN: s.RotationLambdaARN, RotationRules: s.RotationRules,
		ExternalSecretRotationMetadata: s.ExternalSecretRotationMetadata,
		ExternalSecretRotationRoleArn:  s.ExternalSecretRotationRoleArn,
		LastRotatedDate:                epoch{s.Rotated}, LastChangedDate: epoch{s.Changed}, LastAccessedDate: epoch{s.Accessed},
		DeletedDate: epoch{s.Deleted}, NextRotationDate: epoch{s.NextRotation}, CreatedDate: epoch{s.Created},
		Tags: s.Tags, OwningService: s.OwningService, PrimaryRegion: s.PrimaryRegion,
	}
}

// the finding of secrets

// secretOf gives the secret of a request, for an operation that works on secrets marked for deletion or not.
func secretOf(x *exchange, id string, deletedToo bool) (*secretCell, error) {
	if n := len(id); n == 0 || n > 2048 {
		return nil, bad("ValidationException", "1 validation error detected: Value at 'secretId' failed to satisfy constraint: Member must have length between 1 and 2048")
	}
	if parts := strings.SplitN(id, ":", 6); parts[0] == "arn" && len(parts) == 6 && parts[4] != x.acct.id {
		return nil, protocolOf("secretsmanager").denied(x.who, x.op, id, "because no resource-based policy allows the "+x.op.service+":"+x.op.name+" action")
	}
	c := x.reg.secrets.find(id)
	if c == nil {
		return nil, bad("ResourceNotFoundException", "Secrets Manager can't find the specified secret.")
	}
	if !deletedToo && !c.now.Deleted.IsZero() {
		return nil, bad("InvalidRequestException", "You can't perform this operation on the secret because it was marked for deletion.")
	}
	return c, nil
}

func describeSecret(x *exchange) (any, error) {
	c, err := secretOf(x, x.params["SecretId"], true)
	if err != nil {
		return nil, err
	}
	return secretDescription{secretShape: c.now.shape(), VersionIDsToStages: c.now.Versions, ReplicationStatus: c.now.Replication}, nil
}

func getSecretPolicy(x *exchange) (any, error) {
	c, err := secretOf(x, x.params["SecretId"], false)
	if err != nil {
		return nil, err
	}
	return struct {
		ARN            string
		Name           string
		ResourcePolicy string `json:",omitempty"`
	}{c.now.ARN, c.now.Name, c.now.Policy}, nil
}

// listing

type secretFilter struct {
	Key    string
	Values []string
}

type listSecretsInput struct {
	Filters                []secretFilter
	IncludePlannedDeletion bool
	MaxResults             *int
	NextToken              string
	SortBy                 string
	SortOrder              string
}

type listSecretsOutput struct {
	SecretList []secretEntry
	NextToken  string `json:",omitempty"`
}

// maxSecretPage is the largest MaxResults, and what an absent one is taken for.
const maxSecretPage = 100

func listSecrets(x *exchange) (any, error) {
	in, err := decode[listSecretsInput](x)
	if err != nil {
		return nil, err
	}
	page := maxSecretPage
	if in.MaxResults != nil {
		page = *in.MaxResults
	}
	if page < 1 || page > maxSecretPage {
		return nil, bad("ValidationException", "1 validation error detected: Value '%d' at 'maxResults' failed to satisfy constraint: Member must have value between 1 and %d", page, maxSecretPage)
	}
	for _, f := range in.Filters {
		if err := f.check(); err != nil {
			return nil, err
		}
	}
	cells, err := sortedSecrets(x, in)
	if err != nil {
		return nil, err
	}
	at, err := x.openToken(in)
	if err != nil {
		return nil, err
	}
	out := listSecretsOutput{SecretList: []secretEntry{}}
	x.reg.pages++
	empty := x.acct.weather.emptyPages > 0 && x.reg.pages%x.acct.weather.emptyPages == 0
	for ; !empty && at < len(cells) && len(out.SecretList) < page; at++ {
		v := cells[at].read(x.now)
		if v == nil || !v.Deleted.IsZero() && !in.IncludePlannedDeletion || !v.passes(in.Filters) {
			continue
		}
		out.SecretList = append(out.SecretList, secretEntry{secretShape: v.shape(), SecretVersionsToStages: v.Versions})
	}
	if at < len(cells) {
		out.NextToken = x.sealToken(in, at)
	}
	return out, nil
}

// sortedSecrets gives the Region's secrets in the order asked for. The order of making is kept as it is, so that a listing
// under way neither skips nor repeats when secrets come and go.
func sortedSecrets(x *exchange, in listSecretsInput) ([]*secretCell, error) {
	cells := x.reg.secrets.cells
	var by func(a, b *secretCell) int
	key := func(f func(*Secret) int64) func(a, b *secretCell) int {
		return func(a, b *secretCell) int { return cmp.Compare(f(orEmpty(a.now)), f(orEmpty(b.now))) }
	}
	switch in.SortBy {
	case "", "created-date":
	case "name":
		by = func(a, b *secretCell) int { return cmp.Compare(orEmpty(a.now).Name, orEmpty(b.now).Name) }
	case "last-accessed-date":
		by = key(func(s *Secret) int64 { return s.Accessed.UnixMilli() })
	case "last-changed-date":
		by = key(func(s *Secret) int64 { return s.Changed.UnixMilli() })
	default:
		return nil, bad("ValidationException", "1 validation error detected: Value '%s' at 'sortBy' failed to satisfy constraint", in.SortBy)
	}
	if by != nil || in.SortOrder == "desc" {
		cells = slices.Clone(cells)
	}
	if by != nil {
		slices.SortStableFunc(cells, by)
	}
	switch in.SortOrder {
	case "", "asc":
	case "desc":
		slices.Reverse(cells)
	default:
		return nil, bad("ValidationException", "1 validation error detected: Value '%s' at 'sortOrder' failed to satisfy constraint", in.SortOrder)
	}
	return cells, nil
}

func orEmpty(s *Secret) *Secret {
	if s == nil {
		return &Secret{}
	}
	return s
}

// sealToken makes the token of the page that starts at a place. It is good for the same request by the same account in the
// same Region only.
func (x *exchange) sealToken(in listSecretsInput, at int) string {
	return base64.URLEncoding.EncodeToString(fmt.Appendf(nil, "%d|%x", at, x.tokenSum(in, at)))
}

func (x *exchange) openToken(in listSecretsInput) (int, error) {
	if in.NextToken == "" {
		return 0, nil
	}
	var at int
	var sum []byte
	raw, err := base64.URLEncoding.DecodeString(in.NextToken)
	if err == nil {
		_, err = fmt.Sscanf(string(raw), "%d|%x", &at, &sum)
	}
	if err != nil || at < 0 || string(sum) != string(x.tokenSum(in, at)) {
		return 0, bad("InvalidNextTokenException", "The provided next token is invalid.")
	}
	return at, nil
}

func (x *exchange) tokenSum(in listSecretsInput, at int) []byte {
	in.NextToken, in.MaxResults = "", nil
	text, err := json.Marshal(in)
	if err != nil {
		return nil
	}
	sum := sha256.Sum256(fmt.Appendf(text, "%s|%s|%d", x.acct.id, x.reg.name, at))
	return sum[:8]
}

// filterValue is the pattern of a filter's value (API model, FilterValueStringType).
var filterValue = regexp.MustCompile(`^!?[a-zA-Z0-9 :_@/+=.\-!]*$`)

func (f secretFilter) check() error {
	switch f.Key {
	case "description", "name", "tag-key", "tag-value", "primary-region", "owning-service", "all":
	default:
		return bad("ValidationException", "1 validation error detected: Value '%s' at 'filters.1.member.key' failed to satisfy constraint", f.Key)
	}
	if len(f.Values) < 1 || len(f.Values) > 10 {
		return bad("ValidationException", "1 validation error detected: Value at 'filters.1.member.values' failed to satisfy constraint: Member must have length between 1 and 10")
	}
	for _, v := range f.Values {
		if !filterValue.MatchString(v) || len(v) > 512 {
			return bad("ValidationException", "1 validation error detected: Value '%s' at 'filters.1.member.values' failed to satisfy constraint", v)
		}
	}
	return nil
}

// passes says whether the secret is in a filtered list: every filter must be met, each by one of its values; a leading !
// negates (API reference, Filter; user guide, "Find secrets in Secrets Manager").
func (s *Secret) passes(filters []secretFilter) bool {
	for _, f := range filters {
		if !slices.ContainsFunc(f.Values, func(v string) bool {
			want, negated := strings.CutPrefix(v, "!")
			return s.has(f.Key, want) != negated
		}) {
			return false
		}
	}
	return true
}

func (s *Secret) has(key, want string) bool {
	switch key {
	case "name":
		return strings.HasPrefix(s.Name, want)
	case "description":
		return beginsWord(s.Description, want)
	case "tag-key":
		return slices.ContainsFunc(s.Tags, func(t Tag) bool { return strings.HasPrefix(t.Key, want) })
	case "tag-value":
		return slices.ContainsFunc(s.Tags, func(t Tag) bool { return strings.HasPrefix(t.Value, want) })
	case "primary-region":
		return strings.HasPrefix(s.PrimaryRegion, want)
	case "owning-service":
		return strings.HasPrefix(s.OwningService, want)
	}
	text := []string{s.Name, s.Description, s.PrimaryRegion, s.OwningService}
	for _, t := range s.Tags {
		text = append(text, t.Key, t.Value)
	}
	for _, word := range strings.Fields(want) {
		if !slices.ContainsFunc(text, func(have string) bool { return beginsWord(have, word) }) {
			return false
		}
	}
	return true
}

// beginsWord says whether the text, or a word in it, begins with the value, in any case.
func beginsWord(text, want string) bool {
	text, want = strings.ToLower(text), strings.ToLower(want)
	for i := 0; i < len(text); i++ {
		start := i == 0 || !unicode.IsLetter(rune(text[i-1])) && !unicode.IsDigit(rune(text[i-1]))
		if start && strings.HasPrefix(text[i:], want) {
			return true
		}
	}
	return want == ""
}
