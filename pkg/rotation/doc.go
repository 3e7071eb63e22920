// Package rotation says what rotating these secrets with this function needs.
//
// It holds the plain values that cross the line (Secret, Function, Role, Key, Setup, Group), which package inventory fills and
// which a snapshot stores, and the contract: from one Setup, the concrete requests that must be allowed and the policy that is
// the ceiling of what may be allowed. The contract is pure; the expected templates are embedded JSON documents with
// placeholders. Comparing it with what the account grants is package drift's work.
package rotation
