package storetest

import (
	"context"
	"testing"

	"github.com/sluice-run/sluice/internal/domain"
	"github.com/sluice-run/sluice/internal/store"
)

// serve gives n an MCP server and an instance of it.
func (n *tenant) serve(ctx context.Context, t *testing.T, s store.Store, name string) {
	t.Helper()
	n.server = domain.MCPServer{
		ID: "server-" + name, ProjectID: n.project.ID, Name: "Docs", Toolkits: []string{"confluence"},
		Tools: []string{"CONFLUENCE_GET_PAGES"}, AuthConfigs: []string{n.config.ID}, ManagedAuth: true,
		Version: 1, CreatedAt: t0, UpdatedAt: at(1), Instances: 1,
	}
	n.instance = domain.MCPInstance{
		ID: "instance-" + name, ProjectID: n.project.ID, ServerID: n.server.ID, UserID: "user", CreatedAt: t0, UpdatedAt: t0,
	}
	ok(t, s.CreateMCPServer(ctx, n.server))
	same(t, n.instance, must(s.PutMCPInstance(ctx, n.instance))(t))
}

// serverAttempts are isolation's, for MCP servers.
var serverAttempts = []attempt{
	{"MCPServer", func(ctx context.Context, q store.Queries, project string, v tenant) error {
		_, err := q.MCPServer(ctx, project, v.server.ID)
		return err
	}, domain.CodeNotFound},
	{"ListMCPServers", func(ctx context.Context, q store.Queries, project string, v tenant) error {
		got, err := q.ListMCPServers(ctx, project)
		return leak(err, got, func(m domain.MCPServer) bool { return m.ProjectID == v.project.ID })
	}, ""},
	{"UpdateMCPServer", func(ctx context.Context, q store.Queries, project string, v tenant) error {
		m := v.server
		m.Version++
		m.Name = "stolen"
		return q.UpdateMCPServer(ctx, project, m)
	}, domain.CodeNotFound},
	{"DeleteMCPServer", func(ctx context.Context, q store.Queries, project string, v tenant) error {
		return q.DeleteMCPServer(ctx, project, v.server.ID)
	}, domain.CodeNotFound},
	{"PutMCPInstance", func(ctx context.Context, q store.Queries, project string, v tenant) error {
		i := v.instance
		i.ID, i.ProjectID, i.UserID = "instance-thief", project, "thief"
		_, err := q.PutMCPInstance(ctx, i)
		return err
	}, domain.CodeNotFound},
	{"MCPInstance", func(ctx context.Context, q store.Queries, project string, v tenant) error {
		_, err := q.MCPInstance(ctx, project, v.server.ID, v.instance.UserID)
		return err
	}, domain.CodeNotFound},
	{"ListMCPInstances", func(ctx context.Context, q store.Queries, project string, v tenant) error {
		got, total, err := q.ListMCPInstances(ctx, project, v.server.ID, store.MCPInstanceFilter{}, store.Page{})
		return leak(counted(err, total), got, func(domain.MCPInstance) bool { return true })
	}, ""},
	{"DeleteMCPInstance", func(ctx context.Context, q store.Queries, project string, v tenant) error {
		return q.DeleteMCPInstance(ctx, project, v.server.ID, v.instance.ID)
	}, domain.CodeNotFound},
}

func testMCPServers(t *testing.T, s store.Store) {
	w := newWorld(t, s)
	ctx := t.Context()
	project, m := w.a.project.ID, w.a.server
	same(t, m, must(s.MCPServer(ctx, project, m.ID))(t))
	same(t, w.b.server, must(s.MCPServerOfAny(ctx, w.b.server.ID))(t))
	_, err := s.MCPServerOfAny(ctx, "server-none")
	wantCode(t, err, domain.CodeNotFound)
	wantCode(t, s.CreateMCPServer(ctx, m), domain.CodeConflict)
	more := m
	more.ID, more.Tools, more.AuthConfigs, more.CreatedAt, more.Instances = "server-more", nil, nil, at(5), 0
	wantCode(t, s.CreateMCPServer(ctx, more), domain.CodeConflict) // the name
	more.Name = "More"
	ok(t, s.CreateMCPServer(ctx, more))
	same(t, []domain.MCPServer{more, m}, must(s.ListMCPServers(ctx, project))(t))
	lost := m
	lost.ID, lost.ProjectID = "server-lost", "pr_none"
	wantCode(t, s.CreateMCPServer(ctx, lost), domain.CodeNotFound)

	change := m
	change.Name, change.Toolkits, change.Tools, change.ManagedAuth, change.Version, change.UpdatedAt = "New", []string{"gmail"}, nil, false, 2, at(9)
	ok(t, s.UpdateMCPServer(ctx, project, change))
	same(t, change, must(s.MCPServer(ctx, project, m.ID))(t))
	for _, version := range []int{1, 2, 4} {
		change.Version = version
		wantCode(t, s.UpdateMCPServer(ctx, project, change), domain.CodeConflict)
	}
	change.Version, change.Name = 3, "More"
	wantCode(t, s.UpdateMCPServer(ctx, project, change), domain.CodeConflict)

	ok(t, s.DeleteMCPServer(ctx, project, m.ID))
	wantCode(t, s.DeleteMCPServer(ctx, project, m.ID), domain.CodeNotFound)
	_, err = s.MCPInstance(ctx, project, m.ID, "user")
	wantCode(t, err, domain.CodeNotFound)
	same(t, w.b.server, must(s.MCPServer(ctx, w.b.project.ID, w.b.server.ID))(t))
}

func testMCPInstances(t *testing.T, s store.Store) {
	w := newWorld(t, s)
	ctx := t.Context()
	project, server := w.a.project.ID, w.a.server.ID
	for i, user := range []string{"Ann_1", "bob", "x%y"} {
		_, err := s.PutMCPInstance(ctx, domain.MCPInstance{
			ID: "instance-" + user, ProjectID: project, ServerID: server, UserID: user, CreatedAt: at(i + 1), UpdatedAt: at(i + 1),
		})
		ok(t, err)
	}
	// A second one of a user is the first one, used again.
	again := w.a.instance
	again.ID, again.CreatedAt, again.UpdatedAt = "instance-again", at(50), at(50)
	got := must(s.PutMCPInstance(ctx, again))(t)
	want := w.a.instance
	want.UpdatedAt = at(50)
	same(t, want, got)
	same(t, 4, must(s.MCPServer(ctx, project, server))(t).Instances)
	type f = store.MCPInstanceFilter
	for _, tc := range []struct {
		name   string
		filter f
		page   store.Page
		want   string
		total  int
	}{
		{"all", f{}, store.Page{}, "user x%y bob Ann_1", 4},
		{"by age", f{OrderByCreated: true, Ascending: true}, store.Page{}, "user Ann_1 bob x%y", 4},
		{"part of a user", f{Search: "ANN_"}, store.Page{}, "Ann_1", 1},
		{"no wildcard", f{Search: "%"}, store.Page{}, "x%y", 1},
		{"no wildcard either", f{Search: "_"}, store.Page{}, "Ann_1", 1},
		{"part of an id", f{Search: "stance-b"}, store.Page{}, "bob", 1},
		{"a window", f{}, store.Page{Offset: 1, Limit: 2}, "x%y bob", 4},
	} {
		t.Run(tc.name, func(t *testing.T) {
			list, total, err := s.ListMCPInstances(ctx, project, server, tc.filter, tc.page)
			ok(t, err)
			if g := ids(list, func(i domain.MCPInstance) string { return i.UserID }); g != tc.want || total != tc.total {
				t.Errorf("got %q of %d, want %q of %d", g, total, tc.want, tc.total)
			}
		})
	}
	ok(t, s.DeleteMCPInstance(ctx, project, server, want.ID))
	wantCode(t, s.DeleteMCPInstance(ctx, project, server, want.ID), domain.CodeNotFound)
	_, err := s.PutMCPInstance(ctx, domain.MCPInstance{ID: "i", ProjectID: project, ServerID: "none", UserID: "u", CreatedAt: t0, UpdatedAt: t0})
	wantCode(t, err, domain.CodeNotFound)
}

func testProjectSettings(t *testing.T, s store.Store) {
	w := newWorld(t, s)
	ctx := t.Context()
	same(t, domain.ProjectSettings{}, must(s.ProjectSettings(ctx, w.a.project.ID))(t))
	for _, open := range []bool{true, false, true} {
		ok(t, s.PutProjectSettings(ctx, w.a.project.ID, domain.ProjectSettings{OpenMCP: open}))
		same(t, domain.ProjectSettings{OpenMCP: open}, must(s.ProjectSettings(ctx, w.a.project.ID))(t))
	}
	same(t, domain.ProjectSettings{}, must(s.ProjectSettings(ctx, w.b.project.ID))(t))
	wantCode(t, s.PutProjectSettings(ctx, "pr_none", domain.ProjectSettings{}), domain.CodeNotFound)
}
