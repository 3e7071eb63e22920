package repair

import (
	"context"
	"errors"

	"github.com/aws/aws-sdk-go-v2/aws/retry"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/smithy-go"
)

// code is AWS's error code, "" for an error that is not AWS's.
func code(err error) string {
	var api smithy.APIError
	if errors.As(err, &api) {
		return api.ErrorCode()
	}
	return ""
}

// absent says whether AWS answered that the thing is not there. Source: IAM API and Lambda API, common errors.
func absent(err error) bool {
	switch code(err) {
	case "NoSuchEntity", "NoSuchEntityException", "ResourceNotFoundException":
		return true
	}
	return false
}

// conflict says whether AWS answered that somebody else changed the thing meanwhile, or that the statement is there already.
func conflict(err error) bool {
	switch code(err) {
	case "PreconditionFailedException", "ResourceConflictException", "ConcurrentModification", "ConcurrentModificationException":
		return true
	}
	return false
}

// unsure says whether a call may have taken effect though it failed: AWS did not answer, or answered with a fault of its own, or the last of
// several attempts failed in whatever way.
func unsure(err error) bool {
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return true
	}
	var attempts *retry.MaxAttemptsError
	if errors.As(err, &attempts) {
		return true
	}
	var response *awshttp.ResponseError
	if errors.As(err, &response) {
		status := response.HTTPStatusCode() // 0: the connection ended without an answer
		return status >= 500 || status == 0
	}
	return code(err) == ""
}
