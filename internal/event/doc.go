// Package event tells projects' applications what happened: it keeps events and
// delivers them to the webhook subscription of their project.
//
// Publish keeps an event in the transaction of the change that it tells of, with
// a delivery and a job for each subscription that wants it: what is committed is
// delivered, and nothing else is. A delivery is made at least once, always with the
// same id; a receiver that drops ids that it knows hears of each event exactly
// once.
//
// A delivery goes through these states:
//
//	waiting    a job tries it at NextAt; after a failure later and later, for a day
//	parked     no job: its subscription is paused, or it waits for its turn
//	delivered  the endpoint answered 2xx
//	dead       given up; it can be replayed
//
// An attempt is claimed in one transaction, made outside of any, and noted in
// another. Of two jobs for one delivery the second finds the claim; the claim of a
// process that died runs out, and RecoverLost sees to it.
//
// A subscription goes through these:
//
//	active    delivered to
//	paused    it failed for PauseAfter; Probe tries one delivery now and then, and
//	          the first that is taken wakes the others
//	disabled  it answered 410 Gone: its project must say again where to
//
// What is posted, and how it is signed, is the contract's (§5.2, §5.3).
package event
