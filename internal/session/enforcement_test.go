package session_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/sluice-run/sluice/internal/connect/connecttest"
	"github.com/sluice-run/sluice/internal/domain"
	"github.com/sluice-run/sluice/internal/execute"
	"github.com/sluice-run/sluice/internal/session"
)

// What a session hides is refused at every door, leaves a record there, and
// never reaches upstream. The doors are those that transports use.
func TestHiddenToolIsRefusedEverywhere(t *testing.T) {
	t.Parallel()
	f := setup(t)
	f.Account(t, connecttest.Project, "ann", "ann@x.test", "")
	hidden := map[string]domain.SessionConfig{
		"toolkits.enable":       {Toolkits: &domain.Selection{Enable: []string{"abacus"}}},
		"toolkits.disable":      {Toolkits: &domain.Selection{Disable: []string{"notes"}}},
		"tools.notes.enable":    {Tools: map[string]domain.ToolRule{"notes": {Enable: []string{"NOTES_SEARCH_NOTES"}}}},
		"tools.notes.disable":   {Tools: map[string]domain.ToolRule{"notes": {Disable: []string{"NOTES_WHOAMI"}}}},
		"tools.notes.tags":      {Tools: map[string]domain.ToolRule{"notes": {Tags: &domain.TagRule{Enable: []string{"destructiveHint"}}}}},
		"tools.notes.tags over": {Tools: map[string]domain.ToolRule{"notes": {Tags: &domain.TagRule{Disable: []string{"readOnlyHint"}}}}, Tags: &domain.TagRule{Enable: []string{"readOnlyHint"}}},
		"tags.enable":           {Tags: &domain.TagRule{Enable: []string{"destructiveHint"}}},
		"tags.disable":          {Tags: &domain.TagRule{Disable: []string{"readOnlyHint"}}},
	}
	const slug = "NOTES_WHOAMI"
	for name, cfg := range hidden {
		h := f.open(t, "ann", cfg)
		doors := map[string]func() (logID, message string){
			"tools/call": func() (string, string) {
				_, err := f.Call(t.Context(), h, session.Call{Tool: slug, Door: execute.DoorMCP})
				return refused(t, err)
			},
			"tools/call in lower case": func() (string, string) {
				_, err := f.Call(t.Context(), h, session.Call{Tool: strings.ToLower(slug), Door: execute.DoorMCP})
				return refused(t, err)
			},
			"REST execute": func() (string, string) {
				_, err := f.Call(t.Context(), h, session.Call{Tool: slug, Door: execute.DoorRESTSession})
				return refused(t, err)
			},
			"REST execute_meta": func() (string, string) {
				_, err := f.Call(t.Context(), h, session.Call{Tool: slug, Door: execute.DoorRESTMeta})
				return refused(t, err)
			},
			"execute with rules": func() (string, string) {
				_, err := f.exec.Run(t.Context(), execute.Request{
					Principal: connecttest.Principal, UserID: "ann", Rules: h.Rules, Session: &h.Session, Tool: slug, Door: execute.DoorREST,
				})
				return refused(t, err)
			},
			"execute with the session alone": func() (string, string) {
				_, err := f.exec.Run(t.Context(), execute.Request{
					Principal: connecttest.Principal, Session: &h.Session, Tool: slug, Door: execute.DoorREST,
				})
				return refused(t, err)
			},
			"multi-execute": func() (string, string) {
				var out multiData
				f.call(t, h, "COMPOSIO_MULTI_EXECUTE_TOOL", `{"tools":[{"tool_slug":"`+slug+`","arguments":{}}]}`, &out)
				if out.ErrorCount != 1 || out.Results[0].Error == nil {
					t.Fatalf("multi-execute: %+v", out)
				}
				records := f.Records(t, connecttest.Project)
				for _, r := range records {
					if r.SessionID == h.ID && r.Door == execute.DoorMulti {
						return r.ID, *out.Results[0].Error
					}
				}
				t.Fatal("multi-execute left no record of its item")
				return "", ""
			},
		}
		for door, try := range doors {
			seen := len(f.Upstream.Seen())
			id, message := try()
			if !strings.Contains(message, slug) {
				t.Errorf("%s by %s: message %q", name, door, message)
			}
			rec, err := f.DB.Execution(t.Context(), connecttest.Project, id)
			if err != nil {
				t.Fatalf("%s by %s: record %q: %v", name, door, id, err)
			}
			if rec.Outcome != domain.OutcomeRefused || rec.ErrorCode != domain.CodeForbidden || rec.SessionID != h.ID || rec.Tool != slug {
				t.Errorf("%s by %s: record %+v", name, door, rec)
			}
			if n := len(f.Upstream.Seen()); n != seen {
				t.Errorf("%s by %s: reached upstream", name, door)
			}
		}
		hiddenFromSight(t, f, h, name, slug)
	}
}

// hiddenFromSight tries the ways to learn of a tool.
func hiddenFromSight(t *testing.T, f *fixture, h *session.Handle, name, slug string) {
	t.Helper()
	found := f.call(t, h, "COMPOSIO_SEARCH_TOOLS", `{"queries":[{"use_case":"who am I in the notes"},{"use_case":"say whose account this is"}]}`, nil)
	if strings.Contains(string(found.Data), slug) {
		t.Errorf("%s: search names the tool: %s", name, found.Data)
	}
	schemas := f.call(t, h, "COMPOSIO_GET_TOOL_SCHEMAS", `{"tool_slugs":["`+slug+`","NOTES_WHOAM"]}`, nil)
	var out struct {
		ToolSchemas map[string]any      `json:"tool_schemas"`
		NotFound    []string            `json:"not_found"`
		Suggestions map[string][]string `json:"suggestions"`
	}
	if err := json.Unmarshal(schemas.Data, &out); err != nil {
		t.Fatal(err)
	}
	if len(out.ToolSchemas) != 0 || len(out.NotFound) != 2 {
		t.Errorf("%s: schemas %s", name, schemas.Data)
	}
	for _, near := range out.Suggestions {
		for _, s := range near {
			if s == slug {
				t.Errorf("%s: the tool is suggested", name)
			}
		}
	}
	_, err := f.Call(t.Context(), h, session.Call{Tool: "NOTES_WHOAM", Door: execute.DoorMCP})
	if e := domain.AsError(err); e == nil || strings.Contains(e.Fix, slug) {
		t.Errorf("%s: an unknown tool's error names it: %+v", name, e)
	}
}

func refused(t *testing.T, err error) (logID, message string) {
	t.Helper()
	if domain.CodeOf(err) != domain.CodeForbidden {
		t.Fatalf("error %v", err)
	}
	return execute.LogID(err), err.Error()
}

func TestMetaToolSwitches(t *testing.T) {
	t.Parallel()
	f := setup(t)
	h := f.open(t, "ann", domain.SessionConfig{SearchOff: true, MultiExecuteOff: true, ManageConnections: domain.ManageConnectionsConfig{Off: true}})
	for slug, args := range map[string]string{
		"COMPOSIO_SEARCH_TOOLS":         `{"queries":[{"use_case":"x"}]}`,
		"COMPOSIO_GET_TOOL_SCHEMAS":     `{"tool_slugs":["ABACUS_ADD"]}`,
		"COMPOSIO_MANAGE_CONNECTIONS":   `{"toolkits":["notes"]}`,
		"COMPOSIO_WAIT_FOR_CONNECTIONS": `{"toolkits":["notes"]}`,
		"COMPOSIO_MULTI_EXECUTE_TOOL":   `{"tools":[{"tool_slug":"ABACUS_ADD","arguments":{"a":1,"b":1}}]}`,
	} {
		_, err := f.Call(t.Context(), h, session.Call{Tool: slug, Arguments: json.RawMessage(args), Door: execute.DoorMCP})
		if domain.CodeOf(err) != domain.CodeForbidden {
			t.Errorf("%s: %v", slug, err)
			continue
		}
		if rec, err := f.DB.Execution(t.Context(), connecttest.Project, execute.LogID(err)); err != nil || rec.Tool != slug || rec.Toolkit != "composio" {
			t.Errorf("%s: record %+v, %v", slug, rec, err)
		}
	}
	// An app tool that is not listed runs all the same: rules decide.
	f.call(t, h, "ABACUS_ADD", `{"a":1,"b":1}`, nil)
}

func TestNotOffered(t *testing.T) {
	t.Parallel()
	f := setup(t)
	h := f.open(t, "ann", domain.SessionConfig{})
	for _, slug := range []string{"COMPOSIO_REMOTE_WORKBENCH", "composio_remote_bash_tool", "LOCAL_NOTE", "COMPOSIO_UPSERT_RECIPE"} {
		_, err := f.Call(t.Context(), h, session.Call{Tool: slug, Door: execute.DoorMCP})
		e := domain.AsError(err)
		if e == nil || e.Code != domain.CodeUnsupported || e.Fix == "" {
			t.Errorf("%s: %v", slug, err)
		}
		if rec, err := f.DB.Execution(t.Context(), connecttest.Project, execute.LogID(err)); err != nil || rec.Outcome != domain.OutcomeRefused {
			t.Errorf("%s: record %+v, %v", slug, rec, err)
		}
	}
}
