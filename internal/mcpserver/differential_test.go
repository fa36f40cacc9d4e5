package mcpserver_test

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/modelcontextprotocol/go-sdk/mcp"
	"pgregory.net/rapid"
)

// serve serves a request without a network.
func serve(h http.Handler, c *caller, body string) answer {
	r := httptest.NewRequest(http.MethodPost, c.url, strings.NewReader(body))
	r.Header = c.header.Clone()
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return answer{status: w.Code, header: w.Header(), body: strings.TrimSpace(w.Body.String())}
}

// odd draws a value that something in a request could be by mistake.
var odd = rapid.SampledFrom([]string{
	`null`, `true`, `0`, `-1.5`, `""`, `"x"`, `[]`, `[1]`, `{}`, `{"x":1}`, `"2026-07-28"`, `"2025-11-25"`, `"2031-01-01"`,
	`"tools/list"`, `"TOOLS/LIST"`, `"2.0"`, `{"elicitation":5}`, `{"Elicitation":{}}`, `{"name":1}`, `{"roots":{"listChanged":"no"}}`,
})

// mutate changes some members of an object: it drops, replaces, adds, or
// changes the case of their names.
func mutate(t *rapid.T, what string, members map[string]string, extra ...string) string {
	names := slices.Sorted(maps.Keys(members))
	for range rapid.IntRange(0, 2).Draw(t, what+" changes") {
		name := rapid.SampledFrom(append(names, extra...)).Draw(t, what)
		switch rapid.IntRange(0, 3).Draw(t, what+" how") {
		case 0:
			delete(members, name)
		case 1:
			members[name] = odd.Draw(t, what+" value")
		case 2:
			if v, ok := members[name]; ok {
				delete(members, name)
				members[strings.ToUpper(name[:1])+name[1:]] = v
			}
		case 3:
			members["extra"] = odd.Draw(t, what+" extra")
		}
	}
	parts := make([]string, 0, len(members))
	for _, name := range slices.Sorted(maps.Keys(members)) {
		if members[name] != "" {
			parts = append(parts, fmt.Sprintf("%q:%s", name, members[name]))
		}
	}
	return "{" + strings.Join(parts, ",") + "}"
}

// The cached answer is given only where the SDK would give the same: an id that
// is spelled with an escape takes the long way, and the answer must not differ.
func TestCachedListDiffersInNothing(t *testing.T) {
	e := newEnv(t, nil)
	key, p := e.key("differential")
	id := e.session(p, direct)
	h := e.mcp.Handler()
	clients := eras(e, id, key)
	rapid.Check(t, func(t *rapid.T) {
		era := rapid.SampledFrom([]string{"modern", "legacy"}).Draw(t, "era")
		c := clients[era]
		message := map[string]string{"jsonrpc": `"2.0"`, "method": `"tools/list"`}
		params := map[string]string{}
		if era == "modern" {
			c = c.with("Mcp-Method", "tools/list")
			params["_meta"] = mutate(t, "meta", map[string]string{
				"io.modelcontextprotocol/protocolVersion":    `"2026-07-28"`,
				"io.modelcontextprotocol/clientCapabilities": `{}`,
				"io.modelcontextprotocol/clientInfo":         `{"name":"t","version":"1"}`,
			}, "io.modelcontextprotocol/logLevel", "progressToken")
		}
		message["params"] = mutate(t, "params", params, "cursor", "_meta")
		if name := rapid.SampledFrom([]string{"", "", "", "Mcp-Method", "Mcp-Name", "Last-Event-Id", "Accept", "Content-Type"}).Draw(t, "header"); name != "" {
			c = c.with(name, rapid.SampledFrom([]string{"", "tools/call", "application/json", "TOOLS/LIST"}).Draw(t, "header value"))
		}
		body := mutate(t, "message", message, "id")
		if strings.Contains(body, `"id"`) {
			return // a drawn id: only ours are compared
		}
		same(t, h, c, body)
	})
	plain := map[string]string{
		"legacy": `{"jsonrpc":"2.0","method":"tools/list","params":{}}`,
		"modern": `{"jsonrpc":"2.0","method":"tools/list","params":{"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}}}}`,
	}
	refused := `{"jsonrpc":"2.0","method":"tools/list","params":7}`
	for era, c := range clients {
		if era == "modern" {
			c = c.with("Mcp-Method", "tools/list")
		}
		if got := same(e.t, h, c, plain[era]); got.status != http.StatusOK {
			t.Errorf("%s: a plain list: %d", era, got.status)
		}
		if got := same(e.t, h, c, refused); !strings.Contains(got.body, `"error"`) {
			t.Errorf("%s: a list with odd parameters: %s", era, got.body)
		}
	}
}

// A plain call is answered only where and as the SDK would: an id that is
// spelled with an escape takes the long way, and the answer must not differ.
func TestDirectCallDiffersInNothing(t *testing.T) {
	e := newEnv(t, nil)
	key, p := e.key("differential")
	id := e.session(p, direct)
	h := e.mcp.Handler()
	client := e.modern(id, key)
	rapid.Check(t, func(t *rapid.T) {
		tool := rapid.SampledFrom([]string{"TEST_ECHO", "TEST_ECHO", "TEST_FAIL", "TEST_PANIC", "TEST_CONFIRM", "TEST_VERBATIM", "TEST_REGION", "TEST_MISSING", ""}).Draw(t, "tool")
		args := rapid.SampledFrom([]string{
			`{"text":"<b>hi</b> & \u2028 \"you\""}`, ` { "text" : "hi" } `, `{"text":1}`, `{}`, `null`, `[]`, `"x"`,
			`{"text":` + strings.Repeat("[", 1001) + strings.Repeat("]", 1001) + `}`,
		}).Draw(t, "arguments")
		c := client.named("tools/call", tool)
		params := map[string]string{"name": fmt.Sprintf("%q", tool), "arguments": args}
		params["_meta"] = mutate(t, "meta", map[string]string{
			"io.modelcontextprotocol/protocolVersion":    `"2026-07-28"`,
			"io.modelcontextprotocol/clientCapabilities": rapid.SampledFrom([]string{`{}`, `{"elicitation":{}}`, `{"elicitation":{"url":{}}}`, `{"roots":{}}`}).Draw(t, "capabilities"),
			"io.modelcontextprotocol/clientInfo":         `{"name":"t","version":"1"}`,
		}, "io.modelcontextprotocol/logLevel", "progressToken")
		message := map[string]string{"jsonrpc": `"2.0"`, "method": `"tools/call"`}
		message["params"] = mutate(t, "params", params, "_meta", "requestState", "inputResponses")
		if name := rapid.SampledFrom([]string{"", "", "", "Mcp-Method", "Mcp-Name", "Last-Event-Id", "Accept"}).Draw(t, "header"); name != "" {
			c = c.with(name, rapid.SampledFrom([]string{"", "tools/list", "application/json", "TEST_FAIL"}).Draw(t, "header value"))
		}
		body := mutate(t, "message", message)
		if strings.Contains(body, `"id"`) {
			return // a drawn id: only ours are compared
		}
		same(t, h, c, body, answerHeaders...)
	})
	const meta = `"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{"elicitation":{}}}`
	kinds := map[string]string{}
	for _, tool := range []string{"TEST_ECHO", "TEST_FAIL", "TEST_CONFIRM", "TEST_MISSING"} {
		got := same(e.t, h, client.named("tools/call", tool),
			`{"jsonrpc":"2.0","method":"tools/call","params":{"name":"`+tool+`","arguments":{"text":"hi"},`+meta+`}}`, answerHeaders...)
		kinds[fmt.Sprint(got.status, strings.Contains(got.body, `"isError":true`), strings.Contains(got.body, "input_required"))] = tool
	}
	if len(kinds) != 4 {
		t.Errorf("a result, a failure, a question and a refusal were wanted: %v", kinds)
	}
}

// answerHeaders must not tell a direct answer from the SDK's.
var answerHeaders = []string{"Content-Type", "Cache-Control", "X-Content-Type-Options"}

// same sends one message the short way and the long way, for which an id that is
// spelled with an escape is reason enough, and compares the answers with the
// headers that are named.
func same(t rapid.TB, h http.Handler, c *caller, body string, headers ...string) answer {
	t.Helper()
	with := func(id string) answer { return serve(h, c, `{"id":`+id+`,`+strings.TrimPrefix(body, "{")) }
	short, long := with(`"a"`), with(`"\u0061"`)
	if short.status != long.status {
		t.Fatalf("%s: %d, the long way %d\n%.300s\n%.300s", body, short.status, long.status, short.body, long.body)
	}
	if a, b := drawn.ReplaceAllString(payload(short.body), "*"), drawn.ReplaceAllString(payload(long.body), "*"); a != b {
		t.Fatalf("%s:\n%.600s\nthe long way:\n%.600s", body, a, b)
	}
	for _, name := range headers {
		if a, b := short.header.Get(name), long.header.Get(name); a != b {
			t.Fatalf("%s: %s: %q, the long way %q", body, name, a, b)
		}
	}
	return short
}

// drawn is what differs from call to call: ids, and the state of a question.
var drawn = regexp.MustCompile(`log_[A-Za-z0-9_-]+|"requestState":"[^"]*"|"elicitationId":"[^"]*"`)

// payload is the last message of an answer, whatever its framing.
func payload(body string) string {
	if i := strings.LastIndex(body, "data: "); i >= 0 {
		body = body[i+len("data: "):]
	}
	return strings.TrimSpace(strings.ReplaceAll(body, `"\u0061"`, `"a"`))
}

// Headers that repeat arguments are judged as the SDK judges them for a tool of
// its own.
func TestRoutedArgumentsAsTheSDK(t *testing.T) {
	own := mcp.NewServer(&mcp.Implementation{Name: "own"}, nil)
	own.AddTool(&mcp.Tool{Name: "TEST_ROUTED", InputSchema: json.RawMessage(routedSchema)},
		func(context.Context, *mcp.CallToolRequest) (*mcp.CallToolResult, error) {
			return &mcp.CallToolResult{}, nil
		})
	sdk := mcp.NewStreamableHTTPHandler(func(*http.Request) *mcp.Server { return own },
		&mcp.StreamableHTTPOptions{Stateless: true, JSONResponse: true})

	e := newEnv(t, nil)
	key, p := e.key("routed")
	c := e.modern(e.session(p, direct), key).named("tools/call", "TEST_ROUTED")
	h := e.mcp.Handler()
	values := map[string][]string{
		"Region": {`"eu"`, `"eu west"`, `"é"`, `" eu"`, `"=?base64?ZXU=?="`, `null`, `5`},
		"Size":   {`1`, `-7`, `9007199254740991`, `1.5`, `"1"`, `null`},
		"Dry":    {`true`, `false`, `null`},
		"Zone":   {`"a"`, `null`},
	}
	fitting := map[string][][2]string{
		"Region": {{`"eu"`, "eu"}, {`"é"`, "=?base64?w6k=?="}, {`" eu"`, "=?base64?IGV1?="}, {`null`, ""}},
		"Size":   {{`1`, "1"}, {`1`, "1.0"}, {`-7`, "-7"}, {`9007199254740991`, "9007199254740991"}},
		"Dry":    {{`true`, "true"}, {`false`, "false"}},
		"Zone":   {{`"a"`, "a"}, {`"a"`, "=?base64?YQ==?="}},
	}
	headers := []string{"", "eu", "eu west", "us", "=?base64?w6k=?=", "=?base64?IGV1?=", "=?base64?ZXU=?=", "=?base64?***?=", "1", "1.0", "-7", "9007199254740991", "true", "false", "TRUE", "a"}
	rapid.Check(t, func(t *rapid.T) {
		arguments := map[string]string{}
		d := c
		for _, name := range slices.Sorted(maps.Keys(values)) {
			if rapid.IntRange(0, 3).Draw(t, name+" fits") > 0 {
				pair := rapid.SampledFrom(fitting[name]).Draw(t, name+" pair")
				arguments[name] = pair[0]
				d = d.with("Mcp-Param-"+name, pair[1])
				continue
			}
			if rapid.Bool().Draw(t, name+" is there") {
				arguments[name] = rapid.SampledFrom(values[name]).Draw(t, name)
			}
			if rapid.Bool().Draw(t, name+" has a header") {
				d = d.with("Mcp-Param-"+name, rapid.SampledFrom(headers).Draw(t, name+" header"))
			}
		}
		var parts []string
		for name, v := range arguments {
			if name == "Zone" {
				parts = append(parts, `"in":{"zone":`+v+`}`)
			} else {
				parts = append(parts, fmt.Sprintf("%q:%s", strings.ToLower(name), v))
			}
		}
		body := callBody("TEST_ROUTED", "{"+strings.Join(parts, ",")+"}")
		want, got := serve(sdk, d, body), serve(h, d, body)
		if want.status != got.status {
			t.Fatalf("%s with %v: %d, the SDK %d\n%s\n%s", body, d.header, got.status, want.status, got.body, want.body)
		}
		if want.status != 200 && got.message(e.t).Error.Code != -32020 {
			t.Fatalf("%s", got.body)
		}
	})
}
