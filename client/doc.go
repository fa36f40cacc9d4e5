// Package client is the Go SDK of Sluice's REST API.
//
//	c, err := client.New(client.Options{BaseURL: "http://127.0.0.1:8787", APIKey: key})
//	…
//	s, err := c.Create(ctx, "user_123", client.SessionOptions{Toolkits: []string{"confluence"}})
//	…
//	fmt.Println(s.MCP.URL) // give this to any MCP client, with s.MCP.Headers
//
// Every call takes a context, answers with typed values and fails with an
// *Error that carries the server's own words. The wire is that of Composio's
// API v3.1, so the package works against any server that speaks it.
package client
