// Package ledger remembers what one account and Region's runs must know of each other: which secret names which function and
// since when, findings with their first and last sighting, runs, the journal of writes, the pause flag, the lease of the one
// writer, and exemptions.
//
// A Ledger is a file beside the command (OpenFile) or a DynamoDB table that command and Lambda share (OpenTable); one conformance suite
// holds both to the same behaviour. Nothing of a secret's value can enter it: what is stored are names, ARNs, policy documents and findings.
//
// The journal is the permission to write: an entry is accepted only under a valid lease, and whoever cannot store an entry
// does not write to the account. Times are UTC.
package ledger
