// Package trigger watches applications for the trigger instances of projects, and
// publishes what happened through package event.
//
// An instance is a type of trigger with a configuration, on one account. What
// instances of one account watch alike they share: one poll, with one cursor, finds
// the events of all. From the moment at which Upsert answers nothing is missed: the
// first look, which notes what is there already, is part of it.
//
// A poll is a job at its time, on whatever process is free:
//
//	claimed    its version is raised, by one statement: of several processes one goes on
//	asked      the application, outside of any transaction
//	committed  cursor, events and the job of the next poll, in one transaction that
//	           fails when the version is no longer that of the claim
//
// A process that dies leaves a claim that runs out; RecoverLost has the poll begun
// again from the cursor of before. Of a process that was only slow, and comes back
// after that, nothing is committed. The key of an event, which is made of ids and
// versions, keeps it from being told twice to one instance.
//
// After activity a poll comes again soon, in silence later and later, within the
// bounds of its type and of the router. A poll that fails backs off, and one that
// the application asked to wait waits. When it has failed for long its instances are
// disabled, with an event that says why; so they are when their account can no
// longer be used, but Resume enables those again, from where they were, as soon as it
// can.
package trigger
