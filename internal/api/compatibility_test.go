package api_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
)

// ledger is what one client called in its acceptance test: one file of
// test/acceptance/coverage, one column of the table.
//
//	{
//	  "client": "composio (Python)",  // package and language, the column's name
//	  "version": "0.30.0",            // exactly what was installed
//	  "strict": true,                 // the client validated every answer strictly
//	  "complete": true,               // a test holds calls and excused against all methods that the
//	                                  // client has, so that what is in neither does not exist
//	  "calls": {                      // by the client's method, one operation or a list of them
//	    "auth_configs.get": {"operation": "GET /api/v3.1/auth_configs/{nanoid}", "result": "answered"},
//	    "create": [{"operation": "POST /api/v3.1/tool_router/session", "result": "answered"}]
//	  },
//	  "excused": {"triggers.parse": "asks the server nothing"}
//	}
//
// A result is "answered", or "answered, but …" where the client itself made nothing
// of it, or "refused (403)" with the status that the test expected. strict, complete and excused may be missing. Paths may begin with
// either prefix; how parameters are called does not matter. An operation that the
// contract does not have gets a row of its own, and is served if it is answered.
type ledger struct {
	Client, Version  string
	Strict, Complete bool
	Calls            map[string]calls
	Excused          map[string]string
}

type call struct{ Operation, Result string }

// calls are what one method of a client called.
type calls []call

func (c *calls) UnmarshalJSON(raw []byte) error {
	if raw[0] == '[' {
		return json.Unmarshal(raw, (*[]call)(c))
	}
	*c = make(calls, 1)
	return json.Unmarshal(raw, &(*c)[0])
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
		d := json.NewDecoder(bytes.NewReader(raw))
		d.DisallowUnknownFields()
		if err := d.Decode(&l); err != nil {
			t.Fatalf("reading %s: %v", name, err)
		}
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

// compatibility writes the page.
func compatibility(newer, older, ours *openapi3.T, ledgers []ledger) string {
	served := map[string]string{} // by method and shape: the summary
	for at, item := range ours.Paths.Map() {
		for method, op := range item.Operations() {
			served[method+" "+shape(at)] = op.Summary
		}
	}
	rows, versions, names := operationRows(newer, older, ledgers)
	var b strings.Builder
	b.WriteString(compatibilityHead)
	for i, l := range ledgers {
		fmt.Fprintf(&b, "- **%s** %s\n", letter(i), l.describe())
	}
	b.WriteString("\n| operation | of | this server |")
	for i := range ledgers {
		b.WriteString(" " + letter(i) + " |")
	}
	b.WriteString("\n|---|---|---|" + strings.Repeat("---|", len(ledgers)) + "\n")
	for _, key := range rows {
		state := "not offered yet"
		if versions[key] == clientsAlone && slices.ContainsFunc(ledgers, func(l ledger) bool { return strings.Contains(l.mark(key), "✓") }) {
			state = "served"
		}
		if summary, ok := served[key]; ok {
			state = "served"
			if why, refused := strings.CutPrefix(summary, "Refused: "); refused {
				state = "refused: " + why
			}
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s |", names[key], versions[key], state)
		for _, l := range ledgers {
			b.WriteString(" " + l.mark(key) + " |")
		}
		b.WriteString("\n")
	}
	for i, l := range ledgers {
		l.methods(&b, letter(i), names)
	}
	return b.String()
}

// operationRows lists the operations by method and shape, with the documents that
// have them and their names there, and those that only clients have.
func operationRows(newer, older *openapi3.T, ledgers []ledger) (rows []string, versions, names map[string]string) {
	versions, names = map[string]string{}, map[string]string{}
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
	for _, l := range ledgers {
		for _, c := range l.Calls {
			for i := range c {
				key := c[i].key()
				if names[key] != "" {
					continue
				}
				method, at, _ := strings.Cut(c[i].Operation, " ")
				rows, names[key], versions[key] = append(rows, key), method+" "+strings.TrimPrefix(strings.TrimPrefix(at, "/api/v3.1"), "/api/v3"), clientsAlone
			}
		}
	}
	slices.SortFunc(rows, func(a, b string) int {
		x, y := strings.SplitN(a, " ", 2), strings.SplitN(b, " ", 2)
		return strings.Compare(x[1]+" "+x[0], y[1]+" "+y[0])
	})
	return rows, versions, names
}

// letter names a column.
func letter(i int) string { return string(rune('A' + i)) }

func (l *ledger) describe() string {
	s := l.Client + " " + l.Version
	if l.Strict {
		s += ", under its strict validation"
	} else {
		s += ", which says less when an answer is not as documented (`TestContract` holds every answer against the documents)"
	}
	if l.Complete {
		return s + ", every method that it has"
	}
	return s + ", the methods that its tests call"
}

// key is the operation by its method and its path's shape.
func (c *call) key() string {
	method, at, _ := strings.Cut(c.Operation, " ")
	return method + " " + shape(at)
}

// mark says in a cell what came of calling the operation.
func (l *ledger) mark(key string) string {
	var out []string
	for _, c := range l.Calls {
		for i := range c {
			if c[i].key() == key {
				why, answered := strings.CutPrefix(c[i].Result, "answered")
				switch {
				case !answered:
					out = append(out, c[i].Result)
				case why == "":
					out = append(out, "✓")
				default:
					out = append(out, "(✓)")
				}
			}
		}
	}
	if out == nil && l.Complete {
		return "—"
	}
	slices.Sort(out)
	return strings.Join(slices.Compact(out), ", ")
}

// methods writes the list of the client's methods.
func (l *ledger) methods(b *strings.Builder, letter string, names map[string]string) {
	fmt.Fprintf(b, "\n## %s: %s %s\n\n", letter, l.Client, l.Version)
	for _, name := range slices.Sorted(maps.Keys(l.Calls)) {
		var done []string
		for _, c := range l.Calls[name] {
			done = append(done, fmt.Sprintf("`%s` %s", names[c.key()], c.Result))
		}
		fmt.Fprintf(b, "- `%s`: %s\n", name, strings.Join(done, ", "))
	}
	for _, name := range slices.Sorted(maps.Keys(l.Excused)) {
		fmt.Fprintf(b, "- `%s` not called: %s\n", name, l.Excused[name])
	}
}

const clientsAlone = "clients alone" // instead of a document's version

const compatibilityHead = `# Compatibility

Every operation of Composio's API v3 and v3.1, what this server makes of it, and
which of the official clients were seen to call it and to take the answer. The
acceptance tests keep what they called in ` + "`test/acceptance/coverage`" + `; they fail when an
operation is no longer called or answered otherwise, and a test makes this page of it.

Both prefixes are served alike, ` + "`/api/v3` and `/api/v3.1`" + `.
The newest SDKs refuse files at loopback and private addresses by themselves: for
them files need a router with a public address.

✓ is called, and the client took the answer; (✓), and it could not go on for the reason
that is said below. "refused" is called and answered by that status, with an error that
says why; 401 is what methods get that insist on a user's key, which does not exist here.
— is an operation that none of the client's methods asked for, all of which were called but
for those that are listed below with the reason.
An empty cell: the tests of that client do not call it. A row of "clients alone" is an
operation that the documents of v3 and v3.1 do not have. By which methods each client
calls is below the table.

`
