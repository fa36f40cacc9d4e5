package client_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/sluice-run/sluice/client"
)

func TestMCPServers(t *testing.T) {
	t.Parallel()
	c := router(t)
	ctx := t.Context()
	name, toolkits, tools := "Readers", []string{"confluence"}, []string{"CONFLUENCE_GET_SPACES"}
	made, err := c.CreateMCPServer(ctx, client.MCPServerChange{Name: &name, Toolkits: &toolkits, Tools: &tools})
	if err != nil || made.Name != name || len(made.Tools) != 1 || !strings.Contains(made.URL, "/v3/mcp/"+made.ID) {
		t.Fatalf("made %+v, %v", made, err)
	}
	all := []string{}
	if made, err = c.UpdateMCPServer(ctx, made.ID, client.MCPServerChange{Tools: &all}); err != nil || len(made.Tools) < 62 {
		t.Fatalf("changed %+v, %v", made, err)
	}
	urls, err := c.MCPServerURLs(ctx, made.ID, []string{"jane", "bob"}, nil)
	if err != nil || len(urls.Users) != 2 || !strings.HasSuffix(urls.Users[1], "?user_id=bob") || len(urls.Accounts) != 0 {
		t.Fatalf("addresses %+v, %v", urls, err)
	}
	if i, err := c.CreateMCPInstance(ctx, made.ID, "jane"); err != nil || i.UserID != "jane" || i.ServerID != made.ID {
		t.Fatalf("instance %+v, %v", i, err)
	}
	users := ""
	for i, err := range c.MCPInstances(ctx, made.ID) {
		if err != nil {
			t.Fatal(err)
		}
		users += i.UserID + " "
	}
	if users != "bob jane " && users != "jane bob " {
		t.Errorf("users %q", users)
	}
	if n, err := c.DeleteMCPInstance(ctx, made.ID, "bob"); err != nil || n != 0 {
		t.Errorf("deleting an instance: %d accounts, %v", n, err)
	}
	found := 0
	for s, err := range c.MCPServers(ctx, client.MCPServerQuery{}) {
		if err != nil {
			t.Fatal(err)
		}
		if s.ID == made.ID && s.Instances == 1 {
			found++
		}
	}
	if found != 1 {
		t.Error("the list does not have it")
	}
	if err := c.DeleteMCPServer(ctx, made.ID); err != nil {
		t.Fatal(err)
	}
	_, err = c.MCPServer(ctx, made.ID)
	if e, ok := err.(*client.Error); !ok || e.Status != http.StatusNotFound {
		t.Errorf("after its end: %v", err)
	}
}
