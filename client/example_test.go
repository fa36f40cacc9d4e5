package client_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"net/url"
	"strings"
	"time"

	"github.com/sluice-run/sluice/client"
)

// serve gives the address and a key of the router that the examples run against,
// with its sandbox in place of a Confluence.
func serve() (address, key string) {
	a := theWorld().router
	return a.URL(), a.EphemeralKey("example")
}

// newClient is client.New with what serve gives.
func newClient() *client.Client { return theWorld().client(client.Options{}) }

// An application opens a session for one of its users, and hands the MCP URL to an
// agent or runs tools by itself.
func Example() {
	address, key := serve()
	c, err := client.New(client.Options{BaseURL: address, APIKey: key})
	if err != nil {
		log.Fatal(err)
	}
	ctx := context.Background()
	session, err := c.Create(ctx, "user_123", client.SessionOptions{Toolkits: []string{"confluence"}})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(session.MCP.URL == address+"/tool_router/"+session.ID+"/mcp") // for any MCP client, with session.MCP.Headers
	fmt.Println(session.MetaTools[0])
	// Output:
	// true
	// COMPOSIO_SEARCH_TOOLS
}

// A tool that failed has run and says why: that is a Result. An error is a request
// that was wrong, or not answered.
func ExampleSession_Execute() {
	ctx, c := context.Background(), newClient()
	session, err := c.Create(ctx, "user_exec", client.SessionOptions{})
	if err != nil {
		log.Fatal(err)
	}
	result, err := session.Execute(ctx, "CONFLUENCE_GET_SPACES", map[string]any{"limit": 2}, "")
	if err != nil {
		log.Fatal(err)
	}
	var data struct {
		Results []struct{ Key, Name string }
	}
	if err := result.Decode(&data); err != nil {
		log.Fatal(err)
	}
	for _, space := range data.Results {
		fmt.Println(space.Key, space.Name)
	}
	result, err = session.Execute(ctx, "CONFLUENCE_GET_PAGE_BY_ID", map[string]any{"id": "1"}, "")
	fmt.Println(result.Successful, err)
	// Output:
	// MKT Marketing
	// ENG Engineering
	// false <nil>
}

// Tools are found by what they are for.
func ExampleSession_Search() {
	ctx, c := context.Background(), newClient()
	session, err := c.Create(ctx, "user_search", client.SessionOptions{})
	if err != nil {
		log.Fatal(err)
	}
	answer, err := session.Search(ctx, "add a label to a page")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(answer.Results[0].Primary)
	// Output: [CONFLUENCE_ADD_CONTENT_LABEL]
}

// A session's configuration can be replaced; what somebody else changed meanwhile
// is not written over.
func ExampleSession_Configure() {
	ctx, c := context.Background(), newClient()
	session, err := c.Create(ctx, "user_configure", client.SessionOptions{})
	if err != nil {
		log.Fatal(err)
	}
	other, err := c.Use(ctx, session.ID)
	if err != nil {
		log.Fatal(err)
	}
	readOnly := client.SessionOptions{Tags: &client.TagRule{Enable: []string{"readOnlyHint"}}}
	fmt.Println(session.Configure(ctx, readOnly), session.Version)
	err = other.Configure(ctx, client.SessionOptions{})
	fmt.Println(errors.Is(err, client.ErrConflict))
	// Output:
	// <nil> 2
	// true
}

// A request that no tool is made for goes to the user's site with the user's
// credentials, which the application never sees.
func ExampleSession_Proxy() {
	ctx, c := context.Background(), newClient()
	session, err := c.Create(ctx, "user_proxy", client.SessionOptions{})
	if err != nil {
		log.Fatal(err)
	}
	answer, err := session.Proxy(ctx, "confluence", client.Request{Endpoint: "/wiki/api/v2/spaces", Query: url.Values{"keys": {"MKT"}}})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(answer.Status, strings.Contains(string(answer.Data), "Marketing"))
	// Output: 200 true
}

// Every list is an iterator: pages are got while they are read, and a failure is
// its last item.
func ExampleClient_Tools() {
	c := newClient()
	query := client.ToolQuery{Toolkit: "confluence", Tags: []string{"destructiveHint"}}
	for tool, err := range c.Tools(context.Background(), query) {
		if err != nil {
			log.Fatal(err)
		}
		if strings.Contains(tool.Slug, "_DELETE_SPACE") {
			fmt.Println(tool.Slug)
		}
	}
	// Output:
	// CONFLUENCE_DELETE_SPACE
	// CONFLUENCE_DELETE_SPACE_PROPERTY
}

// What the server refuses is an *Error, with its own words and what to do next.
func ExampleError() {
	ctx, c := context.Background(), newClient()
	session, err := c.Create(ctx, "user_error", client.SessionOptions{
		Tools: map[string]client.ToolRule{"confluence": {Disable: []string{"CONFLUENCE_DELETE_PAGE"}}},
	})
	if err != nil {
		log.Fatal(err)
	}
	_, err = session.Execute(ctx, "CONFLUENCE_DELETE_PAGE", map[string]any{"id": "1"}, "")
	var refused *client.Error
	switch {
	case errors.Is(err, client.ErrRateLimited) && errors.As(err, &refused):
		fmt.Println("again in", refused.RetryAfter)
	case errors.As(err, &refused):
		fmt.Println(refused.Status, errors.Is(err, client.ErrForbidden), refused.RequestID != "")
	}
	_, err = c.Tool(ctx, "CONFLUENCE_FLY")
	fmt.Println(errors.Is(err, client.ErrNotFound))
	// Output:
	// 403 true true
	// true
}

// What a person writes becomes the arguments of a tool, by the router's model.
func ExampleClient_Phrase() {
	arguments, err := newClient().Phrase(context.Background(), client.PhraseRequest{
		Tool: "CONFLUENCE_GET_SPACES", Text: "the first three spaces, please",
	})
	fmt.Println(string(arguments), err)
	// Output: {"limit":3} <nil>
}

// Calls are counted by what they have.
func ExampleClient_Usage() {
	ctx, c, start := context.Background(), newClient(), time.Now()
	for range 2 {
		if _, err := c.Execute(ctx, client.ExecuteRequest{Tool: "CONFLUENCE_GET_SPACES", UserID: "user_usage"}); err != nil {
			log.Fatal(err)
		}
	}
	usage, err := c.Usage(ctx, client.UsageToolCalls, client.UsageQuery{From: start, UserIDs: []string{"user_usage"}, GroupBy: "tool_slug"})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(usage.Count, usage.Groups)
	// Output: 2 [{CONFLUENCE_GET_SPACES 2}]
}
