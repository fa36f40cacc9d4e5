package confluence_test

import (
	"bytes"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
)

// documents are Atlassian's own descriptions of the two APIs.
const documents = "../../../shared/confluence"

// operation is one call of the documents.
type operation struct {
	template string // "/wiki/api/v2/pages/{id}"
	pattern  *regexp.Regexp
	params   []string
	route    *routers.Route
}

// contract is what the documents say; nil where they are absent.
type contract struct{ ops []operation }

var loadContract = sync.OnceValues(func() (*contract, error) {
	c := &contract{}
	for _, d := range []struct{ file, prefix string }{
		{"openapi-v2.json", "/wiki/api/v2"},
		{"openapi-v1.json", ""},
	} {
		file := filepath.Join(documents, d.file)
		if _, err := os.Stat(file); err != nil {
			return nil, nil
		}
		doc, err := openapi3.NewLoader().LoadFromFile(file)
		if err != nil {
			return nil, fmt.Errorf("reading %s: %w", d.file, err)
		}
		closeNestedBodies(doc)
		mendParameters(doc)
		for path, item := range doc.Paths.Map() {
			for method, op := range item.Operations() {
				c.add(d.prefix+path, &routers.Route{Spec: doc, Path: path, PathItem: item, Method: method, Operation: op})
			}
		}
	}
	return c, nil
})

// closeNestedBodies mends the documents: a body is either flat or nested, but
// the nested form requires nothing and allows everything, so that a flat body
// fits both and "one of" could never hold.
func closeNestedBodies(doc *openapi3.T) {
	closed := false
	for name, ref := range doc.Components.Schemas {
		if strings.HasSuffix(name, "NestedBodyWrite") {
			ref.Value.AdditionalProperties.Has = &closed
		}
	}
}

// mendParameters mends the documents: the id of an attachment is att123, not a
// number, and a default that its own enumeration does not have is none.
func mendParameters(doc *openapi3.T) {
	for path, item := range doc.Paths.Map() {
		for _, op := range item.Operations() {
			for _, p := range op.Parameters {
				schema := p.Value.Schema.Value
				if p.Value.In == "path" && strings.HasPrefix(path, "/attachments/") && (p.Value.Name == "id" || p.Value.Name == "attachment-id") {
					p.Value.Schema = openapi3.NewSchemaRef("", openapi3.NewStringSchema())
				}
				if schema != nil && len(schema.Enum) > 0 && schema.Default != nil && !slices.Contains(schema.Enum, schema.Default) {
					schema.Default = nil
				}
			}
		}
	}
}

// checkForm stands in for the documents where a body is a form, which the
// validator cannot read: a file, and minorEdit, which they require.
func checkForm(kind string, body []byte) error {
	_, params, err := mime.ParseMediaType(kind)
	if err != nil {
		return err
	}
	f, err := multipart.NewReader(bytes.NewReader(body), params["boundary"]).ReadForm(1 << 20)
	if err != nil {
		return err
	}
	if len(f.File["file"]) != 1 || len(f.Value["minorEdit"]) != 1 {
		return fmt.Errorf("the form has %d files and %d of minorEdit", len(f.File["file"]), len(f.Value["minorEdit"]))
	}
	return nil
}

var inBraces = regexp.MustCompile(`\{([^}]+)\}`)

func (c *contract) add(template string, route *routers.Route) {
	op := operation{template: template, route: route}
	expr := inBraces.ReplaceAllStringFunc(regexp.QuoteMeta(template), func(s string) string { return s })
	expr = strings.NewReplacer(`\{`, "{", `\}`, "}").Replace(expr)
	for _, m := range inBraces.FindAllStringSubmatch(expr, -1) {
		op.params = append(op.params, strings.ReplaceAll(m[1], `\`, ""))
	}
	op.pattern = regexp.MustCompile("^" + inBraces.ReplaceAllString(expr, "([^/]+)") + "$")
	c.ops = append(c.ops, op)
}

// find gives the operation of a request; a template with fewer parameters wins.
func (c *contract) find(r *http.Request) (operation, map[string]string, bool) {
	var best operation
	var params map[string]string
	for _, op := range c.ops {
		if op.route.Method != r.Method || best.route != nil && len(best.params) <= len(op.params) {
			continue
		}
		m := op.pattern.FindStringSubmatch(r.URL.Path)
		if m == nil {
			continue
		}
		best, params = op, map[string]string{}
		for i, name := range op.params {
			params[name] = m[i+1]
		}
	}
	return best, params, best.route != nil
}

// check validates a request against the documents: path, method, every query
// parameter, the body. It gives the operation's template.
func (c *contract) check(r *http.Request, body []byte) (string, error) {
	op, params, ok := c.find(r)
	if !ok {
		return "", fmt.Errorf("the documents have no %s %s", r.Method, r.URL.Path)
	}
	if op.route.Operation.Deprecated && !strings.HasSuffix(op.template, "/children") {
		return op.template, fmt.Errorf("%s %s is deprecated", r.Method, op.template)
	}
	known := map[string]bool{}
	for _, p := range append(op.route.PathItem.Parameters, op.route.Operation.Parameters...) {
		if p.Value.In == "query" {
			known[p.Value.Name] = true
		}
	}
	for name := range r.URL.Query() {
		if !known[name] {
			return op.template, fmt.Errorf("%s %s takes no %s", r.Method, op.template, name)
		}
	}
	copied := r.Clone(r.Context())
	copied.Body = io.NopCloser(bytes.NewReader(body))
	form := strings.HasPrefix(r.Header.Get("Content-Type"), "multipart/")
	if form {
		if err := checkForm(r.Header.Get("Content-Type"), body); err != nil {
			return op.template, err
		}
	}
	return op.template, openapi3filter.ValidateRequest(r.Context(), &openapi3filter.RequestValidationInput{
		Request: copied, PathParams: params, Route: op.route,
		Options: &openapi3filter.Options{AuthenticationFunc: openapi3filter.NoopAuthenticationFunc, ExcludeRequestBody: form},
	})
}

// checkAnswer validates an answer of a test double against the documents, so
// that no tool is built on a shape that does not exist.
func (c *contract) checkAnswer(r *http.Request, status int, header http.Header, body []byte) error {
	op, params, ok := c.find(r)
	if !ok {
		return fmt.Errorf("the documents have no %s %s", r.Method, r.URL.Path)
	}
	in := &openapi3filter.RequestValidationInput{Request: r, PathParams: params, Route: op.route}
	return openapi3filter.ValidateResponse(r.Context(), &openapi3filter.ResponseValidationInput{
		RequestValidationInput: in, Status: status, Header: header, Body: io.NopCloser(bytes.NewReader(body)),
	})
}

// needContract gives the documents, or skips the test where they are absent.
func needContract(t *testing.T) *contract {
	t.Helper()
	c, err := loadContract()
	if err != nil {
		t.Fatal(err)
	}
	if c == nil {
		if os.Getenv("CI") == "true" {
			t.Fatalf("%s is absent", documents)
		}
		t.Skipf("%s is absent: requests are not checked against Atlassian's documents", documents)
	}
	return c
}

func TestEndpointsAreDocumented(t *testing.T) {
	t.Parallel()
	c := needContract(t)
	have := map[string]bool{}
	for _, op := range c.ops {
		have[op.route.Method+" "+op.template] = true
	}
	for _, tool := range kit.Tools {
		for _, e := range tool.Endpoints {
			if !have[e] {
				t.Errorf("%s names %s, which the documents do not have", tool.Slug, e)
			}
		}
	}
}

// TestContractRefuses proves that the check can fail.
func TestContractRefuses(t *testing.T) {
	t.Parallel()
	c := needContract(t)
	for _, tc := range []struct{ method, target, body, want string }{
		{"GET", "/wiki/rest/api/content/1", "", "no GET"},
		{"GET", "/wiki/api/v2/pages?start=5", "", "takes no start"},
		{"GET", "/wiki/api/v2/pages?limit=251", "", "limit"},
		{"GET", "/wiki/api/v2/pages?status=draft", "", "status"},
		{"GET", "/wiki/api/v2/pages/MKT", "", "id"},
		{"POST", "/wiki/api/v2/pages", `{"title":"x"}`, "spaceId"},
		{"PUT", "/wiki/api/v2/pages/1", `{"id":"1","status":"current","title":"x","version":{"number":2}}`, "body"},
		{"POST", "/wiki/rest/api/content/1/label", `[{"name":"x"}]`, "prefix"},
	} {
		r, err := http.NewRequest(tc.method, "http://site"+tc.target, strings.NewReader(tc.body))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Content-Type", "application/json")
		if _, err := c.check(r, []byte(tc.body)); err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s %s %s: got %v, want an error about %q", tc.method, tc.target, tc.body, err, tc.want)
		}
	}
}
