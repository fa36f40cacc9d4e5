// Package confluence is the toolkit of Confluence Cloud: pages, blog posts,
// labels, comments, spaces and search as tools.
//
// A tool is a function in the file of its resource. All of them go through one
// client (client.go), which speaks JSON with the REST API v2 and with those
// calls of v1 that v2 does not have, and turns every failure into an error that
// says what went wrong and what to try (errors.go). Ids, space keys and
// addresses of pages are told apart in ids.go.
package confluence
