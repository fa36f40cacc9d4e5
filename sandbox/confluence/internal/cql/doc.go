// Package cql reads the Confluence Query Language: a lexer, a parser and the
// syntax tree. What fields mean is the caller's business.
package cql
