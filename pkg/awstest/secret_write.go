package awstest

import (
	"regexp"
	"slices"
	"strings"
	"time"
)

// present notes that a member was sent, and drops what was in it: secret values are not kept.
type present bool

// UnmarshalJSON notes the member.
func (p *present) UnmarshalJSON(raw []byte) error {
	*p = string(raw) != "null"
	return nil
}

type createSecretInput struct {
	Name               string
	ClientRequestToken string
	Description        string
	KmsKeyID           string `json:"KmsKeyId"`
	Type               string
	SecretString       present
	SecretBinary       present
	Tags               []Tag
	AddReplicaRegions  []Replica
}

// secretRef is what most writes answer.
type secretRef struct {
	ARN               string
	Name              string    `json:",omitempty"`
	VersionID         string    `json:"VersionId,omitempty"`
	ReplicationStatus []Replica `json:",omitempty"`
}

var secretName = regexp.MustCompile(`^[A-Za-z0-9/_+=.@!-]{1,512}$`)

func createSecret(x *exchange) (any, error) {
	in, err := decode[createSecretInput](x)
	if err != nil {
		return nil, err
	}
	if !secretName.MatchString(in.Name) {
		return nil, bad("ValidationException", "Invalid name. Must be a valid name containing alphanumeric characters, or any of the following: -/_+=.@!")
	}
	if c := x.reg.secrets.find(in.Name); c != nil {
		if !c.now.Deleted.IsZero() {
			return nil, bad("InvalidRequestException", "You can't create this secret because a secret with this name is already scheduled for deletion.")
		}
		return nil, bad("ResourceExistsException", "The operation failed because the secret %s already exists.", in.Name)
	}
	if err := checkTags(in.Tags); err != nil {
		return nil, err
	}
	v := &Secret{
		ARN: x.srv.secretARN(x.acct, x.reg, in.Name), Name: in.Name, Description: in.Description, KmsKeyID: in.KmsKeyID,
		Type: in.Type, Tags: in.Tags, Created: x.now, Changed: x.now,
	}
	out := secretRef{ARN: v.ARN, Name: v.Name}
	if in.SecretString || in.SecretBinary {
		out.VersionID = x.token(in.ClientRequestToken)
		v.Versions = map[string][]string{out.VersionID: {"AWSCURRENT"}}
	}
	replicate(x, v, in.AddReplicaRegions)
	out.ReplicationStatus = v.Replication
	x.reg.secrets.add(v, x.now, x.acct.weather.lag.ListSecrets)
	return out, nil
}

// replicate makes the replicas of a new secret: the same suffix in each Region.
func replicate(x *exchange, v *Secret, regions []Replica) {
	for _, r := range regions {
		v.PrimaryRegion = x.reg.name
		r.Status = "InSync"
		v.Replication = append(v.Replication, r)
		c := v.clone()
		c.ARN = strings.Replace(v.ARN, ":"+x.reg.name+":", ":"+r.Region+":", 1)
		c.KmsKeyID, c.Replication, c.PrimaryRegion = r.KmsKeyID, nil, x.reg.name
		x.acct.in(r.Region).secrets.add(c, x.now, x.acct.weather.lag.ListSecrets)
	}
}

// token is the version id of a request that names none.
func (x *exchange) token(given string) string {
	if given != "" {
		return given
	}
	return x.srv.uuid()
}

func checkTags(tags []Tag) error {
	for _, t := range tags {
		if len(t.Key) < 1 || len(t.Key) > 128 || len(t.Value) > 256 {
			return bad("InvalidParameterException", "The tag %q is not valid.", t.Key)
		}
		if strings.HasPrefix(strings.ToLower(t.Key), "aws:") {
			return bad("InvalidParameterException", "Tag keys that start with aws: are reserved.")
		}
	}
	if len(tags) > 50 {
		return bad("InvalidParameterException", "A secret can have 50 tags.")
	}
	return nil
}

// changeSecret changes the secret that the request names.
func changeSecret(x *exchange, change func(*Secret) error) (*Secret, error) {
	c, err := secretOf(x, x.params["SecretId"], false)
	if err != nil {
		return nil, err
	}
	v := c.now.clone()
	if err := change(v); err != nil {
		return nil, err
	}
	v.Changed = x.now
	c.set(v, x.now, x.acct.weather.lag.ListSecrets)
	return v, nil
}

// isReplica says whether the secret is another Region's replica here.
func (x *exchange) isReplica(s *Secret) bool {
	return s.PrimaryRegion != "" && s.PrimaryRegion != x.reg.name
}

func updateSecret(x *exchange) (any, error) {
	in, err := decode[struct {
		Description        *string
		KmsKeyID           *string `json:"KmsKeyId"`
		Type               *string
		SecretString       present
		SecretBinary       present
		ClientRequestToken string
	}](x)
	if err != nil {
		return nil, err
	}
	var version string
	v, err := changeSecret(x, func(s *Secret) error {
		if in.Description != nil {
			s.Description = *in.Description
		}
		if in.KmsKeyID != nil {
			s.KmsKeyID = *in.KmsKeyID
		}
		if in.Type != nil {
			s.Type = *in.Type
		}
		if in.SecretString || in.SecretBinary {
			version = x.token(in.ClientRequestToken)
			s.promote(version)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return secretRef{ARN: v.ARN, Name: v.Name, VersionID: version}, nil
}

// promote makes a version the current one and the current one the previous.
func (s *Secret) promote(version string) {
	next := map[string][]string{version: {"AWSCURRENT"}}
	for id, labels := range s.Versions {
		if slices.Contains(labels, "AWSCURRENT") {
			next[id] = []string{"AWSPREVIOUS"}
		}
	}
	s.Versions = next
}

func tagSecret(x *exchange) (any, error) {
	in, err := decode[struct{ Tags []Tag }](x)
	if err != nil {
		return nil, err
	}
	_, err = changeSecret(x, func(s *Secret) error {
		for _, t := range in.Tags {
			if i := slices.IndexFunc(s.Tags, func(have Tag) bool { return have.Key == t.Key }); i >= 0 {
				s.Tags[i].Value = t.Value
			} else {
				s.Tags = append(s.Tags, t)
			}
		}
		if err := checkTags(in.Tags); err != nil {
			return err
		}
		return checkTags(userTags(s.Tags))
	})
	return nil, err
}

// userTags leaves out the tags that AWS itself sets.
func userTags(tags []Tag) []Tag {
	return slices.DeleteFunc(slices.Clone(tags), func(t Tag) bool { return strings.HasPrefix(t.Key, "aws:") })
}

func untagSecret(x *exchange) (any, error) {
	in, err := decode[struct{ TagKeys []string }](x)
	if err != nil {
		return nil, err
	}
	_, err = changeSecret(x, func(s *Secret) error {
		s.Tags = slices.DeleteFunc(s.Tags, func(t Tag) bool { return slices.Contains(in.TagKeys, t.Key) })
		return nil
	})
	return nil, err
}

type rotateSecretInput struct {
	ClientRequestToken             string
	RotationLambdaARN              string
	RotationRules                  *RotationRules
	RotateImmediately              *bool
	ExternalSecretRotationRoleArn  string
	ExternalSecretRotationMetadata []Tag
}

// rotateSecret records the configuration as given; no function is run, so no version is made.
func rotateSecret(x *exchange) (any, error) {
	in, err := decode[rotateSecretInput](x)
	if err != nil {
		return nil, err
	}
	if err := in.RotationRules.check(); err != nil {
		return nil, err
	}
	v, err := changeSecret(x, func(s *Secret) error {
		if x.isReplica(s) {
			return bad("InvalidRequestException", "You can't perform this operation on a replica secret. Run it on the primary secret.")
		}
		if s.rotating() {
			return bad("InvalidRequestException", "A previous rotation isn't complete. That rotation will be reattempted.")
		}
		if in.RotationLambdaARN != "" {
			s.RotationLambdaARN = in.RotationLambdaARN
		}
		if in.ExternalSecretRotationRoleArn != "" {
			s.ExternalSecretRotationRoleArn = in.ExternalSecretRotationRoleArn
			s.ExternalSecretRotationMetadata = in.ExternalSecretRotationMetadata
		}
		if s.RotationLambdaARN == "" && s.OwningService == "" && s.ExternalSecretRotationRoleArn == "" {
			return bad("InvalidRequestException", "No Lambda rotation function ARN is associated with this secret.")
		}
		if in.RotationRules != nil {
			s.RotationRules = in.RotationRules
		}
		on := true
		s.RotationEnabled = &on
		s.NextRotation = s.RotationRules.next(x.now)
		return nil
	})
	if err != nil {
		return nil, err
	}
	out := secretRef{ARN: v.ARN, Name: v.Name}
	if in.RotateImmediately == nil || *in.RotateImmediately {
		out.VersionID = x.token(in.ClientRequestToken)
	}
	return out, nil
}

// rotating says whether AWSPENDING is on another version than AWSCURRENT, which refuses RotateSecret (API reference).
func (s *Secret) rotating() bool {
	for _, labels := range s.Versions {
		if slices.Contains(labels, "AWSPENDING") && !slices.Contains(labels, "AWSCURRENT") {
			return true
		}
	}
	return false
}

var (
	scheduleText = regexp.MustCompile(`^[0-9A-Za-z()#?*/, -]{1,256}$`)
	durationText = regexp.MustCompile(`^[0-9]{1,2}h$`)
)

func (r *RotationRules) check() error {
	switch {
	case r == nil:
		return nil
	case r.AutomaticallyAfterDays != 0 && r.ScheduleExpression != "":
		return bad("InvalidParameterException", "You can't specify both AutomaticallyAfterDays and ScheduleExpression in RotationRules.")
	case r.AutomaticallyAfterDays < 0 || r.AutomaticallyAfterDays > 1000:
		return bad("InvalidParameterException", "AutomaticallyAfterDays must be between 1 and 1000.")
	case r.Duration != "" && !durationText.MatchString(r.Duration):
		return bad("ValidationException", "1 validation error detected: Value '%s' at 'rotationRules.duration' failed to satisfy constraint", r.Duration)
	case r.ScheduleExpression == "":
		return nil
	case !scheduleText.MatchString(r.ScheduleExpression):
		return bad("ValidationException", "1 validation error detected: Value '%s' at 'rotationRules.scheduleExpression' failed to satisfy constraint", r.ScheduleExpression)
	}
	if _, err := parseSchedule(r.ScheduleExpression); err != nil {
		return bad("InvalidParameterException", "The ScheduleExpression is not valid: %v.", err)
	}
	return nil
}

// next is when a schedule rotates next: the end of the window, as NextRotationDate gives it.
func (r *RotationRules) next(now time.Time) time.Time {
	if r == nil {
		return time.Time{}
	}
	var window time.Duration
	if d, err := time.ParseDuration(r.Duration); err == nil {
		window = d
	}
	endOfDay := func(t time.Time) time.Time {
		day := t.UTC().Truncate(24 * time.Hour)
		if window > 0 {
			return day.Add(window)
		}
		return day.Add(24*time.Hour - time.Second)
	}
	if r.AutomaticallyAfterDays > 0 {
		return endOfDay(now.AddDate(0, 0, int(r.AutomaticallyAfterDays)))
	}
	s, err := parseSchedule(r.ScheduleExpression)
	if err != nil {
		return time.Time{}
	}
	if s.every >= 24*time.Hour {
		return endOfDay(now.Add(s.every))
	}
	if s.every > 0 {
		return now.Add(s.every).UTC().Truncate(time.Hour)
	}
	at := s.after(now)
	switch {
	case at.IsZero():
		return at
	case window > 0:
		return at.Add(window)
	}
	return at.Truncate(24 * time.Hour).Add(24*time.Hour - time.Second)
}

// cancelRotateSecret turns rotation off; the function's ARN and the rules stay visible.
func cancelRotateSecret(x *exchange) (any, error) {
	v, err := changeSecret(x, func(s *Secret) error {
		if x.isReplica(s) {
			return bad("InvalidRequestException", "You can't perform this operation on a replica secret. Run it on the primary secret.")
		}
		if s.RotationEnabled == nil {
			return bad("InvalidRequestException", "You can't cancel rotation on a secret that doesn't have rotation configured.")
		}
		off := false
		s.RotationEnabled = &off
		s.NextRotation = time.Time{}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return secretRef{ARN: v.ARN, Name: v.Name}, nil
}

func putSecretPolicy(x *exchange) (any, error) {
	in, err := decode[struct {
		ResourcePolicy    string
		BlockPublicPolicy bool
	}](x)
	if err != nil {
		return nil, err
	}
	if len(in.ResourcePolicy) > 20_480 {
		return nil, bad("InvalidParameterException", "The resource policy is longer than 20480 characters.")
	}
	if err := checkDocument(in.ResourcePolicy, resourceDocument); err != nil {
		return nil, bad("MalformedPolicyDocumentException", "This resource policy contains an error: %v", err)
	}
	if in.BlockPublicPolicy && isPublic(in.ResourcePolicy) {
		return nil, bad("PublicPolicyException", "You can't attach this resource policy because it grants broad access to the secret.")
	}
	v, err := changeSecret(x, func(s *Secret) error {
		s.Policy = in.ResourcePolicy
		return nil
	})
	if err != nil {
		return nil, err
	}
	return secretRef{ARN: v.ARN, Name: v.Name}, nil
}

func deleteSecretPolicy(x *exchange) (any, error) {
	v, err := changeSecret(x, func(s *Secret) error {
		s.Policy = ""
		return nil
	})
	if err != nil {
		return nil, err
	}
	return secretRef{ARN: v.ARN, Name: v.Name}, nil
}

func deleteSecret(x *exchange) (any, error) {
	in, err := decode[struct {
		RecoveryWindowInDays       *int
		ForceDeleteWithoutRecovery bool
	}](x)
	if err != nil {
		return nil, err
	}
	days := 30
	if in.RecoveryWindowInDays != nil {
		days = *in.RecoveryWindowInDays
		if in.ForceDeleteWithoutRecovery {
			return nil, bad("InvalidParameterException", "You can't use ForceDeleteWithoutRecovery in conjunction with RecoveryWindowInDays.")
		}
	}
	if days < 7 || days > 30 {
		return nil, bad("InvalidParameterException", "The RecoveryWindowInDays value must be between 7 and 30 days (inclusive).")
	}
	c, err := secretOf(x, x.params["SecretId"], in.ForceDeleteWithoutRecovery)
	if err != nil {
		return nil, err
	}
	lag := x.acct.weather.lag.ListSecrets
	v := c.now.clone()
	if len(v.Replication) > 0 {
		return nil, bad("InvalidRequestException", "You can't delete secret %s that still has replica regions.", v.Name)
	}
	v.Deleted = x.now.AddDate(0, 0, days)
	if in.ForceDeleteWithoutRecovery {
		v.Deleted = x.now
		c.set(nil, x.now, lag)
	} else {
		c.set(v, x.now, lag)
	}
	return struct {
		ARN          string
		Name         string
		DeletionDate epoch
	}{v.ARN, v.Name, epoch{v.Deleted}}, nil
}

func restoreSecret(x *exchange) (any, error) {
	c, err := secretOf(x, x.params["SecretId"], true)
	if err != nil {
		return nil, err
	}
	v := c.now.clone()
	v.Deleted = time.Time{}
	c.set(v, x.now, x.acct.weather.lag.ListSecrets)
	return secretRef{ARN: v.ARN, Name: v.Name}, nil
}
