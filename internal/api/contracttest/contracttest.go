// Package contracttest holds answers against the contract's OpenAPI documents, and
// keeps count of the operations whose answers it saw.
package contracttest

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
)

// Own is in the paths of operations that the contract does not have.
const Own = "/sluice/"

// defects are mistakes of the contract's documents, each with its reason: the
// part of an answer that is not held against the document, wherever it stands.
var defects = []struct {
	version, member string
	was, instead    any // any value when was is nil
	reason          string
}{
	{"v3", "nanoid", nil, "XqXrPalt3v", "the document asks for ten characters, and our ids have more"},
	{"v3", "tool_router_tools", nil, []any{}, "the v3 document lists the meta tools of January 2026; contract §3.2 has COMPOSIO_WAIT_FOR_CONNECTIONS since"},
	{"v3", "status", "REVOKED", "INACTIVE", "the v3 document is older than the status; contract §2.5 has it"},
}

// extra are operations of ours on things that the contract has, which it has not.
var extra = regexp.MustCompile(`^(DELETE /api/v3.1/webhook_endpoints/[^/]+|POST /api/v3.1/webhook_endpoints/[^/]+/rotate_secret)$`)

// Extra says whether an operation is ours alone, on a thing that the contract has.
func Extra(method, at string) bool { return extra.MatchString(method + " " + at) }

// Contract is the two documents, and which of their operations were answered.
type Contract struct {
	Newer, Older *openapi3.T // v3.1 and v3

	mu   sync.Mutex
	seen map[Operation]map[string]bool // "200", "404", …: statuses whose answers were held against it
}

// Operation is one of a document's.
type Operation struct{ Version, Method, Path string }

func (o Operation) String() string { return o.Method + " " + o.Path }

// Load reads the documents in dir. Where they are not it gives nil, and fails when
// CI=true.
func Load(tb testing.TB, dir string) *Contract {
	tb.Helper()
	c := &Contract{seen: map[Operation]map[string]bool{}}
	for name, into := range map[string]**openapi3.T{"openapi-v3.1.json": &c.Newer, "openapi-v3.json": &c.Older} {
		raw, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			if os.Getenv("CI") == "true" {
				tb.Fatalf("the contract is missing: %v", err)
			}
			return nil
		}
		if *into, err = openapi3.NewLoader().LoadFromData(raw); err != nil {
			tb.Fatal(err)
		}
	}
	return c
}

// Operations gives the operations of both documents, sorted.
func (c *Contract) Operations() []Operation {
	var out []Operation
	for version, doc := range map[string]*openapi3.T{"v3.1": c.Newer, "v3": c.Older} {
		for at, item := range doc.Paths.Map() {
			for method := range item.Operations() {
				out = append(out, Operation{Version: version, Method: method, Path: at})
			}
		}
	}
	slices.SortFunc(out, func(a, b Operation) int { return strings.Compare(a.Path+a.Method, b.Path+b.Method) })
	return out
}

// Seen says whether an answer of the operation was held against the contract whose
// status begins with one of the given texts: "2", "404".
func (c *Contract) Seen(o Operation, status ...string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	for s := range c.seen[o] {
		for _, want := range status {
			if strings.HasPrefix(s, want) {
				return true
			}
		}
	}
	return false
}

// Body says whether the operation takes a body.
func (c *Contract) Body(o Operation) bool {
	doc := c.Newer
	if o.Version == "v3" {
		doc = c.Older
	}
	return doc.Paths.Map()[o.Path].GetOperation(o.Method).RequestBody != nil
}

// Answer holds an answer of the REST API against the contract: successes against
// the document of their version, errors against the error body of §1.5, and
// against the document where it has one for them. It gives what does not fit. A
// nil contract checks what needs no document.
func (c *Contract) Answer(method, at string, status int, header http.Header, raw []byte) (wrong []string) {
	if header.Get("Link") != "" || header.Get("Deprecation") != "" || header.Get("Sunset") != "" {
		wrong = append(wrong, fmt.Sprintf("a header that clients print as a warning: %v", header))
	}
	if method == http.MethodHead || !strings.Contains(at, "/api/v3") || (status < 300 && strings.Contains(at, Own)) {
		return wrong
	}
	if ct := header.Get("Content-Type"); ct != "application/json" {
		return append(wrong, fmt.Sprintf("content type %q", ct))
	}
	if status >= 300 {
		wrong = append(wrong, checkError(status, header, raw)...)
	}
	if c == nil {
		return wrong
	}
	version, doc := "v3.1", c.Newer
	if strings.Contains(at, "/api/v3/") {
		version, doc = "v3", c.Older
	}
	op, schema := find(doc, method, at, status)
	if op == "" || schema == nil {
		if status < 300 && version == "v3.1" && !Extra(method, at) && !c.elsewhere(method, at) {
			wrong = append(wrong, fmt.Sprintf("the contract has no answer %d", status))
		}
		if op != "" && status >= 300 {
			c.note(Operation{Version: version, Method: method, Path: op}, status)
		}
		return wrong
	}
	c.note(Operation{Version: version, Method: method, Path: op}, status)
	if err := schema.VisitJSON(forgiven(raw, version), openapi3.MultiErrors(), openapi3.SetSchemaErrorMessageCustomizer(whereWrong)); err != nil {
		wrong = append(wrong, fmt.Sprintf("%d does not fit the contract: %v\n%s", status, err, raw))
	}
	return wrong
}

// elsewhere says whether an operation is one that v3.1 left behind, or of §5.5,
// which the documents leave out: both prefixes are served alike.
func (c *Contract) elsewhere(method, at string) bool {
	if strings.Contains(at, "/internal/sdk/realtime/") {
		return true
	}
	op, _ := find(c.Older, method, strings.Replace(at, "/api/v3.1/", "/api/v3/", 1), http.StatusOK)
	return op != ""
}

func (c *Contract) note(o Operation, status int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.seen[o] == nil {
		c.seen[o] = map[string]bool{}
	}
	c.seen[o][fmt.Sprint(status)] = true
}

// whereWrong names the field alone, not the whole schema.
func whereWrong(e *openapi3.SchemaError) string {
	return strings.Join(e.JSONPointer(), ".") + ": " + e.Reason
}

// forgiven gives the answer without what a document has wrong.
func forgiven(raw []byte, version string) any {
	var v any
	if err := json.Unmarshal(raw, &v); err != nil {
		return nil
	}
	forgive(v, version)
	return v
}

func forgive(v any, version string) {
	switch v := v.(type) {
	case []any:
		for _, item := range v {
			forgive(item, version)
		}
	case map[string]any:
		for _, d := range defects {
			if was, ok := v[d.member]; ok && d.version == version && was != nil && (d.was == nil || d.was == was) {
				v[d.member] = d.instead
			}
		}
		for _, item := range v {
			forgive(item, version)
		}
	}
}

// find gives the path of the operation, "" when there is none, and the schema of
// its answer; a literal path wins over one with parameters.
func find(doc *openapi3.T, method, raw string, status int) (string, *openapi3.Schema) {
	raw, _, _ = strings.Cut(raw, "?")
	cleaned := path.Clean("/" + raw)
	var best *openapi3.Operation
	at, params := "", 99
	for pattern, item := range doc.Paths.Map() {
		if n := matches(pattern, cleaned); n >= 0 && n < params && item.GetOperation(method) != nil {
			best, at, params = item.GetOperation(method), pattern, n
		}
	}
	if best == nil {
		return "", nil
	}
	if best.Responses.Len() == 0 && status == http.StatusOK { // newer clients read these, older ones nothing
		return at, openapi3.NewObjectSchema().WithoutAdditionalProperties().
			WithProperty("success", openapi3.NewBoolSchema()).WithProperty("message", openapi3.NewStringSchema())
	}
	resp := best.Responses.Status(status)
	if resp == nil || resp.Value.Content["application/json"] == nil || resp.Value.Content["application/json"].Schema == nil {
		return at, nil
	}
	return at, resp.Value.Content["application/json"].Schema.Value
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

// checkError holds an error against the body of §1.5.
func checkError(status int, header http.Header, raw []byte) (wrong []string) {
	var body struct{ Error map[string]any }
	_ = json.Unmarshal(raw, &body)
	e := body.Error
	message, _ := e["message"].(string)
	_, code := e["code"].(float64)
	slug, _ := e["slug"].(string)
	if message == "" || !code || slug == "" || e["status"] != float64(status) || e["request_id"] != header.Get("X-Request-Id") {
		wrong = append(wrong, fmt.Sprintf("%d is not the contract's error body: %s", status, raw))
	}
	for name := range e {
		switch name {
		case "message", "code", "slug", "status", "request_id", "suggested_fix", "errors", "approval_id":
		default:
			wrong = append(wrong, fmt.Sprintf("unknown member %q of the error", name))
		}
	}
	if (status == http.StatusConflict || status == http.StatusNotImplemented) && header.Get("X-Should-Retry") != "false" {
		wrong = append(wrong, fmt.Sprintf("%d lets the client repeat it", status))
	}
	return wrong
}
