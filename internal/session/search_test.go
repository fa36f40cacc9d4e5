package session_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sluice-run/sluice/internal/catalog"
	"github.com/sluice-run/sluice/internal/connect/connecttest"
	"github.com/sluice-run/sluice/internal/domain"
	"github.com/sluice-run/sluice/internal/session"
)

type searchData struct {
	Results []struct {
		Index    int      `json:"index"`
		Primary  []string `json:"primary_tool_slugs"`
		Related  []string `json:"related_tool_slugs"`
		Toolkits []string `json:"toolkits"`
		Steps    []string `json:"recommended_plan_steps"`
		Pitfalls []string `json:"known_pitfalls"`
		Error    *string  `json:"error"`
	} `json:"results"`
	ToolSchemas map[string]struct {
		Input json.RawMessage `json:"input_schema"`
	} `json:"tool_schemas"`
	Statuses []struct {
		Toolkit string `json:"toolkit"`
		Active  bool   `json:"has_active_connection"`
		Message string `json:"status_message"`
	} `json:"toolkit_connection_statuses"`
	Session struct {
		ID       string `json:"id"`
		Generate bool   `json:"generate_id"`
	} `json:"session"`
	Next []string `json:"next_steps_guidance"`
}

func TestSearchTools(t *testing.T) {
	t.Parallel()
	f := setup(t)
	f.Account(t, connecttest.Project, "ann", "ann@x.test", "")
	ann, bob := f.open(t, "ann", domain.SessionConfig{}), f.open(t, "bob", domain.SessionConfig{ManageConnections: domain.ManageConnectionsConfig{Off: true}})

	var out searchData
	f.call(t, ann, "COMPOSIO_SEARCH_TOOLS", `{"queries":[{"use_case":"delete a note"},{"use_case":"qqq zzz"},{"use_case":"add two numbers"}],"session":{"generate_id":true}}`, &out)
	first := out.Results[0]
	if first.Index != 1 || first.Primary[0] != "NOTES_DELETE_NOTE" || !slices.Contains(first.Toolkits, "notes") {
		t.Errorf("first result %+v", first)
	}
	plan := strings.Join(first.Steps, "\n")
	if !strings.Contains(plan, "find it with NOTES_SEARCH_NOTES") || !strings.Contains(plan, "Call NOTES_DELETE_NOTE with note_id") {
		t.Errorf("plan %s", plan)
	}
	if diff := cmp.Diff([]string{"NOTES_DELETE_NOTE: A note that is removed does not come back."}, first.Pitfalls); diff != "" {
		t.Error(diff)
	}
	if out.Results[1].Error == nil || len(out.Results[1].Primary) != 0 {
		t.Errorf("second result %+v", out.Results[1])
	}
	if !strings.Contains(strings.Join(out.Next, "\n"), "1 out of 3 searches failed, reasons: ") {
		t.Errorf("next steps %v", out.Next)
	}
	for _, r := range out.Results {
		for _, slug := range append(slices.Clone(r.Primary), r.Related...) {
			tool, err := f.Catalog.Tool(t.Context(), connecttest.Project, slug, "")
			if err != nil {
				t.Errorf("a tool that does not exist: %v", err)
				continue
			}
			if diff := cmp.Diff(string(tool.Input), string(out.ToolSchemas[slug].Input)); diff != "" {
				t.Errorf("schema of %s: %s", slug, diff)
			}
		}
	}
	if len(out.Session.ID) != 8 || !out.Session.Generate {
		t.Errorf("workflow %+v", out.Session)
	}
	for _, s := range out.Statuses {
		if !s.Active {
			t.Errorf("ann is not connected to %s: %s", s.Toolkit, s.Message)
		}
	}

	// What is known is not looked for; the workflow goes on.
	f.call(t, ann, "COMPOSIO_SEARCH_TOOLS", `{"queries":[{"use_case":"delete a note","known_fields":"Note ID: 7"}],"session":{"id":"`+out.Session.ID+`"}}`, &out)
	if plan := strings.Join(out.Results[0].Steps, "\n"); strings.Contains(plan, "find it") {
		t.Errorf("plan %s", plan)
	}
	if out.Session.Generate {
		t.Errorf("workflow %+v", out.Session)
	}

	// A user without connection is told, in terms of what the session offers.
	var bobs searchData
	f.call(t, bob, "COMPOSIO_SEARCH_TOOLS", `{"queries":[{"use_case":"delete a note"}]}`, &bobs)
	if s := bobs.Statuses[0]; s.Toolkit != "notes" || s.Active || strings.Contains(s.Message, "COMPOSIO_MANAGE") || !strings.Contains(s.Message, "connect link") {
		t.Errorf("status %+v", s)
	}
}

func TestSearchKnowsOnlyTheSession(t *testing.T) {
	t.Parallel()
	f := setup(t)
	h := f.open(t, "ann", domain.SessionConfig{Tools: map[string]domain.ToolRule{"notes": {Enable: []string{"NOTES_DELETE_NOTE"}}}})
	found, err := f.Search(t.Context(), h, []session.Query{{UseCase: "delete a note"}, {UseCase: "search notes by words"}, {UseCase: " "}})
	if err != nil {
		t.Fatal(err)
	}
	for _, tool := range found.Tools {
		if !h.Rules.Allows(tool) {
			t.Errorf("%s is hidden", tool.Slug)
		}
	}
	if steps := strings.Join(found.Results[0].Steps, "\n"); strings.Contains(steps, "NOTES_SEARCH") || !strings.Contains(steps, "Get note_id from the user") {
		t.Errorf("steps %s", steps)
	}
	if found.Results[2].Error == "" {
		t.Error("an empty use case found something")
	}
	if !slices.ContainsFunc(found.Tools, func(tool *catalog.Tool) bool { return tool.Slug == "NOTES_DELETE_NOTE" }) {
		t.Errorf("tools %v", found.Tools)
	}
	for name, queries := range map[string][]session.Query{
		"none": nil, "too many": make([]session.Query, 21), "too long": {{UseCase: strings.Repeat("x", 1025)}},
	} {
		if _, err := f.Search(t.Context(), h, queries); domain.CodeOf(err) != domain.CodeInvalid {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestToolSchemas(t *testing.T) {
	t.Parallel()
	f := setup(t)
	h := f.open(t, "ann", domain.SessionConfig{})
	var out struct {
		Success bool `json:"success"`
		Schemas map[string]struct {
			Input  json.RawMessage `json:"input_schema"`
			Output json.RawMessage `json:"output_schema"`
		} `json:"tool_schemas"`
		NotFound    []string            `json:"not_found"`
		Suggestions map[string][]string `json:"suggestions"`
		Message     string              `json:"not_found_message"`
	}
	f.call(t, h, "COMPOSIO_GET_TOOL_SCHEMAS", `{"tool_slugs":["abacus_add","NOTES_SEARCH_NOTE","zzz"],"include":["input_schema","output_schema"]}`, &out)
	add := out.Schemas["ABACUS_ADD"]
	if out.Success || len(out.Schemas) != 1 || len(add.Input) == 0 || len(add.Output) == 0 {
		t.Errorf("schemas %+v", out)
	}
	if diff := cmp.Diff([]string{"NOTES_SEARCH_NOTE", "zzz"}, out.NotFound); diff != "" {
		t.Error(diff)
	}
	if near := out.Suggestions["NOTES_SEARCH_NOTE"]; len(near) == 0 || near[0] != "NOTES_SEARCH_NOTES" || len(near) > 3 || len(out.Suggestions["zzz"]) != 0 {
		t.Errorf("suggestions %v", out.Suggestions)
	}
}
