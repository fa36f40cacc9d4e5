package api_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
)

// ledger is what one client called in its acceptance test.
type ledger struct {
	Client, Version string
	Calls           map[string]struct{ Operation, Result string }
}

// TestCompatibilityTable holds docs/compatibility.md against the contract's
// operations, our document and what the acceptance tests called; -update writes it.
func TestCompatibilityTable(t *testing.T) {
	newer, older := document(t, "openapi-v3.1.json"), document(t, "openapi-v3.json")
	if newer == nil || older == nil {
		t.Skip("../shared/composio is not there: the operations are listed there")
	}
	ours, err := openapi3.NewLoader().LoadFromFile("testdata/openapi.json")
	must(t, err)
	files, err := filepath.Glob("../../test/acceptance/coverage/*.json")
	must(t, err)
	if len(files) == 0 {
		t.Fatal("no acceptance test has left what it called")
	}
	var ledgers []ledger
	for _, name := range files {
		raw, err := os.ReadFile(name)
		must(t, err)
		var l ledger
		must(t, json.Unmarshal(raw, &l))
		ledgers = append(ledgers, l)
	}
	got := compatibility(newer, older, ours, ledgers)
	const file = "../../docs/compatibility.md"
	if *update {
		must(t, os.WriteFile(file, []byte(got), 0o644))
		return
	}
	if want, err := os.ReadFile(file); err != nil || string(want) != got {
		t.Errorf("%s is not what it was (%v); run with -update and look at the difference", file, err)
	}
}

// shape is a path without the names of its parameters.
func shape(at string) string {
	parts := strings.Split(strings.TrimPrefix(strings.TrimPrefix(at, "/api/v3.1"), "/api/v3"), "/")
	for i, p := range parts {
		if strings.HasPrefix(p, "{") {
			parts[i] = "{}"
		}
	}
	return strings.Join(parts, "/")
}

func compatibility(newer, older, ours *openapi3.T, ledgers []ledger) string {
	served := map[string]string{} // by method and shape: the summary
	for at, item := range ours.Paths.Map() {
		for method, op := range item.Operations() {
			served[method+" "+shape(at)] = op.Summary
		}
	}
	var rows []string
	versions := map[string]string{} // by method and shape
	names := map[string]string{}
	for _, doc := range []struct {
		name string
		doc  *openapi3.T
	}{{"v3.1", newer}, {"v3", older}} {
		for at, item := range doc.doc.Paths.Map() {
			for method := range item.Operations() {
				key := method + " " + shape(at)
				if versions[key] == "" {
					rows = append(rows, key)
					names[key] = method + " " + strings.TrimPrefix(strings.TrimPrefix(at, "/api/v3.1"), "/api/v3")
				}
				versions[key] = strings.TrimPrefix(versions[key]+", "+doc.name, ", ")
			}
		}
	}
	slices.SortFunc(rows, func(a, b string) int {
		x, y := strings.SplitN(a, " ", 2), strings.SplitN(b, " ", 2)
		return strings.Compare(x[1]+" "+x[0], y[1]+" "+y[0])
	})
	var b strings.Builder
	b.WriteString(compatibilityHead)
	b.WriteString("| operation | of | this server |")
	for _, l := range ledgers {
		fmt.Fprintf(&b, " %s %s |", l.Client, l.Version)
	}
	b.WriteString("\n|---|---|---|" + strings.Repeat("---|", len(ledgers)) + "\n")
	for _, key := range rows {
		state := "not offered yet"
		if summary, ok := served[key]; ok {
			state = "served"
			if why, refused := strings.CutPrefix(summary, "Refused: "); refused {
				state = "refused: " + why
			}
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s |", names[key], versions[key], state)
		for _, l := range ledgers {
			b.WriteString(" " + l.called(key) + " |")
		}
		b.WriteString("\n")
	}
	return b.String()
}

// called says by which methods of the client the operation was called, and what
// came of it.
func (l *ledger) called(key string) string {
	var out []string
	for name, c := range l.Calls {
		method, at, _ := strings.Cut(c.Operation, " ")
		if method+" "+shape(at) == key {
			out = append(out, fmt.Sprintf("`%s` %s", name, c.Result))
		}
	}
	slices.Sort(out)
	return strings.Join(out, ", ")
}

const compatibilityHead = `# Compatibility

Every operation of Composio's API v3 and v3.1, what this server makes of it, and
which methods of the official clients were seen to call it and to take the answer,
under strict validation where the client has it. The acceptance tests keep what they
called in ` + "`test/acceptance/coverage`" + `; they fail when an operation is no longer called or
answered otherwise, and a test makes this table of it. An empty cell: that client's
test does not call it.

Both prefixes are served alike, ` + "`/api/v3`" + ` and ` + "`/api/v3.1`" + `.
The newest SDKs refuse files at loopback and private addresses by themselves: for
them files need a router with a public address.

`
