// Package archive keeps full reports in S3, as JSON for programs and as a page for people, and finds them again.
//
// The place of a report follows from the run, the account and the Region alone, so that whoever knows these knows where it is. Putting a
// report twice leaves it there once, and a late repetition never replaces what a later attempt of the same run found. A report holds no
// secret value.
package archive
