// Package realtime tells applications of events while they happen: as server-sent
// events of our own, and in Pusher's protocol, which the contract's clients speak
// (§5.5).
//
// What has happened is in the database, in an order that is given after events
// were committed (store.EventFeed). A process that has streams open asks every
// fifth of a second whether there is more, for all of them together; each stream
// then reads on from its own place. So an event that was committed by any process
// reaches the streams of all, on both databases, and one that is slow to read
// holds up nobody: it is cut when a write takes too long, and reads on from where
// it was when it comes again.
//
// An address of server-sent events begins where Last-Event-ID says. Pusher's
// protocol has nothing of the kind: who was away has missed what happened
// meanwhile, and finds it in the list of events or at a webhook.
//
// A stream belongs to the API key that it was opened with, and ends when that is
// revoked.
package realtime
