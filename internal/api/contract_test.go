package api_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"

	"github.com/sluice-run/sluice/internal/api/contracttest"
)

// own is in the paths of operations that the contract does not have.
const own = contracttest.Own

// shared is where the contract lies, beside the checkout.
const shared = "../../../shared/composio"

var (
	readContract sync.Once
	theContract  *contracttest.Contract
)

// contract reads the contract once; nil where it is not there, which
// TestContractIsThere says.
func contract(t *testing.T) *contracttest.Contract {
	t.Helper()
	readContract.Do(func() { theContract = contracttest.Load(t, shared) })
	return theContract
}

func document(t *testing.T, name string) *openapi3.T {
	t.Helper()
	c := contract(t)
	switch {
	case c == nil:
		return nil
	case name == "openapi-v3.json":
		return c.Older
	}
	return c.Newer
}

func TestContractIsThere(t *testing.T) {
	if contract(t) == nil {
		t.Skip("../shared/composio is not there: answers are not checked against the contract's documents")
	}
}

// checkWire holds an answer against the contract.
func (w *world) checkWire(method, at string, a answer) {
	w.t.Helper()
	for _, wrong := range contract(w.t).Answer(method, at, a.Status, a.Header, a.Raw) {
		w.t.Errorf("%s %s: %s", method, at, wrong)
	}
	if a.Status < 300 || !strings.Contains(at, "/api/v3") {
		return
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
				if contracttest.Extra(method, at) {
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
