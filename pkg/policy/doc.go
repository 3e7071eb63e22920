// Package policy reads, evaluates and compares IAM policies.
//
// Parse is strict: what IAM would reject is an error that names the document, the statement and the field. Evaluate
// answers one request exactly as IAM does. Compare answers over all requests whether one set of policies allows what another
// does, and shows a witness, one concrete request, for every difference; each witness has been evaluated again
// before it is returned. What cannot be modelled is said to be indeterminate, never guessed.
//
// The package is pure: no clock, no network, no types of an SDK. SCPs, RCPs and endpoint policies are not part of a Set.
package policy
