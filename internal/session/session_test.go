package session_test

import (
	"encoding/json"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sluice-run/sluice/internal/connect"
	"github.com/sluice-run/sluice/internal/connect/connecttest"
	"github.com/sluice-run/sluice/internal/domain"
	"github.com/sluice-run/sluice/internal/execute"
	"github.com/sluice-run/sluice/internal/session"
)

type fixture struct {
	*connecttest.World
	*session.Service
	exec *execute.Service
}

func setup(t testing.TB, provisioners ...connect.Provisioner) *fixture {
	w := connecttest.New(t, provisioners...)
	exec := execute.New(execute.Options{
		Catalog: w.Catalog, Connect: w.Connect, Store: w.DB, Sealer: execute.NewSealer(w.Vault), Now: w.Clock.Now,
	})
	return &fixture{World: w, exec: exec, Service: session.New(session.Options{
		Store: w.DB, Catalog: w.Catalog, Connect: w.Connect, Execute: exec, Now: w.Clock.Now,
		WaitLimit: 5 * time.Second,
		LinkURL:   func(origin, token string) string { return origin + "/link/" + token },
	})}
}

func (f *fixture) open(t testing.TB, user string, cfg domain.SessionConfig) *session.Handle {
	t.Helper()
	h, err := f.Create(t.Context(), connecttest.Principal, user, cfg)
	if err != nil {
		t.Fatal(err)
	}
	h.Origin = "http://sluice.test"
	return h
}

// call runs a tool in the session and gives its data.
func (f *fixture) call(t testing.TB, h *session.Handle, tool, args string, into any) *execute.Answer {
	t.Helper()
	a, err := f.Call(t.Context(), h, session.Call{Tool: tool, Arguments: json.RawMessage(args), Door: execute.DoorMCP, RequestID: "req_1"})
	if err != nil {
		t.Fatalf("%s: %v", tool, err)
	}
	if into != nil {
		if err := json.Unmarshal(a.Data, into); err != nil {
			t.Fatalf("%s: %v in %s", tool, err, a.Data)
		}
	}
	return a
}

func TestLife(t *testing.T) {
	t.Parallel()
	f := setup(t)
	other := domain.Principal{ProjectID: connecttest.Other, KeyID: "key_other"}
	h := f.open(t, "ann", domain.SessionConfig{
		Toolkits: &domain.Selection{Enable: []string{"Notes", "notes"}},
		Tools:    map[string]domain.ToolRule{"NOTES": {Disable: []string{"notes_hang"}}},
		Preload:  domain.PreloadConfig{Tools: []string{"notes_whoami", "NOTES_WHOAMI"}},
	})
	want := domain.SessionConfig{
		Toolkits: &domain.Selection{Enable: []string{"notes"}},
		Tools:    map[string]domain.ToolRule{"notes": {Disable: []string{"NOTES_HANG"}}},
		Preload:  domain.PreloadConfig{Tools: []string{"NOTES_WHOAMI"}},
	}
	got, err := f.Open(t.Context(), connecttest.Principal, h.ID)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got.Config); diff != "" {
		t.Error(diff)
	}
	if got.Version != 1 || got.UserID != "ann" || !strings.HasPrefix(got.ID, "trs_") {
		t.Errorf("session %+v", got.Session)
	}
	for name, err := range map[string]error{
		"open":    func() error { _, err := f.Open(t.Context(), other, h.ID); return err }(),
		"update":  func() error { _, err := f.Update(t.Context(), other, h.ID, nil, noEdit); return err }(),
		"delete":  f.Delete(t.Context(), other, h.ID),
		"unknown": func() error { _, err := f.Open(t.Context(), connecttest.Principal, "trs_x"); return err }(),
	} {
		if domain.CodeOf(err) != domain.CodeNotFound {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := f.Delete(t.Context(), connecttest.Principal, h.ID); err != nil {
		t.Fatal(err)
	}
	if _, err := f.Open(t.Context(), connecttest.Principal, h.ID); domain.CodeOf(err) != domain.CodeNotFound {
		t.Errorf("after deletion: %v", err)
	}
}

func noEdit(*domain.SessionConfig) error { return nil }

func TestUpdate(t *testing.T) {
	t.Parallel()
	f := setup(t)
	h := f.open(t, "ann", domain.SessionConfig{})
	before, err := f.Tools(h)
	if err != nil {
		t.Fatal(err)
	}
	one := 1
	preload := func(c *domain.SessionConfig) error { c.Preload.Tools = []string{"NOTES_WHOAMI"}; return nil }
	h2, err := f.Update(t.Context(), connecttest.Principal, h.ID, &one, preload)
	if err != nil || h2.Version != 2 {
		t.Fatalf("updated %+v, err %v", h2, err)
	}
	after, err := f.Tools(h2)
	if err != nil || len(after.Tools) != len(before.Tools)+1 || after.Key == before.Key {
		t.Errorf("%d tools after, %d before", len(after.Tools), len(before.Tools))
	}
	_, err = f.Update(t.Context(), connecttest.Principal, h.ID, &one, preload)
	if e := domain.AsError(err); e == nil || e.Code != domain.CodeConflict || !strings.Contains(e.Message, "version 2") {
		t.Errorf("stale update: %v", err)
	}
	// A refused change changes nothing.
	_, err = f.Update(t.Context(), connecttest.Principal, h.ID, nil, func(c *domain.SessionConfig) error {
		c.Preload.Tools = []string{"NOTES_NOTHING"}
		return nil
	})
	if domain.CodeOf(err) != domain.CodeInvalid {
		t.Errorf("bad update: %v", err)
	}
	want := errors.New("stop")
	if _, err := f.Update(t.Context(), connecttest.Principal, h.ID, nil, func(*domain.SessionConfig) error { return want }); !errors.Is(err, want) {
		t.Errorf("edit's error: %v", err)
	}
	h3, err := f.Open(t.Context(), connecttest.Principal, h.ID)
	if err != nil || h3.Version != 2 {
		t.Errorf("version %d, err %v", h3.Version, err)
	}
}

// Changes at once all take place, one after the other.
func TestConcurrentUpdates(t *testing.T) {
	t.Parallel()
	f := setup(t)
	h := f.open(t, "ann", domain.SessionConfig{})
	var wg sync.WaitGroup
	slugs := []string{"NOTES_WHOAMI", "NOTES_SEARCH_NOTES", "NOTES_CREATE_NOTE", "NOTES_DELETE_NOTE", "ABACUS_ADD", "NOTES_EXPORT"}
	for _, slug := range slugs {
		wg.Go(func() {
			_, err := f.Update(t.Context(), connecttest.Principal, h.ID, nil, func(c *domain.SessionConfig) error {
				c.Preload.Tools = append(c.Preload.Tools, slug)
				return nil
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	got, err := f.Open(t.Context(), connecttest.Principal, h.ID)
	if err != nil || got.Version != 1+len(slugs) || len(got.Config.Preload.Tools) != len(slugs) {
		t.Errorf("session %+v, %v", got.Session, err)
	}
}

// Rules change with the next request, also for handles of other versions.
func TestRulesFollowTheVersion(t *testing.T) {
	t.Parallel()
	f := setup(t)
	h := f.open(t, "ann", domain.SessionConfig{})
	add := session.Call{Tool: "ABACUS_ADD", Arguments: json.RawMessage(`{"a":1,"b":2}`), Door: execute.DoorMCP}
	if _, err := f.Call(t.Context(), h, add); err != nil {
		t.Fatal(err)
	}
	h2, err := f.Update(t.Context(), connecttest.Principal, h.ID, nil, func(c *domain.SessionConfig) error {
		c.Toolkits = &domain.Selection{Disable: []string{"abacus"}}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.Call(t.Context(), h2, add); domain.CodeOf(err) != domain.CodeForbidden {
		t.Errorf("after the change: %v", err)
	}
}

func TestTools(t *testing.T) {
	t.Parallel()
	f := setup(t)
	tests := []struct {
		name string
		cfg  domain.SessionConfig
		want []string
	}{
		{"default", domain.SessionConfig{}, []string{
			"COMPOSIO_SEARCH_TOOLS", "COMPOSIO_GET_TOOL_SCHEMAS", "COMPOSIO_MANAGE_CONNECTIONS", "COMPOSIO_MULTI_EXECUTE_TOOL",
		}},
		{"direct tools", domain.SessionConfig{
			SearchOff: true, MultiExecuteOff: true, ManageConnections: domain.ManageConnectionsConfig{Off: true},
			Toolkits: &domain.Selection{Enable: []string{"abacus"}}, Preload: domain.PreloadConfig{All: true},
		}, []string{"ABACUS_ADD"}},
		{"with wait and a list", domain.SessionConfig{
			SearchOff: true, ManageConnections: domain.ManageConnectionsConfig{Wait: true},
			Preload: domain.PreloadConfig{Tools: []string{"NOTES_WHOAMI", "ABACUS_ADD"}},
		}, []string{"COMPOSIO_MANAGE_CONNECTIONS", "COMPOSIO_WAIT_FOR_CONNECTIONS", "COMPOSIO_MULTI_EXECUTE_TOOL", "ABACUS_ADD", "NOTES_WHOAMI"}},
		{"all by tags", domain.SessionConfig{
			SearchOff: true, MultiExecuteOff: true, ManageConnections: domain.ManageConnectionsConfig{Off: true},
			Tags: &domain.TagRule{Enable: []string{"destructiveHint"}}, Preload: domain.PreloadConfig{All: true},
		}, []string{"NOTES_CONFIRM", "NOTES_CONFIRM_TWICE", "NOTES_DELETE_NOTE"}},
	}
	for _, tt := range tests {
		set, err := f.Tools(f.open(t, "ann", tt.cfg))
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, tool := range set.Tools {
			got = append(got, tool.Slug)
		}
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("%s: %s", tt.name, diff)
		}
	}
	key := func(cfg domain.SessionConfig) string {
		set, err := f.Tools(f.open(t, "ann", cfg))
		if err != nil {
			t.Fatal(err)
		}
		return set.Key
	}
	multi := domain.SessionConfig{MultiAccount: domain.MultiAccountConfig{Enable: true}}
	if key(domain.SessionConfig{}) != key(domain.SessionConfig{Tags: &domain.TagRule{Disable: []string{"destructiveHint"}}}) {
		t.Error("sets with the same bytes have different keys")
	}
	if key(domain.SessionConfig{}) == key(multi) {
		t.Error("sets with different schemas have the same key")
	}
}
