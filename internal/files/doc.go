// Package files keeps files for a while: those that an application hands in for
// a tool, and those that a tool gives as its result.
//
// Content lies under its SHA-256 in a directory, or in pieces in a store that
// several machines share (Options.InStore), so that the same bytes are kept
// once, however often and by whomever they are handed in. What is known of a
// file (name, type, whose it is, when it expires) is in the store, by project.
// A caller's word, be it a name or a key, never becomes a path.
//
// Content enters either, and leaves it, inside the transaction that adds
// or drops its rows: of processes that share a home none can take away what
// another one has just been given.
//
// Who has no API key reaches one file by a token: sealed, for one purpose
// (putting this file, or getting it), for a while.
package files
