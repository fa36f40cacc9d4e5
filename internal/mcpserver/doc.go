// Package mcpserver is the MCP endpoint: it serves the tools of a router
// session on /tool_router/{session}/mcp. Standard input and output are carried
// to it by the command line.
//
// Both eras of the protocol live on one address. A request whose
// MCP-Protocol-Version is 2026-07-28 or newer is self-contained and served
// without state; any other belongs to the handshake era and to a transport
// session, which the Mcp-Session-Id header names.
//
//	request ─▶ Host, Origin ─▶ key ─▶ router session ─▶ limits, body ─┬─▶ cached tools/list
//	                                                                  ├─▶ modern: stateless SDK handler
//	                                                                  └─▶ legacy: session table ─▶ SDK transport
//
// One SDK server per era serves every session: its middleware answers
// tools/list and tools/call from the router session of the current HTTP request,
// which it finds by a handle that only this package puts into the request's
// headers. What a session may do is decided in session and execute; nothing
// here grants a right.
package mcpserver
