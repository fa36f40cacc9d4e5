// Package sqlstore is the store on SQL: one text of statements, written so that
// SQLite and PostgreSQL both understand it, one file an aggregate.
//
// On SQLite it keeps one connection for writing and a few for reading. A write
// waits for its turn, then runs to its end even when the caller goes away, so
// that an error never hides a change that was made.
//
// What differs between databases is in dialect; nothing else knows which one it
// talks to.
package sqlstore
