package account

import (
	"cmp"
	"fmt"
	"hash/fnv"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/rotationguard/rotationguard/pkg/awstest"
)

// Fill makes the whole account in the account in memory, the kinds too that moto cannot hold. The same clock gives the same account.
func Fill(a *awstest.Account, now time.Time) error {
	f := &filler{account: a, now: now, names: names{secrets: map[string]string{}, keys: map[string]string{}}}
	rotations := Rotations()
	for _, k := range Keys() {
		f.names.keys[k.Name] = a.AddKey(awstest.Key{ID: keyID(k.Name)})
	}
	for _, secret := range Masters() {
		f.names.secrets[secret.Name] = secretARN(&secret)
	}
	for _, r := range rotations {
		for i := range r.Secrets {
			f.names.secrets[r.Secrets[i].Name] = secretARN(&r.Secrets[i])
		}
	}
	for _, secret := range Masters() {
		if err := f.secret(&Rotation{}, &secret); err != nil {
			return err
		}
	}
	for i := range rotations {
		if err := f.rotation(&rotations[i]); err != nil {
			return fmt.Errorf("making %s: %w", rotations[i].Function, err)
		}
	}
	for _, k := range Keys() {
		if k.Policy == "" {
			continue
		}
		text, err := f.names.fill(&Rotation{}, k.Policy)
		if err != nil {
			return err
		}
		a.UpdateKey(f.names.keys[k.Name], func(key *awstest.Key) { key.Policy = text })
	}
	return nil
}

type filler struct {
	account *awstest.Account
	now     time.Time
	names   names
}

func hash(s string) string {
	h := fnv.New64a()
	h.Write([]byte(s)) // a hash never fails
	return strings.ToUpper(strconv.FormatUint(h.Sum64()|1<<63, 36))
}

func keyID(name string) string {
	h := strings.ToLower(hash(name))
	var digits strings.Builder
	for i := range 32 {
		digits.WriteByte("0123456789abcdef"[(int(h[i%len(h)])+i)%16])
	}
	d := digits.String()
	return d[:8] + "-" + d[8:12] + "-4" + d[13:16] + "-a" + d[17:20] + "-" + d[20:]
}

func secretARN(s *Secret) string {
	return "arn:aws:secretsmanager:" + Region + ":" + ID + ":secret:" + s.Name + "-" + hash(s.Name)[:6]
}

func (f *filler) rotation(r *Rotation) error {
	if r.Function != "" || r.Role.Name != "" {
		if err := f.role(r); err != nil {
			return err
		}
	}
	if r.Function != "" && r.Gone != FunctionGone {
		if err := f.function(r); err != nil {
			return err
		}
	}
	for i := range r.Secrets {
		if err := f.secret(r, &r.Secrets[i]); err != nil {
			return err
		}
	}
	return nil
}

func (f *filler) role(r *Rotation) error {
	if r.Gone == RoleGone {
		return nil
	}
	role := awstest.Role{Name: r.roleName(), Trust: r.trust(), Inline: map[string]string{}, Created: f.now.AddDate(-1, 0, 0)}
	for name, doc := range r.inlineDocuments() {
		text, err := f.names.fill(r, doc)
		if err != nil {
			return err
		}
		role.Inline[name] = text
	}
	role.Attached = r.managed()
	for _, name := range slices.Sorted(maps.Keys(r.Role.Customer)) {
		arn, err := f.policy(r, name, r.Role.Customer[name])
		if err != nil {
			return err
		}
		role.Attached = append(role.Attached, arn)
	}
	if r.Role.Boundary != "" {
		arn, err := f.policy(r, role.Name+"-boundary", r.Role.Boundary)
		if err != nil {
			return err
		}
		role.Boundary = arn
	}
	f.account.AddRole(role)
	return nil
}

func (f *filler) policy(r *Rotation, name, doc string) (string, error) {
	text, err := f.names.fill(r, doc)
	if err != nil {
		return "", err
	}
	return f.account.AddPolicy(awstest.Policy{Name: name, Document: text}), nil
}

func (f *filler) function(r *Rotation) error {
	fn := awstest.Function{
		Name: r.Function,
		FunctionConfig: awstest.FunctionConfig{
			Role: roleARN(r.roleName()), Runtime: "python3.12", Handler: "index.handler",
			State: r.State.State, StateReasonCode: r.State.Reason,
		},
		Policies: map[string]string{},
	}
	if r.VPC {
		fn.VPC = &awstest.VPC{ID: "vpc-0a1b2c3d4e5f60718", Subnets: subnets(), SecurityGroups: securityGroups()}
	}
	if r.Alias != "" {
		fn.Versions = []awstest.FunctionVersion{{Number: "1", FunctionConfig: fn.FunctionConfig}}
		fn.Aliases = []awstest.Alias{{Name: r.Alias, Version: "1"}}
	}
	if r.Stack != nil {
		stack := awstest.Stack{Name: r.Function, Parameters: map[string]string{}}
		for name, value := range r.Stack {
			text, err := f.names.fill(r, value)
			if err != nil {
				return err
			}
			stack.Parameters[name] = text
		}
		fn.Tags = map[string]string{"aws:cloudformation:stack-id": f.account.AddStack(stack), "aws:cloudformation:stack-name": r.Function}
	}
	statements := map[string][]string{}
	for _, g := range r.grants() {
		qualifier := r.Alias
		if g.Unqualified {
			qualifier = ""
		}
		statements[qualifier] = append(statements[qualifier], f.statement(r, g, qualifier))
	}
	for qualifier, all := range statements {
		fn.Policies[qualifier] = `{"Version":"2012-10-17","Id":"default","Statement":[` + strings.Join(all, ",") + `]}`
	}
	f.account.AddFunction(fn)
	return nil
}

// statement is a grant as Lambda writes it into a function policy.
func (f *filler) statement(r *Rotation, g Grant, qualifier string) string {
	principal := fmt.Sprintf(`{"Service":%q}`, g.Principal)
	switch g.Principal {
	case "*":
		principal = `"*"`
	case "{account}":
		principal = `{"AWS":"arn:aws:iam::` + ID + `:root"}`
	}
	resource := "arn:aws:lambda:" + Region + ":" + ID + ":function:" + r.Function
	if qualifier != "" {
		resource += ":" + qualifier
	}
	condition := ""
	switch {
	case g.SourceAccount != "":
		condition = `,"Condition":{"StringEquals":{"AWS:SourceAccount":"` + ID + `"}}`
	case g.SourceSecret != "":
		condition = `,"Condition":{"ArnLike":{"AWS:SourceArn":"` + f.names.secrets[g.SourceSecret] + `"}}`
	}
	return fmt.Sprintf(`{"Sid":%q,"Effect":"Allow","Principal":%s,"Action":"lambda:InvokeFunction","Resource":%q%s}`, g.Sid, principal, resource, condition)
}

func (f *filler) secret(r *Rotation, s *Secret) error {
	on, every := !s.Off, cmp.Or(s.Every, 30)
	secret := awstest.Secret{
		ARN: f.names.secrets[s.Name], OwningService: s.Owner, Type: s.Type,
		Created: f.now.AddDate(-1, 0, 0), Changed: f.now.AddDate(0, 0, -every+1),
		Versions: map[string][]string{"11111111-1111-4111-a111-111111111111": {"AWSCURRENT"}},
	}
	if on {
		secret.RotationEnabled = &on
		secret.RotationRules = &awstest.RotationRules{AutomaticallyAfterDays: int64(every)}
		secret.Rotated, secret.NextRotation = secret.Changed, f.now.AddDate(0, 0, 1)
		if r.Function != "" {
			secret.RotationLambdaARN = r.FunctionARN()
		}
	}
	if s.Every != 0 { // the short ones are the most urgent: the shortest is overdue
		secret.NextRotation = f.now.AddDate(0, 0, s.Every-2)
	}
	if s.External != "" {
		secret.ExternalSecretRotationRoleArn = roleARN(s.External)
	}
	if s.Replica {
		secret.PrimaryRegion = primaryRegion
	}
	if s.Deleting {
		secret.Deleted = f.now.AddDate(0, 0, 6)
	}
	if s.Key != "" {
		secret.KmsKeyID = f.names.keys[s.Key]
	}
	for _, key := range slices.Sorted(maps.Keys(s.Tags)) {
		value, err := f.names.fill(r, s.Tags[key])
		if err != nil {
			return err
		}
		secret.Tags = append(secret.Tags, awstest.Tag{Key: key, Value: value})
	}
	if s.Policy != "" {
		text, err := f.names.fill(r, s.Policy)
		if err != nil {
			return err
		}
		secret.Policy = text
	}
	f.account.AddSecret(secret)
	return nil
}

// AddRotation puts a rotation function and its role into an account, in sync for whatever secret names it. It answers with the function's ARN.
func AddRotation(a *awstest.Account, f awstest.Function) string {
	arn := "arn:" + a.Partition() + ":lambda:" + a.Region() + ":" + a.ID() + ":function:" + f.Name
	f.Role = a.AddRole(awstest.Role{Name: f.Name, Inline: map[string]string{"rotation": `{"Version":"2012-10-17","Statement":[` +
		`{"Effect":"Allow","Action":["secretsmanager:DescribeSecret","secretsmanager:GetSecretValue","secretsmanager:PutSecretValue","secretsmanager:UpdateSecretVersionStage"],"Resource":"*",` +
		`"Condition":{"StringEquals":{"secretsmanager:resource/AllowRotationLambdaArn":"` + arn + `"}}},{"Effect":"Allow","Action":"secretsmanager:GetRandomPassword","Resource":"*"}]}`}})
	f.Policies = map[string]string{"": `{"Version":"2012-10-17","Id":"default","Statement":[{"Sid":"invoke","Effect":"Allow",` +
		`"Principal":{"Service":"secretsmanager.amazonaws.com"},"Action":"lambda:InvokeFunction","Resource":"` + arn + `","Condition":{"StringEquals":{"AWS:SourceAccount":"` + a.ID() + `"}}}]}`}
	a.AddFunction(f)
	return arn
}
