// Package fleet says which accounts and Regions a fleet sweep reads, and assumes in each the one role that may be assumed there.
//
// A target is one account and Region. Targets are listed in targets.yaml, or are those of an AWS organization; an account that cannot be
// asked for its Regions is a failure with its cause, never left out in silence. The role of every target has the same name, and no other
// role is assumed whoever asks: a target that names another one is refused. The session is scoped down to the calls that reading takes, and
// in a mode that writes to assuming the account's own writer role besides.
package fleet
