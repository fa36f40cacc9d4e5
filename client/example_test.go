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

// A project brings its own application at the provider, and a user connects by
// the provider's consent page.
func ExampleClient_LinkAccount() {
	ctx := context.Background()
	var c *client.Client // of New
	config, err := c.CreateAuthConfig(ctx, client.NewAuthConfig{
		Toolkit: "confluence", Scheme: "OAUTH2",
		Credentials: map[string]string{"client_id": "…", "client_secret": "…"},
	})
	if err != nil {
		log.Fatal(err)
	}
	link, err := c.LinkAccount(ctx, client.LinkRequest{UserID: "user_123", AuthConfigID: config.ID})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("Open", link.URL)
	account, err := c.WaitForAccount(ctx, link.AccountID)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("Connected", account.WordID)
}
