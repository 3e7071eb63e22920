package awstest

import (
	"cmp"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Key is a KMS key. AddKey fills what is left empty and AWS never leaves empty.
type Key struct {
	ID          string
	ARN         string
	Aliases     []string // with the prefix alias/
	Manager     string   // CUSTOMER when empty, or AWS
	State       string   // Enabled when empty; Disabled, PendingDeletion, PendingImport, …
	Description string
	Policy      string // the default key policy; one that delegates to the account when empty
	Grants      []Grant
	MultiRegion bool
	Created     time.Time
	Deletion    time.Time // when State is PendingDeletion
}

// Grant is a grant on a key.
type Grant struct {
	ID                string
	Name              string
	GranteePrincipal  string
	RetiringPrincipal string
	Operations        []string
	ContextEquals     map[string]string
	ContextSubset     map[string]string
	Created           time.Time
}

func (k *Key) clone() *Key {
	c := *k
	c.Aliases, c.Grants = slices.Clone(k.Aliases), slices.Clone(k.Grants)
	return &c
}

// keyStore holds a Region's keys by id.
type keyStore struct {
	byID  map[string]*Key
	order []string
}

func (s *keyStore) put(k *Key) {
	if s.byID == nil {
		s.byID = map[string]*Key{}
	}
	if _, ok := s.byID[k.ID]; !ok {
		s.order = append(s.order, k.ID)
	}
	s.byID[k.ID] = k
}

func (s *keyStore) alias(name string) *Key {
	for _, id := range s.order {
		if slices.Contains(s.byID[id].Aliases, name) {
			return s.byID[id]
		}
	}
	return nil
}

// delegating is the key policy that the console and CreateKey write.
func delegating(a *account) string {
	return `{"Version":"2012-10-17","Id":"key-default-1","Statement":[{"Sid":"Enable IAM User Permissions","Effect":"Allow","Principal":{"AWS":"arn:` +
		a.partition + `:iam::` + a.id + `:root"},"Action":"kms:*","Resource":"*"}]}`
}

// AddKey puts a key into this Region and gives its ARN. One with the same id is replaced.
func (a *Account) AddKey(k Key) string {
	r, unlock := a.lock()
	defer unlock()
	return a.srv.addKey(a.state, r, k.clone())
}

func (s *server) addKey(a *account, r *region, k *Key) string {
	if k.ID == "" {
		_, k.ID, _ = strings.Cut(k.ARN, ":key/")
		k.ID = cmp.Or(k.ID, s.uuid())
	}
	k.ARN = cmp.Or(k.ARN, a.arn("kms", r.name, "key/"+k.ID))
	k.Manager = cmp.Or(k.Manager, "CUSTOMER")
	k.State = cmp.Or(k.State, "Enabled")
	k.Policy = cmp.Or(k.Policy, delegating(a))
	if k.Created.IsZero() {
		k.Created = s.now()
	}
	for i := range k.Grants {
		if k.Grants[i].ID == "" {
			k.Grants[i].ID = s.draw(64, "0123456789abcdef")
		}
		if k.Grants[i].Created.IsZero() {
			k.Grants[i].Created = k.Created
		}
	}
	r.keys.put(k)
	return k.ARN
}

// serviceKey makes the AWS managed key of Secrets Manager on first use, as AWS does.
func (s *server) serviceKey(a *account, r *region) *Key {
	const alias = "alias/aws/secretsmanager"
	if k := r.keys.alias(alias); k != nil {
		return k
	}
	s.addKey(a, r, &Key{
		Aliases: []string{alias}, Manager: "AWS",
		Description: "Default key that protects my Secrets Manager data when no other key is defined",
		Policy: `{"Version":"2012-10-17","Id":"auto-secretsmanager-2","Statement":[{"Sid":"Allow access through AWS Secrets Manager for all principals in the account that are authorized to use AWS Secrets Manager","Effect":"Allow","Principal":{"AWS":"*"},"Action":["kms:Encrypt","kms:Decrypt","kms:ReEncrypt*","kms:CreateGrant","kms:DescribeKey"],"Resource":"*","Condition":{"StringEquals":{"kms:CallerAccount":"` +
			a.id + `","kms:ViaService":"secretsmanager.` + r.name + `.amazonaws.com"}}}]}`,
	})
	return r.keys.alias(alias)
}

// Key gives a key of this Region by its id, ARN or alias.
func (a *Account) Key(id string) (Key, bool) {
	r, unlock := a.lock()
	defer unlock()
	k := r.keys.find(id)
	if k == nil {
		return Key{}, false
	}
	return *k.clone(), true
}

// UpdateKey changes a key in place and says whether there is one.
func (a *Account) UpdateKey(id string, change func(*Key)) bool {
	r, unlock := a.lock()
	defer unlock()
	k := r.keys.find(id)
	if k == nil {
		return false
	}
	k = k.clone()
	change(k)
	r.keys.put(k)
	return true
}

func (s *keyStore) find(id string) *Key {
	if _, rest, ok := strings.Cut(id, ":key/"); ok {
		k := s.byID[rest]
		if k != nil && k.ARN != id {
			return nil
		}
		return k
	}
	if i := strings.Index(id, "alias/"); i >= 0 {
		return s.alias(id[i:])
	}
	return s.byID[id]
}

func keyOperations() []*operation {
	op := func(name string, write bool, run func(*exchange) (any, error)) *operation {
		return &operation{service: "kms", name: name, write: write, resource: keyResource, run: run}
	}
	create, list := op("CreateKey", true, createKey), op("ListAliases", false, listKeyAliases)
	create.resource, list.resource = nil, nil
	return []*operation{
		op("DescribeKey", false, describeKey),
		op("GetKeyPolicy", false, getKeyPolicy),
		op("ListGrants", false, listGrants),
		list,
		create,
		op("CreateAlias", true, createKeyAlias),
		op("PutKeyPolicy", true, putKeyPolicy),
		op("CreateGrant", true, createGrant),
		op("DisableKey", true, setKeyState("Disabled")),
		op("EnableKey", true, setKeyState("Enabled")),
		op("ScheduleKeyDeletion", true, scheduleKeyDeletion),
	}
}

func keyResource(x *exchange) string {
	id := cmp.Or(x.params["KeyId"], x.params["TargetKeyId"])
	if k := x.reg.keys.find(id); k != nil {
		return k.ARN
	}
	if strings.HasPrefix(id, "arn:") {
		return id
	}
	return x.acct.arn("kms", x.reg.name, "key/"+id)
}

// keyOf gives the key that the request names; an alias only where the operation takes one.
func keyOf(x *exchange, aliasToo bool) (*Key, error) {
	id := x.params["KeyId"]
	if id == "" || len(id) > 2048 {
		return nil, bad("ValidationException", "1 validation error detected: Value at 'keyId' failed to satisfy constraint: Member must have length between 1 and 2048")
	}
	isAlias := strings.HasPrefix(id, "alias/") || strings.Contains(id, ":alias/")
	if strings.HasPrefix(id, "arn:") {
		parts := strings.SplitN(id, ":", 6)
		switch {
		case len(parts) != 6 || parts[2] != "kms":
			return nil, bad("InvalidArnException", "Invalid arn %s", id)
		case parts[3] != x.reg.name:
			return nil, bad("NotFoundException", "Invalid arn %s", parts[3])
		case parts[4] != x.acct.id:
			return nil, protocolOf("kms").denied(x.who, x.op, id, "because no resource-based policy allows the kms:"+x.op.name+" action")
		}
	}
	if isAlias && !aliasToo {
		return nil, bad("NotFoundException", "Invalid keyId '%s'", id)
	}
	if isAlias && strings.HasSuffix(id, "alias/aws/secretsmanager") {
		return x.srv.serviceKey(x.acct, x.reg), nil
	}
	k := x.reg.keys.find(id)
	switch {
	case k != nil:
		return k, nil
	case isAlias:
		return nil, bad("NotFoundException", "Alias %s is not found.", x.acct.arn("kms", x.reg.name, id[strings.Index(id, "alias/"):]))
	}
	return nil, bad("NotFoundException", "Key '%s' does not exist", keyResource(x))
}

// keyMetadata is KeyMetadata.
type keyMetadata struct {
	AWSAccountID          string `json:"AWSAccountId"`
	KeyID                 string `json:"KeyId"`
	Arn                   string
	CreationDate          epoch
	Enabled               bool
	Description           string
	KeyUsage              string
	KeyState              string
	DeletionDate          epoch `json:",omitzero"`
	Origin                string
	KeyManager            string
	CustomerMasterKeySpec string
	KeySpec               string
	EncryptionAlgorithms  []string
	MultiRegion           bool
}

func (k *Key) metadata(x *exchange) keyMetadata {
	return keyMetadata{
		AWSAccountID: x.acct.id, KeyID: k.ID, Arn: k.ARN, CreationDate: epoch{k.Created}, Enabled: k.State == "Enabled",
		Description: k.Description, KeyUsage: "ENCRYPT_DECRYPT", KeyState: k.State, DeletionDate: epoch{k.Deletion},
		Origin: "AWS_KMS", KeyManager: k.Manager, CustomerMasterKeySpec: "SYMMETRIC_DEFAULT", KeySpec: "SYMMETRIC_DEFAULT",
		EncryptionAlgorithms: []string{"SYMMETRIC_DEFAULT"}, MultiRegion: k.MultiRegion,
	}
}

func describeKey(x *exchange) (any, error) {
	k, err := keyOf(x, true)
	if err != nil {
		return nil, err
	}
	return struct{ KeyMetadata keyMetadata }{k.metadata(x)}, nil
}

func getKeyPolicy(x *exchange) (any, error) {
	k, err := keyOf(x, false)
	if err != nil {
		return nil, err
	}
	if name := x.params["PolicyName"]; name != "" && name != "default" {
		return nil, bad("NotFoundException", "No such policy exists")
	}
	return struct{ Policy, PolicyName string }{k.Policy, "default"}, nil
}

type grantShape struct {
	KeyID             string `json:"KeyId"`
	GrantID           string `json:"GrantId"`
	Name              string
	CreationDate      epoch
	GranteePrincipal  string
	RetiringPrincipal string `json:",omitempty"`
	IssuingAccount    string
	Operations        []string
	Constraints       *grantConstraints `json:",omitempty"`
}

type grantConstraints struct {
	EncryptionContextSubset map[string]string `json:",omitempty"`
	EncryptionContextEquals map[string]string `json:",omitempty"`
}

// kmsPage cuts a list by Limit and Marker.
func kmsPage[T any](x *exchange, all []T, usual, most int) ([]T, string, error) {
	in, err := decode[struct {
		Limit  *int
		Marker string
	}](x)
	if err != nil {
		return nil, "", err
	}
	size, at := usual, 0
	if in.Limit != nil {
		if size = *in.Limit; size < 1 || size > 1000 {
			return nil, "", bad("ValidationException", "1 validation error detected: Value '%d' at 'limit' failed to satisfy constraint: Member must have value between 1 and 1000", size)
		}
	}
	if in.Marker != "" {
		text, ok := strings.CutPrefix(in.Marker, "marker-")
		n, err := strconv.Atoi(text)
		if !ok || err != nil || n < 1 {
			return nil, "", bad("InvalidMarkerException", "Could not deserialize token")
		}
		at = min(n, len(all))
	}
	end := min(at+min(size, most), len(all))
	if end < len(all) {
		return all[at:end], "marker-" + strconv.Itoa(end), nil
	}
	return all[at:end], "", nil
}

func listGrants(x *exchange) (any, error) {
	k, err := keyOf(x, false)
	if err != nil {
		return nil, err
	}
	all := []grantShape{}
	for _, g := range k.Grants {
		if p := x.params["GranteePrincipal"]; p != "" && p != g.GranteePrincipal {
			continue
		}
		if id := x.params["GrantId"]; id != "" && id != g.ID {
			continue
		}
		s := grantShape{
			KeyID: k.ARN, GrantID: g.ID, Name: g.Name, CreationDate: epoch{g.Created}, GranteePrincipal: g.GranteePrincipal,
			RetiringPrincipal: g.RetiringPrincipal, IssuingAccount: x.acct.arn("iam", "", "root"), Operations: g.Operations,
		}
		if len(g.ContextEquals)+len(g.ContextSubset) > 0 {
			s.Constraints = &grantConstraints{g.ContextSubset, g.ContextEquals}
		}
		all = append(all, s)
	}
	some, next, err := kmsPage(x, all, 50, 100)
	if err != nil {
		return nil, err
	}
	return struct {
		Grants     []grantShape
		NextMarker string `json:",omitempty"`
		Truncated  bool
	}{some, next, next != ""}, nil
}

type aliasEntry struct {
	AliasName   string
	AliasArn    string
	TargetKeyID string `json:"TargetKeyId"`
}

func listKeyAliases(x *exchange) (any, error) {
	all := []aliasEntry{}
	only := x.params["KeyId"]
	for _, id := range x.reg.keys.order {
		k := x.reg.keys.byID[id]
		if only != "" && only != k.ID && only != k.ARN {
			continue
		}
		for _, name := range k.Aliases {
			all = append(all, aliasEntry{name, x.acct.arn("kms", x.reg.name, name), k.ID})
		}
	}
	some, next, err := kmsPage(x, all, 50, 100)
	if err != nil {
		return nil, err
	}
	return struct {
		Aliases    []aliasEntry
		NextMarker string `json:",omitempty"`
		Truncated  bool
	}{some, next, next != ""}, nil
}

// maxKeyPolicy is the longest key policy, in bytes ("AWS KMS resource quotas").
const maxKeyPolicy = 32_768

func checkKeyPolicy(doc string) error {
	if len(doc) > maxKeyPolicy {
		return bad("LimitExceededException", "The key policy is longer than %d bytes.", maxKeyPolicy)
	}
	if err := checkDocument(doc, resourceDocument); err != nil {
		return bad("MalformedPolicyDocumentException", "%v", err)
	}
	return nil
}

func createKey(x *exchange) (any, error) {
	in, err := decode[struct {
		Policy, Description string
		MultiRegion         bool
	}](x)
	if err != nil {
		return nil, err
	}
	if in.Policy != "" {
		if err := checkKeyPolicy(in.Policy); err != nil {
			return nil, err
		}
	}
	k := &Key{Policy: in.Policy, Description: in.Description, MultiRegion: in.MultiRegion}
	x.srv.addKey(x.acct, x.reg, k)
	return struct{ KeyMetadata keyMetadata }{k.metadata(x)}, nil
}

func createKeyAlias(x *exchange) (any, error) {
	name := x.params["AliasName"]
	if !strings.HasPrefix(name, "alias/") || strings.HasPrefix(name, "alias/aws/") {
		return nil, bad("InvalidAliasNameException", "Alias must start with the prefix \"alias/\" and not with \"alias/aws/\".")
	}
	k := x.reg.keys.find(x.params["TargetKeyId"])
	if k == nil {
		return nil, bad("NotFoundException", "Key '%s' does not exist", keyResource(x))
	}
	if x.reg.keys.alias(name) != nil {
		return nil, bad("AlreadyExistsException", "An alias with the name %s already exists", x.acct.arn("kms", x.reg.name, name))
	}
	k = k.clone()
	k.Aliases = append(k.Aliases, name)
	x.reg.keys.put(k)
	return nil, nil
}

// changeKey changes the key that the request names; one that is to be deleted cannot change.
func changeKey(x *exchange, change func(*Key) error) (*Key, error) {
	k, err := keyOf(x, false)
	if err != nil {
		return nil, err
	}
	if k.State == "PendingDeletion" {
		return nil, bad("KMSInvalidStateException", "%s is pending deletion.", k.ARN)
	}
	k = k.clone()
	if err := change(k); err != nil {
		return nil, err
	}
	x.reg.keys.put(k)
	return k, nil
}

func putKeyPolicy(x *exchange) (any, error) {
	doc := x.params["Policy"]
	if err := checkKeyPolicy(doc); err != nil {
		return nil, err
	}
	_, err := changeKey(x, func(k *Key) error {
		k.Policy = doc
		return nil
	})
	return nil, err
}

func createGrant(x *exchange) (any, error) {
	in, err := decode[struct {
		GranteePrincipal, RetiringPrincipal, Name string
		Operations                                []string
		Constraints                               grantConstraints
	}](x)
	if err != nil {
		return nil, err
	}
	g := Grant{
		ID: x.srv.draw(64, "0123456789abcdef"), Name: in.Name, GranteePrincipal: in.GranteePrincipal,
		RetiringPrincipal: in.RetiringPrincipal, Operations: in.Operations, Created: x.now,
		ContextEquals: maps.Clone(in.Constraints.EncryptionContextEquals), ContextSubset: maps.Clone(in.Constraints.EncryptionContextSubset),
	}
	if _, err := changeKey(x, func(k *Key) error {
		k.Grants = append(k.Grants, g)
		return nil
	}); err != nil {
		return nil, err
	}
	return struct {
		GrantID    string `json:"GrantId"`
		GrantToken string
	}{g.ID, x.srv.draw(40, "abcdefghijklmnop")}, nil
}

func setKeyState(state string) func(*exchange) (any, error) {
	return func(x *exchange) (any, error) {
		_, err := changeKey(x, func(k *Key) error {
			k.State = state
			return nil
		})
		return nil, err
	}
}

func scheduleKeyDeletion(x *exchange) (any, error) {
	days := 30
	if text := x.params["PendingWindowInDays"]; text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || n < 7 || n > 30 {
			return nil, bad("ValidationException", "1 validation error detected: Value '%s' at 'pendingWindowInDays' failed to satisfy constraint: Member must have value between 7 and 30", text)
		}
		days = n
	}
	k, err := changeKey(x, func(k *Key) error {
		k.State, k.Deletion = "PendingDeletion", x.now.AddDate(0, 0, days)
		return nil
	})
	if err != nil {
		return nil, err
	}
	return struct {
		KeyID        string `json:"KeyId"`
		DeletionDate epoch
		KeyState     string
	}{k.ARN, epoch{k.Deletion}, k.State}, nil
}
