// Package awstest is a strict AWS account in memory that speaks AWS's wire protocols over HTTP.
//
// The real SDK clients talk to it through an endpoint URL: Secrets Manager and KMS (awsJson1.1), Lambda (restJson1), IAM,
// STS, SNS and CloudFormation (Query). It answers as AWS documents it: error codes and statuses, paging and its tokens,
// quotas and size limits, a policy and RevisionId for every function qualifier, statements as Lambda writes them, IAM's
// checks of documents. One server holds several accounts; each keeps its Regions apart, and a caller sees only the account
// and Region that the credentials and the signature's scope name. Signatures themselves are not verified.
//
// What AWS does only at bad moments can be chosen: Fail makes a given call fail, before or after it took effect; Lag makes
// reads trail behind writes; Throttle enforces AWS's published quotas; Deny and Authorize refuse calls. Every call is
// recorded and can be read back with Calls and Writes.
//
// It holds no secret values: a value sent to CreateSecret is dropped while decoding, and GetSecretValue and
// BatchGetSecretValue are recorded and always denied. Rotations, functions and messages are never run or delivered.
package awstest
