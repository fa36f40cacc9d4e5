package session_test

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/jsonschema-go/jsonschema"

	"github.com/sluice-run/sluice/internal/connect/connecttest"
	"github.com/sluice-run/sluice/internal/domain"
	"github.com/sluice-run/sluice/internal/execute"
	"github.com/sluice-run/sluice/internal/session"
)

// maxSurface is what all meta tools together may cost every agent, in bytes of
// tools/list.
const maxSurface = 6000

func TestMetaSurface(t *testing.T) {
	t.Parallel()
	f := setup(t)
	set, err := f.Tools(f.open(t, "ann", domain.SessionConfig{
		ManageConnections: domain.ManageConnectionsConfig{Wait: true}, MultiAccount: domain.MultiAccountConfig{Enable: true},
	}))
	if err != nil {
		t.Fatal(err)
	}
	type annotations struct {
		ReadOnly    bool   `json:"readOnlyHint"`
		Destructive bool   `json:"destructiveHint"`
		Idempotent  bool   `json:"idempotentHint"`
		OpenWorld   bool   `json:"openWorldHint"`
		Title       string `json:"title"`
	}
	type listed struct {
		Name        string          `json:"name"`
		Title       string          `json:"title"`
		Description string          `json:"description"`
		InputSchema json.RawMessage `json:"inputSchema"`
		Annotations annotations     `json:"annotations"`
	}
	var list []listed
	for _, tool := range set.Tools {
		list = append(list, listed{tool.Slug, tool.Name, tool.Description, tool.Input, annotations{
			tool.Hints.ReadOnly, tool.Hints.Destructive, tool.Hints.Idempotent, tool.Hints.OpenWorld, tool.Name,
		}})
	}
	data, err := json.Marshal(list)
	if err != nil {
		t.Fatal(err)
	}
	if len(list) != 5 || len(data) > maxSurface {
		t.Errorf("%d meta tools cost %d bytes, want 5 and at most %d", len(list), len(data), maxSurface)
	}
	t.Logf("%d bytes", len(data))
}

// contract is one meta tool as the contract has it.
type contract struct {
	Slug, Name      string
	Tags            []string
	InputParameters json.RawMessage `json:"inputParameters"`
	ResponseSchema  json.RawMessage `json:"responseSchema"`
}

func contracts(t *testing.T) map[string]contract {
	t.Helper()
	data, err := os.ReadFile("../../../shared/composio/meta-tools.json")
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal(err)
		}
		t.Skip("the contract is not there: ", err)
	}
	var file struct{ Tools []contract }
	if err := json.Unmarshal(data, &file); err != nil {
		t.Fatal(err)
	}
	m := map[string]contract{}
	for _, c := range file.Tools {
		m[c.Slug] = c
	}
	return m
}

// shape is what of an input schema is compared: names, types, limits, nesting.
func shape(raw json.RawMessage, limits bool) any {
	var v any
	if json.Unmarshal(raw, &v) != nil {
		return "not JSON"
	}
	return strip(v, limits)
}

func strip(v any, limits bool) any {
	m, ok := v.(map[string]any)
	if !ok {
		return v
	}
	out := map[string]any{}
	for k, e := range m {
		switch k {
		case "type", "minLength", "enum", "default":
			out[k] = e
		case "minItems", "maxItems":
			if limits {
				out[k] = e
			}
		case "items":
			out[k] = strip(e, limits)
		case "properties":
			props := map[string]any{}
			for name, p := range e.(map[string]any) {
				props[name] = strip(p, limits)
			}
			out[k] = props
		}
	}
	return out
}

func TestMetaInputsAreTheContracts(t *testing.T) {
	t.Parallel()
	want := contracts(t)
	f := setup(t)
	set, err := f.Tools(f.open(t, "ann", domain.SessionConfig{ManageConnections: domain.ManageConnectionsConfig{Wait: true}}))
	if err != nil {
		t.Fatal(err)
	}
	for _, tool := range set.Tools {
		c, ok := want[tool.Slug]
		if !ok {
			t.Errorf("%s is not in the contract", tool.Slug)
			continue
		}
		if tool.Name != c.Name {
			t.Errorf("%s: name %q, want %q", tool.Slug, tool.Name, c.Name)
		}
		tags := tool.Tags()
		slices.Sort(tags)
		slices.Sort(c.Tags)
		if diff := cmp.Diff(c.Tags, tags); diff != "" {
			t.Errorf("%s: tags %s", tool.Slug, diff)
		}
		// Ours bounds lists that the contract leaves open.
		limits := tool.Slug == "COMPOSIO_MULTI_EXECUTE_TOOL"
		if diff := cmp.Diff(shape(c.InputParameters, limits), shape(tool.Input, limits)); diff != "" {
			t.Errorf("%s: input (-contract +ours) %s", tool.Slug, diff)
		}
	}
}

// Every answer of a meta tool fits the contract's response schema.
func TestMetaOutputsFitTheContract(t *testing.T) {
	t.Parallel()
	schemas := map[string]*jsonschema.Resolved{}
	for slug, c := range contracts(t) {
		var s jsonschema.Schema
		if err := json.Unmarshal(nullables(c.ResponseSchema), &s); err != nil {
			t.Fatal(err)
		}
		r, err := s.Resolve(nil)
		if err != nil {
			t.Fatal(err)
		}
		schemas[slug] = r
	}
	f := setup(t)
	f.Account(t, connecttest.Project, "ann", "ann@x.test", "work")
	cfg := domain.SessionConfig{ManageConnections: domain.ManageConnectionsConfig{Wait: true}}
	ann, bob := f.open(t, "ann", cfg), f.open(t, "bob", cfg)
	for _, h := range []*session.Handle{ann, bob} {
		for _, c := range []struct{ slug, args string }{
			{"COMPOSIO_SEARCH_TOOLS", `{"queries":[{"use_case":"find a note"},{"use_case":"qqq zzz"}],"session":{"generate_id":true}}`},
			{"COMPOSIO_SEARCH_TOOLS", `{"queries":[{"use_case":"add numbers"}],"session":{"id":"east"}}`},
			{"COMPOSIO_GET_TOOL_SCHEMAS", `{"tool_slugs":["ABACUS_ADD","NOPE"],"include":["input_schema","output_schema"],"session_id":"east"}`},
			{"COMPOSIO_MANAGE_CONNECTIONS", `{"toolkits":["notes","abacus","nope"],"session_id":"east"}`},
			{"COMPOSIO_MANAGE_CONNECTIONS", `{"toolkits":["notes"],"reinitiate_all":true}`},
			{"COMPOSIO_WAIT_FOR_CONNECTIONS", `{"toolkits":["abacus","nope"],"session_id":"east"}`},
			{"COMPOSIO_MULTI_EXECUTE_TOOL", `{"tools":[{"tool_slug":"ABACUS_ADD","arguments":{"a":1,"b":2}},{"tool_slug":"NOPE","arguments":{}},{"tool_slug":"NOTES_BREAK","arguments":{}}],"sync_response_to_workbench":false,"session_id":"east"}`},
		} {
			answer := f.call(t, h, c.slug, c.args, nil)
			var v any
			if err := json.Unmarshal(answer.Envelope(), &v); err != nil {
				t.Fatal(err)
			}
			if err := schemas[c.slug].Validate(v); err != nil {
				t.Errorf("%s %s for %s: %v\n%s", c.slug, c.args, h.UserID, err, answer.Envelope())
			}
		}
	}
}

// nullables rewrites the dialect's "nullable":true, which JSON Schema does not know.
func nullables(raw json.RawMessage) json.RawMessage {
	var v any
	if err := json.Unmarshal(raw, &v); err != nil {
		return raw
	}
	var walk func(v any)
	walk = func(v any) {
		switch v := v.(type) {
		case map[string]any:
			if v["nullable"] == true {
				v["type"] = []any{v["type"], "null"}
				delete(v, "nullable")
			}
			for _, e := range v {
				walk(e)
			}
		case []any:
			for _, e := range v {
				walk(e)
			}
		}
	}
	walk(v)
	out, err := json.Marshal(v)
	if err != nil {
		return raw
	}
	return out
}

type multiData struct {
	Results []struct {
		ToolSlug string `json:"tool_slug"`
		Index    int    `json:"index"`
		Response *struct {
			Data       json.RawMessage `json:"data"`
			Error      *string         `json:"error"`
			LogID      string          `json:"log_id"`
			Successful bool            `json:"successful"`
		} `json:"response"`
		Error *string `json:"error"`
	} `json:"results"`
	TotalCount   int `json:"total_count"`
	SuccessCount int `json:"success_count"`
	ErrorCount   int `json:"error_count"`
}

func TestMultiExecute(t *testing.T) {
	t.Parallel()
	f := setup(t)
	f.Account(t, connecttest.Project, "ann", "ann@x.test", "")
	h := f.open(t, "ann", domain.SessionConfig{})
	var items []string
	for i := range 50 {
		switch i {
		case 3:
			items = append(items, `{"tool_slug":"NOTES_PANIC","arguments":{}}`)
		case 7:
			items = append(items, `{"tool_slug":"NOTES_SEARCH","arguments":{}}`)
		case 9:
			items = append(items, `{"tool_slug":"ABACUS_ADD","arguments":{"a":"x","b":1}}`)
		case 11:
			items = append(items, `{"tool_slug":"COMPOSIO_MULTI_EXECUTE_TOOL","arguments":{"tools":[]}}`)
		case 13:
			items = append(items, `{"tool_slug":"NOTES_CONFIRM","arguments":{"note_id":"1"}}`)
		default:
			items = append(items, fmt.Sprintf(`{"tool_slug":"ABACUS_ADD","arguments":{"a":%d,"b":1}}`, i))
		}
	}
	var out multiData
	answer := f.call(t, h, "COMPOSIO_MULTI_EXECUTE_TOOL", `{"tools":[`+strings.Join(items, ",")+`]}`, &out)
	if out.TotalCount != 50 || out.SuccessCount != 45 || out.ErrorCount != 5 || len(out.Results) != 50 || !answer.Successful {
		t.Fatalf("%d results, %d ok, %d failed", len(out.Results), out.SuccessCount, out.ErrorCount)
	}
	says := map[int]string{3: "unexpected", 7: "Did you mean NOTES_SEARCH_NOTES", 9: "a: ", 11: "meta tool", 13: "Are you sure?"}
	for i, r := range out.Results {
		if r.Index != i {
			t.Errorf("result %d has index %d", i, r.Index)
		}
		if want, bad := says[i]; bad {
			if r.Error == nil || !strings.Contains(*r.Error, want) {
				t.Errorf("result %d: error %v, want %q", i, r.Error, want)
			}
			continue
		}
		if r.Error != nil || r.Response == nil || string(r.Response.Data) != fmt.Sprintf(`{"total":%d}`, i+1) {
			t.Errorf("result %d: %+v", i, r)
		}
	}
	records := 0
	for _, rec := range f.Records(t, connecttest.Project) {
		if rec.Door == execute.DoorMulti && rec.RequestID == "req_1" && rec.SessionID == h.ID {
			records++
		}
	}
	if records != 50 {
		t.Errorf("%d records of 50 items", records)
	}
}

// Eight run at a time; when the caller goes, those stop, the others never
// begin, and each of them has its record.
func TestMultiExecuteIsBoundedAndCanceled(t *testing.T) {
	t.Parallel()
	f := setup(t)
	f.Account(t, connecttest.Project, "ann", "ann@x.test", "")
	h := f.open(t, "ann", domain.SessionConfig{})
	item := `{"tool_slug":"NOTES_HANG","arguments":{}}`
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		_, err := f.Call(ctx, h, session.Call{
			Tool: "COMPOSIO_MULTI_EXECUTE_TOOL", Arguments: json.RawMessage(`{"tools":[` + strings.Repeat(item+",", 19) + item + `]}`), Door: execute.DoorMCP,
		})
		done <- err
	}()
	for range 8 {
		<-f.Upstream.Hanging
	}
	cancel()
	err := <-done
	if domain.CodeOf(err) != domain.CodeCanceled {
		t.Errorf("error %v", err)
	}
	hung := 0
	for _, s := range f.Upstream.Seen() {
		if strings.HasSuffix(s, " /hang") {
			hung++
		}
	}
	if hung != 8 {
		t.Errorf("%d items reached upstream, want 8", hung)
	}
	outcomes := map[domain.Outcome]int{}
	for _, rec := range f.Records(t, connecttest.Project) {
		outcomes[rec.Outcome]++
	}
	if diff := cmp.Diff(map[domain.Outcome]int{domain.OutcomeCanceled: 21}, outcomes); diff != "" {
		t.Error(diff)
	}
}

func TestMultiExecuteLimits(t *testing.T) {
	t.Parallel()
	f := setup(t)
	h := f.open(t, "ann", domain.SessionConfig{})
	item := `{"tool_slug":"ABACUS_ADD","arguments":{"a":1,"b":1}}`
	for name, tt := range map[string]struct{ args, says string }{
		"51 items":      {`{"tools":[` + strings.Repeat(item+",", 50) + item + `]}`, "50"},
		"no items":      {`{"tools":[]}`, "tools"},
		"no tools":      {`{}`, "tools"},
		"no arguments":  {`{"tools":[{"tool_slug":"ABACUS_ADD"}]}`, "arguments"},
		"args a string": {`{"tools":[{"tool_slug":"ABACUS_ADD","arguments":"{}"}]}`, "arguments"},
	} {
		before := len(f.Records(t, connecttest.Project))
		_, err := f.Call(t.Context(), h, session.Call{Tool: "COMPOSIO_MULTI_EXECUTE_TOOL", Arguments: json.RawMessage(tt.args), Door: execute.DoorMCP})
		if domain.CodeOf(err) != domain.CodeInvalid || !strings.Contains(err.Error(), tt.says) {
			t.Errorf("%s: %v", name, err)
		}
		if n := len(f.Records(t, connecttest.Project)) - before; n != 1 {
			t.Errorf("%s: %d records", name, n)
		}
	}
}

func TestMultiExecuteAccounts(t *testing.T) {
	t.Parallel()
	f := setup(t)
	f.Account(t, connecttest.Project, "ann", "home@x.test", "home")
	f.Account(t, connecttest.Project, "ann", "work@x.test", "work")
	f.Account(t, connecttest.Project, "bob", "bob@x.test", "bobs")
	h := f.open(t, "ann", domain.SessionConfig{MultiAccount: domain.MultiAccountConfig{Enable: true, RequireExplicit: true}})
	var out multiData
	f.call(t, h, "COMPOSIO_MULTI_EXECUTE_TOOL", `{"tools":[
		{"tool_slug":"NOTES_WHOAMI","arguments":{},"account":"home"},
		{"tool_slug":"NOTES_WHOAMI","arguments":{},"account":"work"},
		{"tool_slug":"NOTES_WHOAMI","arguments":{}},
		{"tool_slug":"NOTES_WHOAMI","arguments":{},"account":"bobs"}]}`, &out)
	for i, want := range []string{"home@x.test", "work@x.test"} {
		if r := out.Results[i]; r.Response == nil || !strings.Contains(string(r.Response.Data), want) {
			t.Errorf("result %d: %+v", i, r)
		}
	}
	if e := out.Results[2].Error; e == nil || !strings.Contains(*e, "alias home") || !strings.Contains(*e, "work@x.test") {
		t.Errorf("without account: %v", e)
	}
	if e := out.Results[3].Error; e == nil || strings.Contains(*e, "bob@x.test") {
		t.Errorf("another user's: %v", e)
	}
}
