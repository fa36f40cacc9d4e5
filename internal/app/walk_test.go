package app_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/sluice-run/sluice/client"
)

// The main job: an application opens a session with our SDK, an agent with the
// official MCP SDK finds a tool in it and uses it, in every version.
func TestTheWalk(t *testing.T) {
	t.Parallel()
	r := testApp(t, nil)
	for _, version := range []string{"2026-07-28", "2025-11-25", "2025-06-18", "2025-03-26"} {
		t.Run(version, func(t *testing.T) {
			s, err := r.clientOf().Create(t.Context(), "ann", client.SessionOptions{Toolkits: []string{"confluence"}})
			must(t, err)
			if want := r.URL() + mcpPath(s.ID); s.MCP.URL != want {
				t.Errorf("MCP address %s, want %s", s.MCP.URL, want)
			}
			cs, err := r.dial(s.ID, r.key, version)
			must(t, err)
			defer func() { must(t, cs.Close()) }()
			list, err := cs.ListTools(t.Context(), nil)
			must(t, err)
			if len(list.Tools) == 0 || len(list.Tools) > 5 {
				t.Errorf("%d tools", len(list.Tools))
			}
			use := func(tool string, args map[string]any, into any) {
				t.Helper()
				res, err := cs.CallTool(t.Context(), &mcp.CallToolParams{Name: tool, Arguments: args})
				must(t, err)
				text, ok := res.Content[0].(*mcp.TextContent)
				if !ok || res.IsError {
					t.Fatalf("%s: %+v", tool, res)
				}
				var out struct{ Data json.RawMessage }
				must(t, json.Unmarshal([]byte(text.Text), &out))
				must(t, json.Unmarshal(out.Data, into))
			}
			var found struct {
				Results []client.Found `json:"results"`
			}
			use("COMPOSIO_SEARCH_TOOLS", map[string]any{"queries": []any{map[string]any{"use_case": "create a documentation page in the marketing space"}}}, &found)
			if len(found.Results) != 1 || len(found.Results[0].Primary) == 0 || found.Results[0].Primary[0] != "CONFLUENCE_CREATE_PAGE" {
				t.Fatalf("found %+v", found)
			}
			title := "Project documentation, " + version
			var done struct {
				Results []struct {
					Response struct {
						Data struct{ ID, Title string }
					}
				}
				SuccessCount int `json:"success_count"`
			}
			use("COMPOSIO_MULTI_EXECUTE_TOOL", map[string]any{"tools": []any{map[string]any{
				"tool_slug": found.Results[0].Primary[0],
				"arguments": map[string]any{"spaceId": "MKT", "title": title, "body": map[string]any{"storage": map[string]any{"value": "<p>Hello</p>", "representation": "storage"}}},
			}}}, &done)
			if done.SuccessCount != 1 {
				t.Fatalf("executed %+v", done)
			}
			// The application sees what the agent did.
			got, err := s.Execute(t.Context(), "CONFLUENCE_GET_PAGE_BY_ID", map[string]string{"id": done.Results[0].Response.Data.ID}, "")
			must(t, err)
			if !got.Successful || !strings.Contains(string(got.Data), title) {
				t.Errorf("the page: %+v", got)
			}
			must(t, s.Delete(t.Context()))
			if _, err := cs.CallTool(t.Context(), &mcp.CallToolParams{Name: "CONFLUENCE_GET_SPACES"}); err == nil {
				t.Error("a deleted session goes on")
			}
		})
	}
}
