package conformance

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/modelcontextprotocol/go-sdk/mcp"
)

type keyed struct{ key string }

func (k keyed) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.Header.Set("X-Api-Key", k.key)
	return http.DefaultTransport.RoundTrip(r)
}

// What the suites do not try: a page to open, structured output, and
// cancellation that reaches the tool, with the official client of each version.
func TestBeyondTheSuites(t *testing.T) {
	at := boot(t, fixtureOnly, fixtures())
	for _, version := range []string{"2026-07-28", "2025-11-25", "2025-06-18", "2025-03-26"} {
		t.Run(version, func(t *testing.T) {
			asked := ""
			c := mcp.NewClient(&mcp.Implementation{Name: "test", Version: "1"}, &mcp.ClientOptions{
				ElicitationHandler: func(_ context.Context, r *mcp.ElicitRequest) (*mcp.ElicitResult, error) {
					asked = r.Params.URL
					return &mcp.ElicitResult{Action: "accept"}, nil
				},
				Capabilities: &mcp.ClientCapabilities{Elicitation: &mcp.ElicitationCapabilities{URL: &mcp.URLElicitationCapabilities{}}},
			})
			cs, err := c.Connect(t.Context(), &mcp.StreamableClientTransport{
				Endpoint: at.direct, HTTPClient: &http.Client{Transport: keyed{at.key}},
			}, &mcp.ClientSessionOptions{ProtocolVersion: version})
			must(t, err)
			defer cs.Close()

			r, err := cs.CallTool(t.Context(), &mcp.CallToolParams{Name: "test_url_elicitation"})
			must(t, err)
			if text := r.Content[0].(*mcp.TextContent).Text; text != "action=accept" || asked != "https://sluice.example/link/lt_1" {
				t.Errorf("a page to open: asked %q, got %q", asked, text)
			}

			list, err := cs.ListTools(t.Context(), nil)
			must(t, err)
			r, err = cs.CallTool(t.Context(), &mcp.CallToolParams{Name: "test_structured_output"})
			must(t, err)
			if diff := cmp.Diff(map[string]any{"temperature": 21.5, "unit": "C"}, r.StructuredContent); diff != "" {
				t.Error(diff)
			}
			for _, tool := range list.Tools {
				if has := tool.OutputSchema != nil; has != (tool.Name == "test_structured_output") {
					t.Errorf("%s: output schema: %v", tool.Name, has)
				}
			}

			ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
			defer cancel()
			if _, err := cs.CallTool(ctx, &mcp.CallToolParams{Name: "test_cancellation"}); err == nil || !strings.Contains(err.Error(), "context deadline exceeded") {
				t.Errorf("a call that waits for its end: %v", err)
			}
		})
	}
}
