package app_test

import (
	"encoding/json"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/sluice-run/sluice/internal/app"
)

var (
	placeholder = regexp.MustCompile(`\{(?:my\.)?(?:new\.)?[a-z_]+\}`)
	parameter   = regexp.MustCompile(`\{[A-Za-z_]+\}`)
)

// served is an operation of the OpenAPI document.
type served struct{ id, method, path string }

// operations reads the document that the router serves.
func (r *router) operations() map[string]served {
	r.t.Helper()
	var doc struct {
		Paths map[string]map[string]json.RawMessage
	}
	must(r.t, json.Unmarshal([]byte(r.send(http.MethodGet, "/openapi.json", "").body), &doc))
	out := map[string]served{}
	for path, methods := range doc.Paths {
		for method, raw := range methods {
			if !slices.Contains([]string{"get", "put", "post", "delete", "options", "head", "patch", "trace"}, method) {
				continue // what the methods share
			}
			var op struct {
				ID string `json:"operationId"`
			}
			must(r.t, json.Unmarshal(raw, &op))
			if _, twice := out[op.ID]; twice || op.ID == "" {
				r.t.Fatalf("%s %s: operationId %q is empty or not the only one", method, path, op.ID)
			}
			out[op.ID] = served{id: op.ID, method: strings.ToUpper(method), path: path}
		}
	}
	return out
}

// TestIsolationMatrix tries every operation of the REST API with every wrong
// identity.
func TestIsolationMatrix(t *testing.T) { onBoth(t, testIsolationMatrix) }

func testIsolationMatrix(t *testing.T, in func(*app.Options)) {
	w := newWorld(t, in)
	ops := w.operations()
	covered := map[string]bool{}
	names := map[string]bool{}
	for _, x := range rows {
		if _, ok := ops[x.op]; !ok {
			t.Errorf("a row is about %q, which /openapi.json does not list", x.op)
		}
		if names[x.name()] {
			t.Errorf("two rows are called %q: tell them apart by about", x.name())
		}
		covered[x.op], names[x.name()] = true, true
	}
	for id, op := range ops {
		if !covered[id] {
			t.Errorf("%s (%s %s) has no row in the isolation matrix: add its line to rows in matrix_rows_test.go", id, op.method, op.path)
		}
	}
	if t.Failed() {
		t.FailNow()
	}
	m := &matrix{world: w}
	for _, x := range rows {
		for _, prefix := range []string{"/api/v3.1", "/api/v3"} {
			m.row(x, ops[x.op], prefix)
		}
	}
	t.Logf("%d operations, %d rows: %d requests of wrong identities refused, %d of strangers, %d of owners answered",
		len(ops), len(rows), m.wrong, m.strange, m.right)
	if m.wrong < 1000 {
		t.Errorf("only %d wrong requests for %d rows", m.wrong, len(rows))
	}
}

func (x *row) name() string {
	if x.about == "" {
		return x.op
	}
	return x.op + ", " + x.about
}

// texts is everything of the row in which things are named.
func (x *row) texts() string { return x.at + x.query + x.body }

// matrix counts what was tried.
type matrix struct {
	*world
	wrong, strange, right int
}

// path gives the row's path in a version of the API.
func (m *matrix) path(x *row, op served, prefix, row string, owner, caller *identityOf) string {
	var values []string
	if x.at != "" {
		values = strings.Split(x.at, "/")
	}
	path := prefix + parameter.ReplaceAllStringFunc(strings.TrimPrefix(op.path, "/api/v3.1"), func(p string) string {
		if len(values) == 0 {
			m.t.Fatalf("row %s: at has nothing for %s of %s", row, p, op.path)
		}
		value := values[0]
		values = values[1:]
		return url.PathEscape(m.expand(row, value, owner, caller))
	})
	if len(values) > 0 {
		m.t.Fatalf("row %s: at has %q, for which %s has no place", row, values, op.path)
	}
	if x.query != "" {
		path += "?" + m.expand(row, x.query, owner, caller)
	}
	return path
}

// row tries one row in one version of the API: first all wrong identities, then
// the owners, for whom everything must be as it was.
func (m *matrix) row(x row, op served, prefix string) {
	m.t.Helper()
	name := x.name() + " (" + op.method + " " + prefix + ")"
	var ownersThings, userLevel bool
	for _, p := range placeholder.FindAllString(x.texts(), -1) {
		if strings.HasPrefix(p, "{my.") {
			userLevel = true
		} else {
			ownersThings = true
		}
	}
	if x.public != "" {
		m.openToAll(&x, op, prefix, name)
		return
	}
	for _, owner := range m.all {
		if ownersThings {
			for _, caller := range m.except(owner, userLevel && !x.shared) {
				m.tryWrong(&x, op, prefix, name, owner, caller, userLevel)
			}
		}
		if m.t.Failed() {
			return // the first of many alike says enough
		}
	}
	m.tryStrangers(&x, op, prefix, name)
	if x.once != "" {
		return
	}
	for _, owner := range m.all {
		m.tryRight(&x, op, prefix, name, owner, userLevel)
	}
}

func (m *matrix) tryWrong(x *row, op served, prefix, name string, owner, caller *identityOf, userLevel bool) {
	m.t.Helper()
	path, body := m.path(x, op, prefix, name, owner, caller), m.expand(name, x.body, owner, caller)
	before := m.Site().Requests()
	a := m.send(op.method, path, body, "X-Api-Key", caller.things["key"])
	m.wrong++
	what := name + " of " + owner.String() + " by " + caller.String()
	if after := m.Site().Requests(); after != before {
		m.t.Errorf("CROSSING: %s: %d requests went upstream", what, after-before)
	}
	m.hidden(what, path+body, a, caller, m.except(caller, userLevel && !x.shared))
	good := false
	switch x.answers {
	case refusal:
		good = a.status == http.StatusNotFound || a.status == http.StatusForbidden
	case badRequest:
		good = a.status == http.StatusNotFound || a.status == http.StatusForbidden || a.status == http.StatusBadRequest
	case emptyList:
		var list struct{ Items, Logs, Data *[]json.RawMessage } // each list has one of these
		good = a.status == http.StatusOK && json.Unmarshal([]byte(a.body), &list) == nil
		for _, items := range []*[]json.RawMessage{list.Items, list.Logs, list.Data} {
			good = good && (items == nil || len(*items) == 0)
		}
		good = good && (list.Items != nil || list.Logs != nil || list.Data != nil)
	case failedCall:
		good = a.status == http.StatusOK && (strings.Contains(a.body, "no connected account") || strings.Contains(a.body, "no such file"))
	}
	if !good {
		m.t.Errorf("CROSSING? %s: %v", what, a)
	}
}

// tryStrangers sends what the first owner would send with the credentials of
// nobody.
func (m *matrix) tryStrangers(x *row, op served, prefix, name string) {
	m.t.Helper()
	owner := m.all[0]
	path, body := m.path(x, op, prefix, name, owner, owner), m.expand(name, x.body, owner, owner)
	for who, header := range m.strangers() {
		path := path
		if who == "a key in the query" {
			path += map[bool]string{true: "&", false: "?"}[strings.Contains(path, "?")] + "x-api-key=" + owner.things["key"]
		}
		a := m.send(op.method, path, body, header...)
		m.strange++
		if a.status != http.StatusUnauthorized && x.open == "" {
			m.t.Errorf("CROSSING: %s with %s: %v", name, who, a)
		}
		m.hidden(name+" with "+who, path+body, a, nil, m.all)
	}
	if x.operators || x.open != "" {
		return // what those answer is TestOperatorKey's
	}
	a := m.operate(m.operatorKey, op.method, path, body)
	m.strange++
	if a.status != http.StatusForbidden {
		m.t.Errorf("CROSSING: %s with an operator's key: %v", name, a)
	}
	m.hidden(name+" with an operator's key", path+body, a, nil, m.all)
}

func (m *matrix) tryRight(x *row, op served, prefix, name string, owner *identityOf, userLevel bool) {
	m.t.Helper()
	path, body := m.path(x, op, prefix, name, owner, owner), m.expand(name, x.body, owner, owner)
	a := m.send(op.method, path, body, "X-Api-Key", owner.things["key"])
	m.right++
	shows := m.expand(name, x.shows, owner, owner)
	if a.status/100 != 2 || x.shows == "" || !strings.Contains(a.body, shows) {
		m.t.Errorf("%s by its owner %s, who is to see %q: %v", name, owner, shows, a)
	}
	m.hidden(name+" by "+owner.String(), path+body, a, owner, m.except(owner, userLevel))
}

// openToAll tries a row whose answer belongs to nobody: it is the same for all
// with a key, and there is none without.
func (m *matrix) openToAll(x *row, op served, prefix, name string) {
	m.t.Helper()
	path, body := m.path(x, op, prefix, name, m.all[0], m.all[0]), m.expand(name, x.body, m.all[0], m.all[0])
	first := ""
	for i, caller := range m.all {
		a := m.send(op.method, path, body, "X-Api-Key", caller.things["key"])
		m.right++
		if i == 0 {
			first = a.body
		}
		if a.status != http.StatusOK || a.body != first {
			m.t.Errorf("%s by %s: %.300v", name, caller, a)
		}
		m.hidden(name, "", a, nil, m.all)
	}
	m.tryStrangers(x, op, prefix, name)
}
