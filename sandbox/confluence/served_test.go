package confluence_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sluice-run/sluice/sandbox/confluence"
)

// notServed are the documented calls that the sandbox does not have, and why.
var notServed = map[string]string{
	"POST /wiki/api/v2/pages/{id}/redact":                      "needs Atlassian Guard Premium, which this site does not have",
	"POST /wiki/api/v2/blogposts/{id}/redact":                  "needs Atlassian Guard Premium, which this site does not have",
	"GET /wiki/rest/atlassian-connect/1/app/module/dynamic":    connectOnly,
	"POST /wiki/rest/atlassian-connect/1/app/module/dynamic":   connectOnly,
	"DELETE /wiki/rest/atlassian-connect/1/app/module/dynamic": connectOnly,
	"DELETE /wiki/rest/api/group":                              removedUnused,
	"GET /wiki/rest/api/inlinetasks/search":                    removedUnused,
	"GET /wiki/rest/api/inlinetasks/{inlineTaskId}":            removedUnused,
	"PUT /wiki/rest/api/inlinetasks/{inlineTaskId}":            removedUnused,
	"GET /wiki/rest/api/user/bulk/migration":                   removedUnused,
	"PUT /wiki/rest/api/settings/lookandfeel/selected":         removedUnused,
	"GET /atlassian-connect/1/app/module/dynamic":              connectOnly,
	"POST /atlassian-connect/1/app/module/dynamic":             connectOnly,
	"DELETE /atlassian-connect/1/app/module/dynamic":           connectOnly,
}

const (
	removedUnused = "the cloud removed it, and no client that is known calls it"
	connectOnly   = "for Connect apps alone, which sign in with a JWT of their own"
)

// TestServedTable asks for every call that Atlassian's documents list, and keeps
// the answer in served.txt: what is routed, and why the rest is not.
func TestServedTable(t *testing.T) {
	loadSpecs(t) // skips or fails without the documents
	site := confluence.New(confluence.Options{})
	root := site.AddUser(confluence.User{Email: "root@example.com", Admin: true})
	var b strings.Builder
	for _, doc := range []struct{ file, base, server string }{
		{"openapi-v2.json", "/wiki/api/v2", ""}, {"openapi-v1.json", "", ""}, {"openapi-v1-2021-removed.json", "", ""},
	} {
		ops := documented(t, doc.file, doc.base)
		served := 0
		var lines []string
		for _, op := range slices.Sorted(maps.Keys(ops)) {
			method, path, _ := strings.Cut(op, " ")
			req := httptest.NewRequest(method, "https://test.atlassian.net"+strings.NewReplacer("{", "", "}", "").Replace(path), strings.NewReader("{}"))
			req.SetBasicAuth(root.Email, root.Token)
			w := httptest.NewRecorder()
			site.Handler().ServeHTTP(w, req)
			missing := w.Code == http.StatusMethodNotAllowed || w.Code == http.StatusNotFound && (strings.Contains(w.Body.String(), "null for uri") || strings.Contains(w.Body.String(), `"title":"Not Found"`) || !strings.HasPrefix(w.Body.String(), "{"))
			why := notServed[op]
			switch {
			case missing && why == "":
				t.Errorf("%s is documented and not served: %d %s", op, w.Code, w.Body)
			case !missing && why != "":
				t.Errorf("%s is served, and the table says why it is not", op)
			case missing:
				lines = append(lines, op+"\tno: "+why)
			default:
				served++
				lines = append(lines, op+"\tyes")
			}
		}
		fmt.Fprintf(&b, "# %s: %d of %d served\n%s\n", doc.file, served, len(ops), strings.Join(lines, "\n"))
	}
	if *update {
		if err := os.WriteFile("served.txt", []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile("served.txt")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(b.String(), string(got)); diff != "" {
		t.Errorf("served.txt is not what is served; run with -update (-want +got):\n%s", diff)
	}
}

// documented lists the calls of a document.
func documented(t *testing.T, file, base string) map[string]bool {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join("..", "..", "..", "shared", "confluence", file))
	if err != nil {
		t.Fatal(err)
	}
	var doc struct {
		Paths map[string]map[string]json.RawMessage `json:"paths"`
	}
	if err := json.Unmarshal(raw, &doc); err != nil {
		t.Fatal(err)
	}
	out := map[string]bool{}
	for path, item := range doc.Paths {
		for method := range item {
			if slices.Contains([]string{"get", "post", "put", "delete"}, method) {
				out[strings.ToUpper(method)+" "+base+path] = true
			}
		}
	}
	return out
}
