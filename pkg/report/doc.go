// Package report says what a sweep found and did: as text for a terminal, as JSON for machines, as one HTML file, and as an SNS message.
//
// An Outcome is a plain value; the same Outcome gives the same bytes in every form. What an account names may be chosen by an
// attacker: in every form markup, escape sequences, control characters and text that reverses direction are inert. SCPs, RCPs and endpoint
// policies cannot be seen from an account; every report says so once.
package report
