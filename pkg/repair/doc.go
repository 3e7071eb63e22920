// Package repair plans, proves, applies, journals and rolls back the changes that end findings.
//
// NewPlan is pure: from every judgement of a run it makes the changes of a mode, each with the document before and after, what
// it rests on and its proof, and it says what only a person can mend. Apply writes a plan: under the ledger's lease, each
// change journalled before it is sent, read again right before, additions before removals, and every change that was made
// reported with whatever stopped the rest. Mode report plans and writes nothing.
//
// What is written in mode repair is little: one inline policy of ours on an execution role and one statement of ours on a
// function policy, and the removal of a statement that lets everybody invoke the function. docs/repair.md says what it rests
// on and how to undo it.
package repair
