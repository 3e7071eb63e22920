// Package alert tells people and programs what is new of a sweep: an Amazon SNS topic (text for email, JSON for programs), a topic of chat channels,
// an EventBridge bus and Security Hub, and gives a sweep's numbers to CloudWatch.
//
// News is what the ledger says that a channel does not know yet. It is marked as told once the channel has taken it: what could not be sent is kept
// and sent by the next run, and what one channel could not take is not told twice on the others. Without a ledger every sweep with drift is told as a
// whole. Names, tags, policies and reasons come from accounts that others may write to: each form makes them inert in its own way.
package alert
