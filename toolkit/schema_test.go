package toolkit_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sluice-run/sluice/toolkit"
)

type noClient struct{}

func newNoClient(*toolkit.Call) (noClient, error) { return noClient{}, nil }

type bodyIn struct {
	Storage *valueIn `json:"storage,omitempty" jsonschema_description:"The body in storage format, XHTML."`
}

type valueIn struct {
	Value          string `json:"value" jsonschema_description:"The text, <p>with</p> commas & \\\\u003c."`
	Representation string `json:"representation,omitempty" jsonschema:"enum=storage,enum=wiki,default=storage" jsonschema_description:"Its format."`
}

type pageIn struct {
	SpaceID string            `json:"spaceId" jsonschema:"minLength=1" jsonschema_description:"Id or key of the space."`
	Title   string            `json:"title" jsonschema:"minLength=1,maxLength=20" jsonschema_description:"Title of the page."`
	Body    bodyIn            `json:"body" jsonschema_description:"Text of the page."`
	Limit   int               `json:"limit,omitempty" jsonschema:"minimum=1,maximum=250,default=25" jsonschema_description:"How many."`
	Status  string            `json:"status,omitempty" jsonschema:"enum=current,enum=draft" jsonschema_description:"Status."`
	Draft   bool              `json:"draft,omitempty" jsonschema_description:"Whether a draft."`
	Score   float64           `json:"score,omitempty" jsonschema:"exclusiveMinimum=0" jsonschema_description:"Score."`
	IDs     []string          `json:"page_ids,omitempty" jsonschema:"maxItems=2" jsonschema_description:"Ids of pages."`
	Parent  *string           `json:"parent,omitempty" jsonschema:"nullable" jsonschema_description:"Parent, or null for none."`
	Meta    map[string]any    `json:"meta,omitempty" jsonschema_description:"Anything."`
	Words   map[string]string `json:"words,omitempty" jsonschema_description:"Words."`
	Value   any               `json:"value,omitempty" jsonschema_description:"Any value."`
	Free    any               `json:"free,omitempty"`
	At      *time.Time        `json:"at,omitempty" jsonschema_description:"When."`
}

func echo(_ context.Context, _ noClient, in pageIn) (map[string]any, error) {
	data, err := json.Marshal(in)
	if err != nil {
		return nil, err
	}
	var out map[string]any
	return out, errors.Join(json.Unmarshal(data, &out))
}

func pageTool(t testing.TB) *toolkit.Tool {
	t.Helper()
	tools := toolkit.Bind(newNoClient, toolkit.Create("TEST_CREATE_PAGE", "Create Page", "Create a page.", toolkit.About{}, echo))
	return &tools[0]
}

const pageSchema = `{"properties":{` +
	`"spaceId":{"type":"string","minLength":1,"description":"Id or key of the space."},` +
	`"title":{"type":"string","maxLength":20,"minLength":1,"description":"Title of the page."},` +
	`"body":{"properties":{"storage":{"properties":{` +
	`"value":{"type":"string","description":"The text, <p>with</p> commas & \\\\u003c."},` +
	`"representation":{"type":"string","enum":["storage","wiki"],"description":"Its format.","default":"storage"}},` +
	`"type":"object","required":["value"],"description":"The body in storage format, XHTML."}},` +
	`"type":"object","description":"Text of the page."},` +
	`"limit":{"type":"integer","maximum":250,"minimum":1,"description":"How many.","default":25},` +
	`"status":{"type":"string","enum":["current","draft"],"description":"Status."},` +
	`"draft":{"type":"boolean","description":"Whether a draft."},` +
	`"score":{"type":"number","exclusiveMinimum":0,"description":"Score."},` +
	`"page_ids":{"items":{"type":"string"},"type":"array","maxItems":2,"description":"Ids of pages."},` +
	`"parent":{"anyOf":[{"type":"string"},{"type":"null"}],"description":"Parent, or null for none."},` +
	`"meta":{"type":"object","description":"Anything."},` +
	`"words":{"additionalProperties":{"type":"string"},"type":"object","description":"Words."},` +
	`"value":{"description":"Any value."},` +
	`"free":{"description":"Any JSON value."},` +
	`"at":{"type":"string","format":"date-time","description":"When."}},` +
	`"type":"object","required":["spaceId","title","body"],"title":"PageIn"}`

func TestReflectedInput(t *testing.T) {
	t.Parallel()
	tool := pageTool(t)
	if diff := cmp.Diff(indent(t, []byte(pageSchema)), indent(t, tool.Input)); diff != "" {
		t.Errorf("input schema (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(`{"properties":{},"type":"object","title":"Object"}`, string(tool.Output)); diff != "" {
		t.Errorf("output schema (-want +got):\n%s", diff)
	}
}

func indent(t *testing.T, data []byte) string {
	t.Helper()
	var b bytes.Buffer
	if err := json.Indent(&b, data, "", " "); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestFileFlags(t *testing.T) {
	t.Parallel()
	type in struct {
		File  string   `json:"file" jsonschema_description:"A file."`
		Files []string `json:"files,omitempty" jsonschema_description:"Files."`
	}
	type out struct {
		File string `json:"file"`
	}
	tools := toolkit.Bind(newNoClient, toolkit.Create("TEST_F", "F", "F.",
		toolkit.About{Uploadable: []string{"file", "files"}, Downloadable: []string{"file"}},
		func(context.Context, noClient, in) (out, error) { return out{}, nil }))
	want := `{"properties":{"file":{"type":"string","description":"A file.","file_uploadable":true},` +
		`"files":{"items":{"type":"string","file_uploadable":true},"type":"array","description":"Files."}},` +
		`"type":"object","required":["file"],"title":"In"}`
	if diff := cmp.Diff(want, string(tools[0].Input)); diff != "" {
		t.Error(diff)
	}
	want = `{"properties":{"file":{"type":"string","file_downloadable":true}},"type":"object","required":["file"],"title":"Out"}`
	if diff := cmp.Diff(want, string(tools[0].Output)); diff != "" {
		t.Error(diff)
	}
}

type node struct {
	Children []node `json:"children"`
}

func TestUnusableTypesPanic(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name string
		make func()
		want string
	}{
		{"recursive", func() {
			toolkit.Bind(newNoClient, toolkit.Read("TEST_X", "X", "X", toolkit.About{}, func(context.Context, noClient, node) (struct{}, error) { return struct{}{}, nil }))
		}, "contains itself"},
		{"not an object", func() {
			toolkit.Bind(newNoClient, toolkit.Read("TEST_X", "X", "X", toolkit.About{}, func(context.Context, noClient, string) (struct{}, error) { return struct{}{}, nil }))
		}, "not a struct"},
		{"unknown file", func() {
			toolkit.Bind(newNoClient, toolkit.Read("TEST_X", "X", "X", toolkit.About{Uploadable: []string{"nope"}}, func(context.Context, noClient, struct{}) (struct{}, error) { return struct{}{}, nil }))
		}, `no property "nope"`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			defer func() {
				msg, _ := recover().(string)
				if !strings.Contains(msg, tc.want) {
					t.Errorf("panic %q, want one with %q", msg, tc.want)
				}
			}()
			tc.make()
		})
	}
}

func TestValidate(t *testing.T) {
	t.Parallel()
	tool := pageTool(t)
	const rest = `"title":"T","body":{}`
	for _, tc := range []struct {
		name, args, want string
	}{
		{"defaults", `{"spaceId":"MKT","title":"T","body":{"storage":{"value":"<p>a & b</p>"}}}`, `{"body":{"storage":{"representation":"storage","value":"<p>a & b</p>"}},"limit":25,"spaceId":"MKT","title":"T"}`},
		{"nothing to change keeps the bytes", `{"title":"T", "spaceId":"1","body":{},"limit":3}`, `{"title":"T", "spaceId":"1","body":{},"limit":3}`},
		{"number for an id", `{"spaceId":98306,"limit":1,` + rest + `}`, `{"body":{},"limit":1,"spaceId":"98306","title":"T"}`},
		{"long number keeps its digits", `{"spaceId":9223372036854775807,"limit":1,` + rest + `}`, `{"body":{},"limit":1,"spaceId":"9223372036854775807","title":"T"}`},
		{"numbers in a list of ids", `{"spaceId":"1","limit":1,"page_ids":[1,"2"],` + rest + `}`, `{"body":{},"limit":1,"page_ids":["1","2"],"spaceId":"1","title":"T"}`},
		{"digits for an integer", `{"spaceId":"1","limit":"30",` + rest + `}`, `{"body":{},"limit":30,"spaceId":"1","title":"T"}`},
		{"whole float for an integer", `{"spaceId":"1","limit":3e1,` + rest + `}`, `{"body":{},"limit":30,"spaceId":"1","title":"T"}`},
		{"text for a boolean", `{"spaceId":"1","limit":1,"draft":"true",` + rest + `}`, `{"body":{},"draft":true,"limit":1,"spaceId":"1","title":"T"}`},
		{"null is absent", `{"spaceId":"1","limit":null,"draft":null,` + rest + `}`, `{"body":{},"limit":25,"spaceId":"1","title":"T"}`},
		{"null where it is a value", `{"spaceId":"1","limit":1,"parent":null,"value":null,` + rest + `}`, `{"spaceId":"1","limit":1,"parent":null,"value":null,"title":"T","body":{}}`},
		{"open object", `{"spaceId":"1","limit":1,"meta":{"x":[1,{"y":null}]},` + rest + `}`, `{"spaceId":"1","limit":1,"meta":{"x":[1,{"y":null}]},"title":"T","body":{}}`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			got, err := tool.Validate(json.RawMessage(tc.args))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tc.want, string(got)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if _, err := tool.Run(t.Context(), &toolkit.Call{}, got); err != nil {
				t.Errorf("run: %v", err)
			}
		})
	}
}

func TestValidateRefuses(t *testing.T) {
	t.Parallel()
	tool := pageTool(t)
	const names = "(expected: at, body, draft, free, limit, meta, page_ids, parent, score, spaceId, status, title, value, words)"
	for _, tc := range []struct {
		name, args, field, want string
	}{
		{"empty", ``, "body", "3 problems with the arguments. body: is required, an object; spaceId: is required, a string; title: is required, a string"},
		{"wrong type", `{"spaceId":"1","title":"T","body":{"storage":{"value":5}}}`, "body.storage.value", "body.storage.value: expected a string, got a number"},
		{"number for a text", `{"spaceId":"1","title":2026,"body":{}}`, "title", "title: expected a string, got a number"},
		{"fraction for an id", `{"spaceId":1.5,"title":"T","body":{}}`, "spaceId", "spaceId: expected a string, got a number"},
		{"fraction for an integer", `{"spaceId":"1","title":"T","body":{},"limit":1.5}`, "limit", "limit: expected an integer, got a number"},
		{"word for an integer", `{"spaceId":"1","title":"T","body":{},"limit":"many"}`, "limit", "limit: expected an integer, got a string"},
		{"word for a boolean", `{"spaceId":"1","title":"T","body":{},"draft":"yes"}`, "draft", "draft: expected a boolean, got a string"},
		{"null for a required one", `{"spaceId":null,"title":"T","body":{}}`, "spaceId", "spaceId: expected a string, got null"},
		{"slip", `{"spaceId":"1","title":"T","body":{},"limti":3}`, "limti", `limti: unknown argument, did you mean "limit"? ` + names},
		{"other spelling", `{"space_id":"1","spaceId":"1","title":"T","body":{}}`, "space_id", `space_id: unknown argument, did you mean "spaceId"? ` + names},
		{"capitals", `{"Title":"1","spaceId":"1","title":"T","body":{}}`, "Title", `Title: unknown argument, did you mean "title"? ` + names},
		{"longer name", `{"pageTitle":"1","spaceId":"1","title":"T","body":{}}`, "pageTitle", `pageTitle: unknown argument, did you mean "title"? ` + names},
		{"nothing near", `{"zzzzzz":"1","spaceId":"1","title":"T","body":{}}`, "zzzzzz", `zzzzzz: unknown argument ` + names},
		{"nested", `{"spaceId":"1","title":"T","body":{"storage":{"value":"x","vlaue":"y"}}}`, "body.storage.vlaue", `body.storage.vlaue: unknown argument, did you mean "value"? (expected: representation, value)`},
		{"enum", `{"spaceId":"1","title":"T","body":{},"status":"Current"}`, "status", `status: expected one of current, draft; did you mean "current"?`},
		{"too small", `{"spaceId":"1","title":"T","body":{},"limit":0}`, "limit", "limit: expected at least 1"},
		{"too large", `{"spaceId":"1","title":"T","body":{},"limit":251}`, "limit", "limit: expected at most 250"},
		{"exclusive", `{"spaceId":"1","title":"T","body":{},"score":0}`, "score", "score: expected more than 0"},
		{"no characters", `{"spaceId":"","title":"T","body":{}}`, "spaceId", "spaceId: must not be empty"},
		{"too long", `{"spaceId":"1","title":"ÄÄÄÄÄÄÄÄÄÄÄÄÄÄÄÄÄÄÄÄÄ","body":{}}`, "title", "title: expected at most 20 characters, got 21"},
		{"in a list", `{"spaceId":"1","title":"T","body":{},"page_ids":["1",true]}`, "page_ids[1]", "page_ids[1]: expected a string, got a boolean"},
		{"too many", `{"spaceId":"1","title":"T","body":{},"page_ids":["1","2","3"]}`, "page_ids", "page_ids: expected at most 2 items, got 3"},
		{"map value", `{"spaceId":"1","title":"T","body":{},"words":{"a":1}}`, "words.a", "words.a: expected a string, got a number"},
		{"not an object", `[1]`, "", "The arguments must be a JSON object, not an array."},
		{"cut", `{"spaceId":`, "", "The arguments are not valid JSON: the text ends too early."},
		{"two values", `{} {}`, "", "The arguments are not valid JSON: there is more after the first value."},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			got, err := tool.Validate(json.RawMessage(tc.args))
			var e *toolkit.Error
			if !errors.As(err, &e) {
				t.Fatalf("got %s, %v; want a *toolkit.Error", got, err)
			}
			want := &toolkit.Error{Kind: toolkit.KindInvalid, Field: tc.field, Message: tc.want}
			if diff := cmp.Diff(want, e); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestRunExplainsWhatTheTypeDoesNotTake(t *testing.T) {
	t.Parallel()
	type in struct {
		N  int       `json:"n,omitempty"`
		At time.Time `json:"at,omitzero"`
	}
	tool := toolkit.Bind(newNoClient, toolkit.Read("TEST_X", "X", "X.", toolkit.About{},
		func(context.Context, noClient, in) (struct{}, error) { return struct{}{}, nil }))[0]
	for args, field := range map[string]string{`{"n":9999999999999999999}`: "n", `{"at":"yesterday"}`: ""} {
		valid, err := tool.Validate(json.RawMessage(args))
		if err != nil {
			t.Fatal(err)
		}
		_, err = tool.Run(t.Context(), &toolkit.Call{}, valid)
		var e *toolkit.Error
		if !errors.As(err, &e) || e.Kind != toolkit.KindInvalid || e.Field != field || strings.Contains(e.Error(), "Go ") {
			t.Errorf("%s: got %#v", args, err)
		}
	}
}

func TestValidateBoundsItsAnswer(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	b.WriteString(`{"a":1`)
	for i := range 500 {
		b.WriteString(`,"x` + strings.Repeat("y", i) + `":1`)
	}
	b.WriteString("}")
	_, err := pageTool(t).Validate(json.RawMessage(b.String()))
	if err == nil || !strings.Contains(err.Error(), "504 problems") || !strings.HasSuffix(err.Error(), "and 484 more") {
		t.Errorf("got %v", err)
	}
	if len(err.Error()) > 20_000 {
		t.Errorf("the message has %d bytes", len(err.Error()))
	}
}
