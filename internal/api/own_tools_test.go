package api_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const ownTools = `"experimental":{
	"custom_tools":[{"slug":"GREP","name":"Grep","description":"Search for a pattern in files of this machine.","input_schema":{"type":"object","properties":{"pattern":{"type":"string"}}},"preload":true},
		{"slug":"stamp","name":"Stamp note","description":"Put a stamp on a note.","input_schema":{"type":"object","properties":{}},"output_schema":{"type":"object"},"extends_toolkit":"notes"}],
	"custom_toolkits":[{"slug":"DEV_TOOLS","name":"Dev Tools","description":"Utilities of developers.","tools":[
		{"slug":"LINT","name":"Lint code","description":"Find mistakes in source code.","input_schema":{"type":"object","properties":{}}}]}]}`

// An application's own tools are named, found and described, kept nowhere and
// never run here.
func TestOwnTools(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.account("jane")
	created := w.want(201, "POST", "/api/v3.1/tool_router/session", `{"user_id":"jane","toolkits":{"enable":["notes"]},`+ownTools+`}`)
	one := "/api/v3.1/tool_router/session/" + created.text("session_id")
	attached := w.want(200, "POST", one+"/attach", `{`+ownTools+`}`)
	for name, a := range map[string]answer{"create": created, "attach": attached} {
		for at, want := range map[string]string{
			"custom_tools.0.slug": "LOCAL_GREP", "custom_tools.0.original_slug": "GREP", "custom_tools.1.slug": "LOCAL_NOTES_STAMP",
			"custom_tools.1.extends_toolkit": "notes", "custom_tools.1.output_schema.type": "object",
			"custom_toolkits.0.slug": "DEV_TOOLS", "custom_toolkits.0.tools.0.slug": "LOCAL_DEV_TOOLS_LINT", "custom_toolkits.0.tools.0.original_slug": "LINT",
		} {
			if got := a.text("experimental." + at); got != want {
				t.Errorf("%s: %s is %q, want %q", name, at, got, want)
			}
		}
	}
	search := func(use, own string) answer {
		t.Helper()
		return w.want(200, "POST", one+"/search", `{"queries":[{"use_case":"`+use+`"}]`+own+`}`)
	}
	for use, want := range map[string]string{
		"search for a pattern in files": "LOCAL_GREP", "stamp a note": "LOCAL_NOTES_STAMP", "lint source code": "LOCAL_DEV_TOOLS_LINT", "read one note by its id": "NOTES_GET",
	} {
		a := search(use, ","+ownTools)
		if a.text("results.0.primary_tool_slugs.0") != want || a.at("tool_schemas."+want+".input_schema.type") != "object" {
			t.Errorf("%s: %s", use, a.Raw)
		}
		if slices.ContainsFunc(search(use, "").column("x"), func(string) bool { return true }) || strings.Contains(string(search(use, "").Raw), "LOCAL_") {
			t.Errorf("%s: a tool is known that was not sent along", use)
		}
	}
	a := search("stamp a note", ","+ownTools)
	if diff := cmp.Diff("notes", a.text("toolkit_connection_statuses.0.toolkit")); diff != "" || a.at("toolkit_connection_statuses.0.has_active_connection") != true {
		t.Errorf("a tool that extends a toolkit has its connection: %s", a.Raw)
	}
	schemas := w.want(200, "POST", one+"/execute_meta", `{"slug":"COMPOSIO_GET_TOOL_SCHEMAS","arguments":{"tool_slugs":["LOCAL_GREP","NOTES_GET"]},`+ownTools+`}`)
	if schemas.at("data.tool_schemas.LOCAL_GREP.input_schema") == nil || schemas.at("data.success") != true {
		t.Errorf("schemas: %s", schemas.Raw)
	}
	if a := w.want(200, "POST", one+"/execute", `{"tool_slug":"NOTES_GET","arguments":{"id":"1"},`+ownTools+`}`); a.text("data.title") != "Home" {
		t.Errorf("a tool beside them: %s", a.Raw)
	}
	if e := w.do("POST", one+"/execute", `{"tool_slug":"LOCAL_GREP",`+ownTools+`}`); e.Status < 400 || !strings.Contains(string(e.Raw), "own process") {
		t.Errorf("an own tool ran here: %d %s", e.Status, e.Raw)
	}
}

func TestOwnToolsRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	one := w.session(`{"user_id":"jane"}`)
	tool := func(fields string) string {
		return `{"experimental":{"custom_tools":[{"slug":"A","name":"A","description":"A.","input_schema":{"type":"object","properties":{}}},{` + fields + `}]}}`
	}
	kit := func(fields string) string { return `{"experimental":{"custom_toolkits":[{` + fields + `}]}}` }
	const rest = `"name":"N","description":"D.","input_schema":{"type":"object","properties":{}}`
	for name, body := range map[string]string{
		"custom_tools[1].slug: LOCAL_A":     tool(`"slug":"a",` + rest),
		"must not begin with LOCAL_":        tool(`"slug":"local_x",` + rest),
		"must not begin with LOCAL_ or":     tool(`"slug":"COMPOSIO_X",` + rest),
		"letters, digits":                   tool(`"slug":"a b",` + rest),
		"at most 60":                        tool(`"slug":"` + strings.Repeat("A", 55) + `",` + rest),
		"custom_tools[1].name":              tool(`"slug":"B","name":" ","description":"D.","input_schema":{"type":"object","properties":{}}`),
		"custom_tools[1].description":       tool(`"slug":"B","name":"B","description":"","input_schema":{"type":"object","properties":{}}`),
		"custom_tools[1].input_schema":      tool(`"slug":"B","name":"B","description":"B.","input_schema":{"type":"array"}`),
		"custom_tools[1].extends_toolkit":   tool(`"slug":"B","extends_toolkit":"nots",` + rest),
		"there is a toolkit notes":          kit(`"slug":"NOTES","name":"N","description":"D.","tools":[]`),
		"custom_toolkits[0].tools[0].slug":  kit(`"slug":"X","name":"N","description":"D.","tools":[{"slug":"?",` + rest + `}]`),
		"custom_toolkits[0].slug: expected": kit(`"slug":"","name":"N","description":"D.","tools":[]`),
	} {
		if e := w.want(400, "POST", one+"/attach", body); !strings.Contains(e.text("error.message"), name) {
			t.Errorf("%q is not said: %s", name, e.Raw)
		}
	}
	w.want(400, "PATCH", one, tool(`"slug":"B",`+rest))
}
