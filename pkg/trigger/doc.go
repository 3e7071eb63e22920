// Package trigger says which rotation functions an event may concern.
//
// An event only names what moved; the state is read again, so that late or doubled events do no harm. It is mapped with what earlier runs
// know, and lists nothing. Calls that failed, that only read, or that rotationguard made itself concern nothing; neither do events of which
// nothing is known that rotates. What is no event of EventBridge is an error.
package trigger
