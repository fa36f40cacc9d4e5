// Package api is the REST door: Composio's wire over the rooms behind it. The
// wire's types live here and nowhere else; no rule lives here that the MCP door
// would not know.
//
// A request walks through, outermost first:
//
//	cleanPath      one router for /api/v3 and /api/v3.1, "//" and trailing slashes
//	observe        request id, access log, panics
//	authenticate   exactly one credential; the caller is in the context from here on
//	limitRate      how many requests a key sends in a time
//	limitCalls     how many requests a key has in flight
//	readBody       size and time of the body; nothing is read before the key is known
//	router         404, 405 and 501 in the contract's error body
//	huma           decoding, validation, the OpenAPI document
//	the operation  one file a resource
//
// Under /api/v3 the same operations answer with the few shapes that older
// clients insist on: connected_accounts of a session as strings, a status on
// toolkits and tools, the deprecated twins.
package api
