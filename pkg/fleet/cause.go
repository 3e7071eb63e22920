package fleet

import (
	"errors"
	"slices"
	"strings"

	"github.com/aws/smithy-go"

	"github.com/rotationguard/rotationguard/pkg/inventory"
	"github.com/rotationguard/rotationguard/pkg/rotation"
)

// Cause is why a target, or an account as a whole, could not be swept.
type Cause struct {
	Call       string `json:"call"` // empty where no single call is meant
	Resource   string `json:"resource"`
	Code       string `json:"code"`
	Message    string `json:"message"`
	Permission string `json:"permission,omitempty"` // the IAM action that the caller lacks
}

// CauseOf is what an error says: the call of AWS that failed, with its code, where it is one's.
func CauseOf(resource string, err error) Cause {
	c := Cause{Resource: resource, Message: rotation.OneLine(inventory.DescribeError(err))}
	var operation *smithy.OperationError
	for inner := err; errors.As(inner, &operation); inner = operation.Err { // a call may have failed for the one that gets its credentials
		c.Call = strings.ToLower(strings.ReplaceAll(operation.Service(), " ", "")) + ":" + operation.Operation()
	}
	var api smithy.APIError
	if errors.As(err, &api) {
		c.Code = api.ErrorCode()
		c.Message = rotation.OneLine(api.ErrorMessage())
		if slices.Contains(deniedCodes, c.Code) {
			c.Permission = c.Call
		}
	}
	return c
}

// deniedCodes say that the caller lacks a permission. Source: "Common Errors" of the AWS API references.
var deniedCodes = []string{"AccessDenied", "AccessDeniedException", "UnauthorizedOperation"}

func causeOf(call, resource string, err error) *Cause {
	c := CauseOf(resource, err)
	c.Call = call
	if c.Permission != "" {
		c.Permission = call
	}
	return &c
}
