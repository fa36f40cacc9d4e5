// Package body holds the body formats of Confluence content: storage (XHTML),
// its rendering as a view, Atlas Document Format and wiki markup.
//
// It reads storage the way the server does: strict XML with HTML entities, then
// written back in one canonical form, so that what is stored may differ from
// what was sent. Every function is pure; none keeps state.
package body
