package awstest

import (
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
)

// identity is who signs with one access key: a user, or a session of a role.
type identity struct {
	account  *account
	arn      string // as GetCallerIdentity gives it: a session's is arn:…:sts::…:assumed-role/ROLE/SESSION
	role     string // the role's ARN for a session, else empty
	userID   string
	key      string
	secret   string
	token    string
	policies []string          // session policies
	tags     map[string]string // session tags
	source   string            // who assumed the role
	expires  time.Time         // zero: never
}

func (i *identity) credentials() aws.Credentials {
	return aws.Credentials{
		AccessKeyID: i.key, SecretAccessKey: i.secret, SessionToken: i.token,
		CanExpire: !i.expires.IsZero(), Expires: i.expires, Source: "awstest", AccountID: i.account.id,
	}
}

// principal is the ARN that policies know the caller by: the role's for a session.
func (i *identity) principal() string {
	if i.role != "" {
		return i.role
	}
	return i.arn
}

// newIdentity makes lasting credentials for a user's or role's ARN.
func (s *server) newIdentity(a *account, principal string) *identity {
	who := &identity{account: a, arn: principal, key: s.id("AKIA", 16), secret: s.id("", 40), userID: s.id("AIDA", 17)}
	if _, name, ok := strings.Cut(principal, ":role/"); ok {
		s.becomeSession(who, principal, name[strings.LastIndexByte(name, '/')+1:], "awstest")
	}
	s.identities[who.key] = who
	return who
}

// becomeSession turns an identity into a session of a role.
func (s *server) becomeSession(who *identity, role, roleName, session string) {
	who.role = role
	who.arn = who.account.arn("sts", "", "assumed-role/"+roleName+"/"+session)
	who.key, who.token = s.id("ASIA", 16), s.id("IQoJ", 60)
	who.userID = s.id("AROA", 17) + ":" + session
}

// id draws the next id of this server: a prefix and n characters of capitals and digits. The same calls in the same order
// draw the same ids.
func (s *server) id(prefix string, n int) string {
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
	return prefix + s.draw(n, alphabet)
}

func (s *server) draw(n int, alphabet string) string {
	var b strings.Builder
	for b.Len() < n {
		s.drawn++
		x := mix(s.drawn)
		for i := 0; i < 8 && b.Len() < n; i++ {
			b.WriteByte(alphabet[x%uint64(len(alphabet))])
			x /= uint64(len(alphabet))
		}
	}
	return b.String()
}

// uuid draws the next id in the form of a UUID.
func (s *server) uuid() string {
	h := s.draw(32, "0123456789abcdef")
	return h[:8] + "-" + h[8:12] + "-4" + h[13:16] + "-a" + h[17:20] + "-" + h[20:]
}

// mix is the finalizer of SplitMix64 (Steele, Lea, Flood: "Fast splittable pseudorandom number generators").
func mix(x uint64) uint64 {
	x *= 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}
