// Package drift compares what rotation needs with what the account grants.
//
// A finding is missing when a required request would be denied, and excess when a request beyond the ceiling would be
// allowed; each carries a witness, one such request. What could not be read is unknown, never in sync; a proven denial is broken
// even where something else could not be read. The same input gives the same findings in the same order, with the same ids.
//
// Repairing them is package repair's work. SCPs, RCPs and endpoint policies are not visible from an account and decide nothing here.
package drift
