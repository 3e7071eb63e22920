package inventory

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strings"
	"syscall"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/smithy-go"

	"github.com/rotationguard/rotationguard/pkg/rotation"
)

// The error codes that are decided by. Sources: "Common Errors" of the AWS API references, and each operation's Errors section.
var (
	// deniedCodes say that the caller lacks a permission.
	deniedCodes = []string{"AccessDenied", "AccessDeniedException", "UnauthorizedOperation", "AuthorizationError"}
	// absentCodes say that the thing asked for is not there.
	absentCodes = []string{"ResourceNotFoundException", "NoSuchEntity", "NotFoundException"}
	// expiredCodes say that credentials were good once.
	expiredCodes = []string{"ExpiredToken", "ExpiredTokenException", "RequestExpired"}
	// credentialCodes say that no call with these credentials can succeed.
	credentialCodes = []string{
		"UnrecognizedClientException", "InvalidClientTokenId", "InvalidAccessKeyId", "InvalidSignatureException", "SignatureDoesNotMatch",
		"IncompleteSignature", "IncompleteSignatureException", "MissingAuthenticationToken", "MissingAuthenticationTokenException",
		"AuthFailure", "NotAuthorized", "OptInRequired", "InvalidToken",
	}
)

// Trouble says why an account could not be read at all.
type Trouble string

// The troubles.
const (
	TroubleRefused     Trouble = "endpoint-unreachable" // nobody answers there
	TroubleTimeout     Trouble = "endpoint-silent"      // connected, no answer in time
	TroubleNotAWS      Trouble = "not-an-aws-api"       // something else answers there
	TroubleRegion      Trouble = "region"
	TroubleMissing     Trouble = "credentials-missing"
	TroubleExpired     Trouble = "credentials-expired"
	TroubleCredentials Trouble = "credentials-invalid"
	TroubleDenied      Trouble = "denied"
	TroubleOther       Trouble = "other"
)

// AccountError is why reading an account ended: one line that names the endpoint or the Region and says what to do.
type AccountError struct {
	Trouble Trouble
	Line    string
	cause   error
}

func (e *AccountError) Error() string { return e.Line }

// Unwrap gives the SDK's error, which may be many lines long.
func (e *AccountError) Unwrap() error { return e.cause }

// UnknownSecretsError names the secrets of a selection that the account does not have.
type UnknownSecretsError struct {
	Secrets []string
	Where   string
}

func (e *UnknownSecretsError) Error() string {
	return fmt.Sprintf("no secret %s in %s: give a secret's name or ARN as `aws secretsmanager list-secrets` shows it", strings.Join(e.Secrets, ", "), e.Where)
}

// code is the error code of an AWS answer, or "".
func code(err error) string {
	var api smithy.APIError
	if errors.As(err, &api) {
		return api.ErrorCode()
	}
	return ""
}

// absent says whether AWS answered that the thing is not there.
func absent(err error) bool { return slices.Contains(absentCodes, code(err)) }

// everywhere says whether an error of one call means that all others fail as well.
func everywhere(err error) bool {
	c := code(err)
	return slices.Contains(expiredCodes, c) || slices.Contains(credentialCodes, c)
}

// unanswered says whether a call got no answer from AWS: nobody there, a connection lost, silence, or something that is no AWS API. An
// internal error is an answer, about the one thing asked for.
func unanswered(err error) bool {
	var answer *awshttp.ResponseError
	switch troubleOf(err) {
	case TroubleRefused, TroubleTimeout, TroubleRegion:
		return true
	case TroubleNotAWS:
		return !errors.As(err, &answer) || answer.HTTPStatusCode() != http.StatusInternalServerError
	default:
		return false
	}
}

// notAWS says whether what answered does not speak AWS's protocol.
func notAWS(err error) bool {
	var (
		decode *smithy.DeserializationError
		record tls.RecordHeaderError
		answer *awshttp.ResponseError
	)
	switch {
	case errors.As(err, &decode), errors.As(err, &record), errors.Is(err, http.ErrSchemeMismatch):
		return true
	case code(err) == "UnknownError": // the SDK's word for an error answer that carries no code
		return errors.As(err, &answer)
	}
	return false
}

// newGap makes the gap that one failed call leaves on a resource.
func newGap(call, resource string, err error) rotation.Gap {
	g := rotation.Gap{Call: call, Resource: rotation.OneLine(resource), Code: code(err), Message: plain(err)}
	switch {
	case slices.Contains(deniedCodes, g.Code):
		g.Permission = call
	case g.Code == "":
		g.Code = string(troubleOf(err))
	}
	return g
}

// troubleOf classes an error that is not about one thing.
func troubleOf(err error) Trouble {
	var (
		dns     *net.DNSError
		netErr  net.Error
		unknown x509.UnknownAuthorityError
		host    x509.HostnameError
		region  *aws.MissingRegionError
	)
	c := code(err)
	switch {
	case slices.Contains(expiredCodes, c):
		return TroubleExpired
	case slices.Contains(credentialCodes, c):
		return TroubleCredentials
	case slices.Contains(deniedCodes, c):
		return TroubleDenied
	case notAWS(err):
		return TroubleNotAWS
	case c != "":
		return TroubleOther
	case errors.As(err, &region):
		return TroubleRegion
	case errors.As(err, &dns):
		if dns.IsNotFound {
			return TroubleRegion
		}
		return TroubleRefused
	case errors.As(err, &unknown), errors.As(err, &host):
		return TroubleNotAWS
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &netErr) && netErr.Timeout():
		return TroubleTimeout
	case errors.Is(err, syscall.ECONNREFUSED), errors.As(err, &netErr), errors.Is(err, syscall.ECONNRESET):
		return TroubleRefused
	}
	return TroubleOther
}

// accountError is the one line for an error that ends the reading of an account. Cancellation passes as it is.
func (c Clients) accountError(doing string, err error) error {
	var known *AccountError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &known), stopped(err):
		return err
	}
	t := troubleOf(err)
	if c.mistyped() && (t == TroubleNotAWS || t == TroubleOther || t == TroubleCredentials) {
		t = TroubleRegion // emulators and some services fail on a Region that they do not know
	}
	return &AccountError{Trouble: t, Line: doing + ": " + c.line(t, err), cause: err}
}

// line says what is wrong and what to do about it.
func (c Clients) line(t Trouble, err error) string {
	where, hint := c.Endpoint, "check --endpoint-url and that it is running"
	if where == "" {
		where, hint = "AWS in "+c.Region, "check the network, a proxy or the VPC endpoint"
	}
	switch t {
	case TroubleRegion:
		switch {
		case c.mistyped():
			return fmt.Sprintf("%s is not a known Region, and %s does not serve it: check its spelling", quoted(c.Region), cmp.Or(c.Endpoint, "AWS"))
		case c.Endpoint != "":
			return fmt.Sprintf("there is no host as in %s: check --endpoint-url", c.Endpoint)
		}
		return fmt.Sprintf("%s has no endpoint: check the spelling of the Region and the network", quoted(c.Region))
	case TroubleRefused:
		return fmt.Sprintf("%s cannot be reached (%s): %s", where, plain(err), hint)
	case TroubleTimeout:
		return fmt.Sprintf("%s gave no answer in time: %s", where, hint)
	case TroubleNotAWS:
		return fmt.Sprintf("what answers at %s is not an AWS API: check the endpoint URL or a proxy in between", where)
	case TroubleMissing:
		return "no AWS credentials: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, name a profile with AWS_PROFILE, or run `aws sso login` (" + missing(err) + ")"
	case TroubleExpired:
		return fmt.Sprintf("the AWS credentials have expired (%s): sign in again", code(err))
	case TroubleCredentials:
		return fmt.Sprintf("%s does not accept these AWS credentials (%s): %s", where, code(err), "check the access key, its account and that the Region is enabled for it")
	case TroubleDenied:
		return fmt.Sprintf("the caller may not do that (%s): %s", code(err), plain(err))
	case TroubleOther:
	}
	return fmt.Sprintf("%s: %s", where, plain(err))
}

// DescribeError says any error of an AWS call or of this package in one line, without the SDK's chain of wrappers.
func DescribeError(err error) string {
	var (
		account *AccountError
		unknown *UnknownSecretsError
	)
	switch {
	case err == nil:
		return ""
	case errors.As(err, &account):
		return rotation.OneLine(account.Line)
	case errors.As(err, &unknown):
		return rotation.OneLine(unknown.Error())
	}
	return plain(err)
}

// Explain is accountError for a caller's own first call ("asking who the caller is"), with what it was configured with.
func Explain(cfg aws.Config, doing string, err error) error {
	return Clients{Region: cfg.Region, Endpoint: endpoint(cfg)}.accountError(doing, err)
}

// plain is the innermost message of an error on one line: AWS's own words, or the network's.
func plain(err error) string {
	var (
		api    smithy.APIError
		decode *smithy.DeserializationError
		op     *net.OpError
		dns    *net.DNSError
	)
	const most = 300
	var text string
	switch {
	case errors.As(err, &api):
		text = api.ErrorMessage()
		if text == "" {
			text = api.ErrorCode()
		}
	case errors.As(err, &decode):
		text = "the answer is not in AWS's format"
	case errors.As(err, &dns):
		text = dns.Error()
	case errors.As(err, &op):
		text = op.Error()
	case errors.Is(err, context.DeadlineExceeded):
		text = "no answer in time"
	default:
		text = err.Error()
	}
	text = rotation.OneLine(text)
	if len(text) > most {
		text = strings.ToValidUTF8(text[:most], "") + "…"
	}
	return text
}

// missing is why the SDK found no credentials, without the calls by which it looked for them.
func missing(err error) string {
	text := strings.TrimPrefix(plain(err), "failed to refresh cached credentials, ")
	text, _, _ = strings.Cut(text, "operation error")
	return strings.TrimRight(text, ", ")
}

// stoppedError is the end of the caller's context during a call. A call that gave up by itself is none.
type stoppedError struct{ cause error }

func (e *stoppedError) Error() string { return e.cause.Error() }
func (e *stoppedError) Unwrap() error { return e.cause }

func stopped(err error) bool {
	var s *stoppedError
	return errors.As(err, &s) || errors.Is(err, context.Canceled)
}
