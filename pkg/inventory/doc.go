// Package inventory reads from an account how its secrets are rotated; it changes nothing.
//
// It lists every secret, and for each rotation function reads at the stored qualifier the configuration, the function policy, the
// execution role with all that decides what it may do, the customer keys, the masters and the secrets' resource policies.
// Each thing is read once in a run, however many secrets share it. What is denied or failing becomes a rotation.Gap on the
// thing that it concerns and the reading goes on; only an account that cannot be listed, or credentials that stop working,
// end it. Secret values, environment values, code locations and other stack parameters are dropped while decoding.
//
// A Snapshot is the same inventory in one file, read back with the same method.
package inventory
