package client_test

import (
	"encoding/json"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
)

// witness notes which requests were answered with a success.
type witness struct {
	mu       sync.Mutex
	answered map[string]bool // by "METHOD path"
}

func (s *witness) RoundTrip(r *http.Request) (*http.Response, error) {
	res, err := http.DefaultTransport.RoundTrip(r)
	if err == nil && res.StatusCode < 300 {
		s.mu.Lock()
		s.answered[r.Method+" "+r.URL.EscapedPath()] = true
		s.mu.Unlock()
	}
	return res, err
}

type operation struct{ method, path string }

type document map[string]operation // by operationId

// openAPI is what is of interest of the router's own document.
type openAPI struct {
	Paths map[string]map[string]struct {
		ID         string `json:"operationId"`
		Parameters []struct{ Name, In, Description string }
		Body       struct {
			Content map[string]struct{ Schema schema }
		} `json:"requestBody"`
	}
	Components struct{ Schemas map[string]schema }
}

type schema struct {
	Ref         string `json:"$ref"`
	Description string
	Properties  map[string]schema
	Items       *schema
	Additional  json.RawMessage `json:"additionalProperties"`
}

func (w *world) document(t *testing.T) *openAPI {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, w.router.URL()+"/openapi.json", nil)
	must(t, err)
	res, err := http.DefaultClient.Do(req)
	must(t, err)
	defer res.Body.Close()
	doc := &openAPI{}
	must(t, json.NewDecoder(res.Body).Decode(doc))
	return doc
}

// operations reads the router's own document.
func (w *world) operations(t *testing.T) document {
	t.Helper()
	all := document{}
	for path, item := range w.document(t).Paths {
		for method, op := range item {
			if op.ID != "" {
				all[op.ID] = operation{strings.ToUpper(method), path}
			}
		}
	}
	if len(all) < 100 {
		t.Fatalf("the document has %d operations", len(all))
	}
	return all
}

// fields adds the names of a body's fields to names, but of those that the router
// says it does not offer.
func (d *openAPI) fields(s schema, names map[string]bool, depth int) {
	if name, ok := strings.CutPrefix(s.Ref, "#/components/schemas/"); ok {
		s = d.Components.Schemas[name]
	}
	if depth > 8 {
		return
	}
	for name, field := range s.Properties {
		if !strings.HasPrefix(field.Description, "Not offered") && !strings.HasPrefix(field.Description, "Refused") {
			names[name] = true
			d.fields(field, names, depth+1)
		}
	}
	if s.Items != nil {
		d.fields(*s.Items, names, depth+1)
	}
	var more schema
	if json.Unmarshal(s.Additional, &more) == nil { // not a bare true
		d.fields(more, names, depth+1)
	}
}

// unsaid are the names of what a request may say and the client never does.
var unsaid = map[string]string{
	"account_type":             "there are no shared accounts",
	"acl_config_for_shared":    "there are no shared accounts",
	"order_direction":          "lists have one order",
	"search_params":            "TriggerLogQuery has a field for each",
	"operation":                "of search_params",
	"entity_types":             "UsageSummary gives all",
	"after":                    "Listen says Last-Event-ID, which is the same",
	"follow":                   "Listen goes on until its context ends; Events lists what is there",
	"managed_by":               "tells toolkits apart that no router has yet",
	"managed_auth_by_composio": "as the MCP server says: MCPServerChange.ManagedAuth",
	"model":                    "which model searches: it takes none",
	"known_fields":             "the use case may say what is known",
	"workbench":                "the workbench is not offered",
	"auto_offload_threshold":   "of the workbench",
	"enable_proxy_execution":   "of the workbench",
	"sandbox_size":             "of the workbench",
	"is_2FA_enabled":           "nobody signs in to a router",
	"toolkit_versions":         "toolkits have one version; Tools takes them by toolkit",
	"entity_id":                "the older name of user_id",
	"connectedAuthId":          "the older name of connected_account_id",
	"triggerConfig":            "the older name of trigger_config",
}

// TestEveryField has the client know each name that a request may say.
func TestEveryField(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("*.go")
	must(t, err)
	var source strings.Builder
	for _, name := range files {
		if !strings.HasSuffix(name, "_test.go") {
			b, err := os.ReadFile(name)
			must(t, err)
			source.Write(b)
		}
	}
	doc, names := theWorld().document(t), map[string]bool{}
	for _, item := range doc.Paths {
		for _, op := range item {
			if excused[op.ID] != "" {
				continue
			}
			for _, p := range op.Parameters {
				if p.In == "query" {
					names[p.Name] = true
				}
			}
			for _, body := range op.Body.Content {
				doc.fields(body.Schema, names, 0)
			}
		}
	}
	if len(names) < 100 {
		t.Errorf("%d names", len(names))
	}
	for _, name := range slices.Sorted(maps.Keys(names)) {
		said := strings.Contains(source.String(), `"`+name+`"`) || strings.Contains(source.String(), `"`+name+",")
		if why := unsaid[name]; said == (why != "") {
			t.Errorf("%s: the client says it: %v; the excuse is %q", name, said, why)
		}
	}
	for name := range unsaid {
		if !names[name] {
			t.Errorf("the excuse for %s: no request may say it", name)
		}
	}
}

// match gives the operation that a request is for: of those that fit the one with
// the longest words.
func (d document) match(request string) (best string) {
	method, path, _ := strings.Cut(request, " ")
	parts, most := strings.Split(path, "/"), -1
	for id, o := range d {
		pattern := strings.Split(o.path, "/")
		if o.method != method || len(pattern) != len(parts) {
			continue
		}
		words := 0
		for i, p := range pattern {
			switch {
			case p == parts[i]:
				words++
			case !strings.HasPrefix(p, "{"):
				words = -len(pattern)
			}
		}
		if words > most {
			best, most = id, words
		}
	}
	return best
}
