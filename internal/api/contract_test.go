package api_test

import (
	"context"
	"encoding/json"
	"net/http"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
)

// own is in the paths of operations that the contract does not have.
const own = "/sluice/"

// shared is where the contract lies, beside the checkout.
const shared = "../../../shared/composio"

// defects are mistakes of the contract's documents, each with its reason: the
// part of an answer that is not held against the document.
var defects = []struct {
	version, path string
	instead       any
	reason        string
}{
	{"v3", "nanoid", "XqXrPalt3v", "the document asks for ten characters, and our ids have more"},
	{"v3", "tool_router_tools", []any{}, "the v3 document lists the meta tools of January 2026; contract §3.2 has COMPOSIO_WAIT_FOR_CONNECTIONS since"},
}

// extra are operations of ours on things that the contract has, which it has not.
var extra = regexp.MustCompile(`^(DELETE /api/v3.1/webhook_endpoints/[^/]+|POST /api/v3.1/webhook_endpoints/[^/]+/rotate_secret)$`)

var documents sync.Map // file name → *openapi3.T

func document(t *testing.T, name string) *openapi3.T {
	t.Helper()
	if d, ok := documents.Load(name); ok {
		return d.(*openapi3.T)
	}
	raw, err := os.ReadFile(filepath.Join(shared, name))
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatalf("the contract is missing: %v", err)
		}
		return nil // said once by TestContractIsThere
	}
	d, err := openapi3.NewLoader().LoadFromData(raw)
	must(t, err)
	documents.Store(name, d)
	return d
}

func TestContractIsThere(t *testing.T) {
	if document(t, "openapi-v3.1.json") == nil {
		t.Skip("../shared/composio is not there: answers are not checked against the contract's documents")
	}
}

// checkWire holds an answer against the contract: successes against the
// document of their version, errors against the error body of §1.5.
func (w *world) checkWire(method, at string, a answer) {
	w.t.Helper()
	if a.Header.Get("Link") != "" || a.Header.Get("Deprecation") != "" || a.Header.Get("Sunset") != "" {
		w.t.Errorf("%s %s: a header that clients print as a warning: %v", method, at, a.Header)
	}
	if method == http.MethodHead || !strings.Contains(at, "/api/v3") || (a.Status < 300 && strings.Contains(at, own)) {
		return
	}
	if ct := a.Header.Get("Content-Type"); ct != "application/json" {
		w.t.Errorf("%s %s: content type %q", method, at, ct)
	}
	if a.Status >= 300 {
		w.checkError(method, at, a)
		return
	}
	name, version := "openapi-v3.1.json", "v3.1"
	if strings.Contains(at, "/api/v3/") {
		name, version = "openapi-v3.json", "v3"
	}
	doc := document(w.t, name)
	if doc == nil {
		return
	}
	schema := answerSchema(doc, method, at, a.Status)
	if schema == nil {
		if version == "v3.1" && !extra.MatchString(method+" "+at) {
			w.t.Errorf("%s %s: the contract has no answer %d", method, at, a.Status)
		}
		return
	}
	if err := schema.VisitJSON(forgiven(a, version), openapi3.MultiErrors(), openapi3.SetSchemaErrorMessageCustomizer(whereWrong)); err != nil {
		w.t.Errorf("%s %s: %d does not fit the contract: %v\n%s", method, at, a.Status, err, a.Raw)
	}
}

// whereWrong names the field alone, not the whole schema.
func whereWrong(e *openapi3.SchemaError) string {
	return strings.Join(e.JSONPointer(), ".") + ": " + e.Reason
}

// forgiven gives the answer without what a document has wrong.
func forgiven(a answer, version string) any {
	var v any
	if err := json.Unmarshal(a.Raw, &v); err != nil {
		return a.JSON
	}
	for _, d := range defects {
		if m, ok := v.(map[string]any); ok && d.version == version && m[d.path] != nil {
			m[d.path] = d.instead
		}
	}
	return v
}

// answerSchema finds the schema of an answer; a literal path wins over one with
// parameters.
func answerSchema(doc *openapi3.T, method, raw string, status int) *openapi3.Schema {
	raw, _, _ = strings.Cut(raw, "?")
	cleaned := path.Clean("/" + raw)
	var best *openapi3.Operation
	params := 99
	for pattern, item := range doc.Paths.Map() {
		if n := matches(pattern, cleaned); n >= 0 && n < params && item.GetOperation(method) != nil {
			best, params = item.GetOperation(method), n
		}
	}
	if best == nil {
		return nil
	}
	if best.Responses.Len() == 0 && status == http.StatusOK { // newer clients read these, older ones nothing
		return openapi3.NewObjectSchema().WithoutAdditionalProperties().
			WithProperty("success", openapi3.NewBoolSchema()).WithProperty("message", openapi3.NewStringSchema())
	}
	resp := best.Responses.Status(status)
	if resp == nil || resp.Value.Content["application/json"] == nil {
		return nil
	}
	return resp.Value.Content["application/json"].Schema.Value
}

// matches gives the number of parameters by which path fits pattern, or -1.
func matches(pattern, cleaned string) int {
	p, q := strings.Split(pattern, "/"), strings.Split(cleaned, "/")
	if len(p) != len(q) {
		return -1
	}
	n := 0
	for i := range p {
		switch {
		case strings.HasPrefix(p[i], "{"):
			n++
		case p[i] != q[i]:
			return -1
		}
	}
	return n
}

func (w *world) checkError(method, at string, a answer) {
	w.t.Helper()
	e, _ := a.at("error").(map[string]any)
	message, _ := e["message"].(string)
	_, code := e["code"].(float64)
	slug, _ := e["slug"].(string)
	if message == "" || !code || slug == "" || e["status"] != float64(a.Status) || e["request_id"] != a.Header.Get("X-Request-Id") {
		w.t.Errorf("%s %s: %d is not the contract's error body: %s", method, at, a.Status, a.Raw)
	}
	for name := range e {
		switch name {
		case "message", "code", "slug", "status", "request_id", "suggested_fix", "errors", "approval_id":
		default:
			w.t.Errorf("%s %s: unknown member %q of the error", method, at, name)
		}
	}
	retry := a.Header.Get("X-Should-Retry")
	if (a.Status == 409 || a.Status == 501) && retry != "false" {
		w.t.Errorf("%s %s: %d lets the client repeat it", method, at, a.Status)
	}
	for _, secret := range []string{goodKey, w.key} {
		if strings.Contains(string(a.Raw), secret) {
			w.t.Errorf("%s %s: the error shows a secret", method, at)
		}
	}
}

// TestDocument holds our own OpenAPI document to its standard, and shows its
// changes.
func TestDocument(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a := w.want(200, "GET", "/openapi.json", nil, "X-Api-Key", "")
	golden(t, "openapi.json", a.Raw)
	doc, err := openapi3.NewLoader().LoadFromData(a.Raw)
	must(t, err)
	if err := doc.Validate(context.Background()); err != nil {
		t.Errorf("our document is not valid OpenAPI: %v", err)
	}
	theirs, older := document(t, "openapi-v3.1.json"), document(t, "openapi-v3.json")
	if theirs == nil {
		return
	}
	for at, item := range doc.Paths.Map() {
		for method, op := range item.Operations() {
			if strings.Contains(at, own) || strings.Contains(at, "/internal/sdk/realtime/") { // §5.5, which the document leaves out
				continue
			}
			for status := range op.Responses.Map() {
				if status == "default" {
					continue
				}
				if extra.MatchString(method + " " + at) {
					continue
				}
				o := theirs.Paths.Map()[at]
				if o == nil { // what v3.1 left behind
					o = document(t, "openapi-v3.json").Paths.Map()[strings.Replace(at, "/api/v3.1/", "/api/v3/", 1)]
				}
				if o == nil && older != nil { // only older clients know it
					o = older.Paths.Map()[strings.Replace(at, "/api/v3.1/", "/api/v3/", 1)]
				}
				if o != nil && o.GetOperation(method) != nil && o.GetOperation(method).Responses.Len() == 0 {
					continue // a body that nobody reads: the contract leaves it out
				}
				if o == nil || o.GetOperation(method) == nil || o.GetOperation(method).Responses.Value(status) == nil {
					t.Errorf("%s %s answers %s: the contract does not know that", method, at, status)
				}
			}
		}
	}
}

func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	file := filepath.Join("testdata", name)
	if *update {
		must(t, os.MkdirAll("testdata", 0o755))
		must(t, os.WriteFile(file, got, 0o644))
		return
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatalf("%v; run with -update", err)
	}
	if string(want) != string(got) {
		t.Errorf("%s is not what it was; run with -update and look at the difference", file)
	}
}
