package app_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/sluice-run/sluice/internal/api/contracttest"
)

// refusedHere are the contract's operations that have no meaning self-hosted, and
// why: they answer 403 with the truth, in the contract's error body.
var refusedHere = map[string]string{
	"POST /api/v3.1/org/consumer/project/resolve": "there are no consumer projects",
	"POST /api/v3.1/org/clanker/create_claim":     "there are no accounts to claim",
	"POST /api/v3.1/cli/create-session":           "nobody signs in here",
	"GET /api/v3.1/cli/get-session":               "nobody signs in here",
}

// lastRows are what owners cannot try in the matrix, because the other rows need
// what they use up.
var lastRows = []row{
	{op: "deleteMountItem", at: "{session}/files", body: `{"mount_relative_path":"of-{tag}.txt"}`},
	{op: "deleteWebhookSubscription", at: "{hook}"},
	{op: "createWebhookSubscription", body: `{"webhook_url":"https://app.example/{my.tag}","enabled_events":["composio.trigger.message"]}`},
}

// neverMissing are operations with parameters of which nothing can be missing.
var neverMissing = map[string]string{
	"POST /api/v3.1/project/usage/{entity_type}": "the parameter is a choice: a wrong one is 400",
	"POST /api/v3.1/org/usage/{entity_type}":     "the parameter is a choice: a wrong one is 400",
}

// neverWrong are operations whose body nothing can be wrong in.
var neverWrong = map[string]string{
	"POST /api/v3.1/cli/codact_failures": "the report is dropped unread",
}

// holdToContract holds every answer of the REST API from now on against the
// contract's documents. It is nil where those are not there.
func (r *router) holdToContract() *contracttest.Contract {
	r.t.Helper()
	c := contracttest.Load(r.t, "../../../shared/composio")
	r.observe = func(method, path string, a answer) {
		for _, wrong := range c.Answer(method, path, a.status, a.header, []byte(a.body)) {
			r.t.Errorf("%s %s: %s", method, path, wrong)
		}
	}
	return c
}

// TestContract makes sure that every operation of the contract's documents is
// called on the whole program: answered as its document says, refused as its error
// body says when the id is wrong or the body is. The calls are the matrix's, by
// their owners; what is written here is what the matrix leaves out. An operation
// without a call fails.
func TestContract(t *testing.T) {
	if testing.Short() {
		t.Skip("one request after another: nothing for the race detector")
	}
	t.Parallel()
	w := newWorld(t, onSQLite)
	c := w.holdToContract()
	if c == nil {
		t.Skip("../shared/composio is not there: the operations are listed there")
	}
	m := &matrix{world: w}
	ops := w.operations()
	// Of two projects, so that neither finds what the other one's calls have left.
	for prefix, owner := range map[string]*identityOf{"/api/v3.1": w.all[0], "/api/v3": w.all[3]} {
		m.allByContract(ops, prefix, owner)
		for _, x := range lastRows {
			m.byContract(&x, ops[x.op], prefix, owner)
		}
		m.operatorByContract(prefix, ops)
	}
	for _, o := range c.Operations() {
		_, refused := refusedHere[o.String()]
		switch {
		case refused && (!c.Seen(o, "403") || c.Seen(o, "2")):
			t.Errorf("%s was not refused", o)
		case !refused && !c.Seen(o, "2"):
			t.Errorf("%s has no answer of success that was held against %s", o, o.Version)
		}
		expect(t, c, o, "404", strings.Contains(o.Path, "{"), neverMissing)
		expect(t, c, o, "400", c.Body(o) && !refused, neverWrong)
	}
}

// expect wants an answer with the status, or a reason why there is none.
func expect(t *testing.T, c *contracttest.Contract, o contracttest.Operation, status string, wanted bool, excused map[string]string) {
	t.Helper()
	seen, why := c.Seen(o, status), excused[o.String()]
	switch {
	case why != "" && (seen || !wanted):
		t.Errorf("%s is answered with %s, or need not be, and is excused: %s", o, status, why)
	case wanted && !seen && why == "":
		t.Errorf("%s has no answer %s", o, status)
	}
}

// allByContract sends all rows but the last ones.
func (m *matrix) allByContract(ops map[string]served, prefix string, owner *identityOf) {
	m.t.Helper()
	for i := range rows {
		if !slices.ContainsFunc(lastRows, func(x row) bool { return x.op == rows[i].op }) {
			m.byContract(&rows[i], ops[rows[i].op], prefix, owner)
		}
	}
}

// byContract sends a row as its owner, then with ids that nothing has, then with
// bodies that are no objects.
func (m *matrix) byContract(x *row, op served, prefix string, owner *identityOf) {
	m.t.Helper()
	name := "contract " + x.name() + " (" + op.method + " " + prefix + ")"
	path, body := m.path(x, op, prefix, name, owner, owner), m.expand(name, x.body, owner, owner)
	if a := m.send(op.method, path, body, "X-Api-Key", owner.things["key"]); a.status/100 != 2 && (x.once == "" || a.status/100 != 4) {
		m.t.Errorf("%s: %v", name, a)
	}
	if x.about != "" {
		return
	}
	if parameter.MatchString(op.path) {
		lost := *x
		_, rest, more := strings.Cut(x.at, "/")
		if lost.at = "ca_0nothing"; more {
			lost.at += "/" + rest
		}
		wrong := m.path(&lost, op, prefix, name, owner, owner)
		if a := m.send(op.method, wrong, body, "X-Api-Key", owner.things["key"]); a.status/100 != 4 {
			m.t.Errorf("%s %s: %v", op.method, wrong, a)
		}
	}
	if op.method != http.MethodGet && op.method != http.MethodDelete {
		for _, bad := range []string{`[1]`, `{"`} {
			if a := m.send(op.method, path, bad, "X-Api-Key", owner.things["key"]); a.status/100 == 5 {
				m.t.Errorf("%s %s with %s: %v", op.method, path, bad, a)
			}
		}
	}
}

// operatorByContract makes, shows and deletes a project as its operator would, and
// counts what there is.
func (m *matrix) operatorByContract(prefix string, ops map[string]served) {
	m.t.Helper()
	key := m.operator()
	id := ""
	for _, x := range []struct {
		op, body string
		status   int
	}{
		{"createProject", `{"name":"one more"}`, http.StatusOK},
		{"createProject", `{"name":" "}`, http.StatusBadRequest},
		{"createProject", `[1]`, http.StatusBadRequest},
		{"listOwnedProjects", "", http.StatusOK},
		{"getProject", "", http.StatusOK},
		{"regenerateProjectKey", "", http.StatusOK},
		{"deleteProject", "", http.StatusOK},
		{"getProject", "", http.StatusNotFound},
		{"regenerateProjectKey", "", http.StatusNotFound},
		{"deleteProject", "", http.StatusNotFound},
		{"getOrgUsageSummary", `{}`, http.StatusOK},
		{"getOrgUsageSummary", `{"filters":{"user_id":null,"session_id":null,"project_id":null}}`, http.StatusOK},
		{"getOrgUsageSummary", `{"entity_types":["dreams"]}`, http.StatusBadRequest},
		{"getOrgUsage", `{}`, http.StatusOK},
		{"getOrgUsage", `{"group_by":"user_id"}`, http.StatusBadRequest},
	} {
		op := ops[x.op]
		path := strings.NewReplacer("/api/v3.1", prefix, "{nano_id}", id, "{entity_type}", "tool_calls").Replace(op.path)
		a := m.operate(key, op.method, path, x.body)
		if a.status != x.status {
			m.t.Errorf("%s (%s): %v", x.op, prefix, a)
		}
		if x.op == "createProject" && a.status == http.StatusOK {
			id = field(a.body, "id")
		}
	}
}
