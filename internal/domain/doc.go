// Package domain holds the nouns of Sluice: what a project, a user's connected
// account, a session and an execution are, how they are named, and the one
// error type that every layer speaks.
//
// It imports nothing of ours. Rules that need a database, a clock or a network
// live above it.
package domain
