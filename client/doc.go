// Package client is the Go SDK of Sluice's REST API.
//
//	c, err := client.New(client.Options{BaseURL: "http://127.0.0.1:8787", APIKey: key})
//	…
//	s, err := c.Create(ctx, "user_123", client.SessionOptions{Toolkits: []string{"confluence"}})
//	…
//	fmt.Println(s.MCP.URL) // give this to any MCP client, with s.MCP.Headers
//
// Every call takes a context, answers with typed values and fails with an
// [*Error] that carries the server's own words, or with the context's error. A
// tool that ran and failed is a [Result] and no error. The wire is that of
// Composio's API v3.1, so the package works against any server that speaks it.
//
// # Lists
//
// A list with pages is an iterator. Nothing is asked before it is read, the next
// page when the one at hand was read to its end; a failure is the last item. Each
// loop over it begins anew.
//
// # What is repeated
//
// A request that only reads is sent again, as [Options] says, and Retry-After is
// heeded. A request that changes something is sent once: after [ErrUnreachable]
// it may or may not have had its effect.
//
// # Bounds
//
// A request is bounded by the [net/http.Client]'s timeout, 90 s unless one is
// given; files, exports and streams by how long they are silent. Of an answer
// 32 MiB are read.
package client
