// Package files keeps files for a while: those that an application hands in for
// a tool, and those that a tool gives as its result.
//
// Content lies in a directory under its SHA-256, so that the same bytes are kept
// once, however often and by whomever they are handed in. What is known of a
// file (name, type, whose it is, when it expires) is in the store, by project.
// A caller's word, be it a name or a key, never becomes a path.
//
// Content enters the directory, and leaves it, inside the transaction that adds
// or drops its rows: of processes that share a home none can take away what
// another one has just been given.
//
// Who has no API key reaches one file by a token: sealed, for one purpose
// (putting this file, or getting it), for a while.
package files
