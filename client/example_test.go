package client_test

import (
	"context"
	"fmt"
	"log"

	"github.com/sluice-run/sluice/client"
)

// An application opens a session for one of its users and hands the MCP URL to
// an agent.
func Example() {
	ctx := context.Background()
	c, err := client.New(client.Options{BaseURL: "http://127.0.0.1:8787", APIKey: "ak_…"})
	if err != nil {
		log.Fatal(err)
	}
	session, err := c.Create(ctx, "user_123", client.SessionOptions{Toolkits: []string{"confluence"}})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(session.MCP.URL)
}

// A tool runs without an agent too.
func ExampleSession_Execute() {
	var session *client.Session // of Client.Create
	result, err := session.Execute(context.Background(), "CONFLUENCE_GET_SPACES", map[string]any{"limit": 5}, "")
	switch {
	case err != nil: // the request was wrong, or nothing answered
		log.Fatal(err)
	case !result.Successful: // the tool ran and failed
		fmt.Println(result.Error)
	default:
		fmt.Printf("%s\n", result.Data)
	}
}
