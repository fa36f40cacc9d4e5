package app_test

import (
	"database/sql"
	"fmt"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/sluice-run/sluice/internal/app"
	"github.com/sluice-run/sluice/internal/config"
	"github.com/sluice-run/sluice/internal/domain"
	"github.com/sluice-run/sluice/internal/identity"
)

const owned = "/api/v3.1/org/owner/project/"

// operator makes an operator's key beside the router.
func (r *router) operator() string {
	r.t.Helper()
	key, _, err := identity.New(identity.Options{Store: r.database()}).CreateOperatorKey(r.t.Context(), "test")
	must(r.t, err)
	return key
}

// operate sends a request with an operator's key.
func (r *router) operate(key, method, path, body string) answer {
	r.t.Helper()
	return r.send(method, path, body, "X-Api-Key", "", "X-Org-Api-Key", key)
}

// An operator's key makes projects and their keys, and nothing else.
func TestOperatorKey(t *testing.T) {
	t.Parallel()
	given := "operator-key-of-the-environment"
	r := testApp(t, func(o *app.Options) { o.Config.OperatorKey = config.Secret(given) })
	for _, key := range []string{given, r.operator()} {
		name := "made by " + key[len(key)-4:]
		made := r.operate(key, "POST", owned+"new", fmt.Sprintf(`{"name":%q,"should_create_api_key":true,"config":{"display_name":"Acme","require_mcp_api_key":false}}`, name))
		id, theirs := field(made.body, "id"), field(made.body, "api_key")
		if made.status != 200 || id == "" || theirs == "" {
			t.Fatalf("making a project: %v", made)
		}
		switches := r.send("GET", "/api/v3.1/org/project/config", "", "X-Api-Key", theirs)
		if switches.status != 200 || !strings.Contains(switches.body, `"Acme"`) || !strings.Contains(switches.body, `"require_mcp_api_key":false`) {
			t.Errorf("the project's switches: %v", switches)
		}
		if a := r.operate(key, "POST", owned+"new", fmt.Sprintf(`{"name":%q}`, name)); a.status != 409 {
			t.Errorf("its name again: %v", a)
		}
		all := r.operate(key, "GET", owned+"list?limit=50", "")
		if all.status != 200 || !strings.Contains(all.body, id) || !strings.Contains(all.body, r.ProjectID()) {
			t.Errorf("all projects: %v", all)
		}
		again := r.operate(key, "POST", owned+id+"/regenerate_api_key", "")
		fresh := field(again.body, "api_key.key")
		if again.status != 200 || fresh == "" {
			t.Fatalf("replacing its keys: %v", again)
		}
		if old, now := r.send("GET", "/api/v3.1/auth/session/info", "", "X-Api-Key", theirs), r.send("GET", "/api/v3.1/auth/session/info", "", "X-Api-Key", fresh); old.status != 401 || now.status != 200 {
			t.Errorf("the old key: %v; the new one: %v", old, now)
		}
		if one := r.operate(key, "GET", owned+id, ""); one.status != 200 || strings.Contains(one.body, fresh) || !strings.Contains(one.body, field(again.body, "api_key.id")) {
			t.Errorf("the project: %v", one)
		}
		for _, path := range []string{"/api/v3.1/tools", "/api/v3.1/connected_accounts", "/api/v3.1/org/project/config", "/api/v3.1/org/list", "/api/v3/org/project/list"} {
			if a := r.operate(key, "GET", path, ""); a.status != 403 || !strings.Contains(a.body, "within a project") {
				t.Errorf("%s by an operator: %v", path, a)
			}
		}
		for who, header := range map[string][]string{
			"as a project's": {"X-Api-Key", key}, "as a bearer": {"X-Api-Key", "", "Authorization", "Bearer " + key},
			"beside another": {"X-Org-Api-Key", key}, "a project's": {"X-Api-Key", "", "X-Org-Api-Key", fresh},
		} {
			if a := r.send("GET", owned+"list", "", header...); a.status != 401 {
				t.Errorf("%s: %v", who, a)
			}
		}
		r.operate(key, "POST", "/api/v3.1/api_key_revocation", fmt.Sprintf(`{"api_keys":[%q]}`, key)) // open to all: refused with a key that may not go there
		if a := r.send("POST", "/api/v3.1/api_key_revocation", fmt.Sprintf(`{"api_keys":[%q]}`, key), "X-Api-Key", ""); a.status != 200 {
			t.Fatal(a)
		}
		if a := r.operate(key, "GET", owned+"list", ""); a.status != 401 {
			t.Errorf("a revoked one: %v", a)
		}
	}
}

// Nothing of a deleted project is left, in no table of the schema and on no disk,
// and what its keys had opened ends.
func TestDeleteProject(t *testing.T) {
	if testing.Short() {
		t.Skip("it fills a whole world before; TestEndProject is for the race detector")
	}
	onBoth(t, testDeleteProject)
}

// notFilled are tables of what happens later than a call: uses of accounts are
// written once a minute, nothing is sent to a paused subscription or was received,
// no state of a question has come back. Their rows go by the same statement.
var notFilled = []string{"account_uses", "delivery_attempts", "inbound_webhooks", "spent_states"}

func testDeleteProject(t *testing.T, in func(*app.Options)) {
	w := newWorld(t, func(o *app.Options) {
		in(o)
		o.Times.PollEvery, o.Times.PollPace = time.Millisecond, 10*time.Millisecond // its triggers are asking meanwhile
	})
	key, gone, stays := w.operator(), w.all[3], w.all[0]
	m := &matrix{world: w}
	m.allByContract(w.operations(), "/api/v3.1", gone) // whatever can be called leaves what it leaves
	for name, n := range w.rowsOf(gone.project) {
		if n == 0 && !slices.Contains(notFilled, name) {
			t.Errorf("the world has no row of the project in %s: whether it would go is not known", name)
		}
	}
	asked := w.Site().Requests()
	eventually(t, 2*time.Minute, "the triggers ask", func() bool { return w.Site().Requests() > asked+5 })
	kept := w.rowsOf(stays.project)
	if !w.keeps("content of " + gone.things["tag"]) {
		t.Error("the project has no file whose content could go")
	}
	open := &http.Client{Transport: w.http.Transport} // w.http would end it by itself
	res, err := open.Do(w.request(t.Context(), "GET", "/api/v3.1/sluice/events/stream?after=0", "", "X-Api-Key", gone.things["key"]))
	must(t, err)
	defer res.Body.Close()
	if res.StatusCode != 200 {
		t.Fatalf("a stream: %d", res.StatusCode)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for b := make([]byte, 4096); ; {
			if _, err := res.Body.Read(b); err != nil {
				return
			}
		}
	}()

	if a := w.send("DELETE", owned+gone.project, "", "X-Api-Key", gone.things["key"]); a.status != 403 {
		t.Errorf("by its own key: %v", a)
	}
	if a := w.operate(key, "DELETE", owned+w.ProjectID(), ""); a.status != 409 {
		t.Errorf("the first project: %v", a)
	}
	if a := w.operate(key, "DELETE", owned+gone.project+"?revoke_on_delete=true", ""); a.status != 400 {
		t.Errorf("with its grants: %v", a)
	}
	if a := w.operate(key, "DELETE", owned+gone.project, ""); a.status != 200 || !strings.Contains(a.body, `"success"`) {
		t.Fatalf("deleting: %v", a)
	}
	if a := w.send("GET", "/api/v3.1/auth/session/info", "", "X-Api-Key", gone.things["key"]); a.status != 401 {
		t.Errorf("its key: %v", a)
	}
	for _, method := range []string{"GET", "DELETE"} {
		if a := w.operate(key, method, owned+gone.project, ""); a.status != 404 {
			t.Errorf("%s of what is deleted: %v", method, a)
		}
	}
	if a := w.operate(key, "GET", owned+"list", ""); strings.Contains(a.body, gone.project) {
		t.Errorf("listed still: %v", a)
	}
	select {
	case <-ended:
	case <-time.After(2 * time.Minute):
		t.Error("a stream of the project goes on")
	}
	eventually(t, 5*time.Minute, "everything of the project is gone", func() bool {
		return !slices.ContainsFunc(slices.Collect(maps.Values(w.rowsOf(gone.project))), func(n int) bool { return n > 0 })
	})
	for name, n := range w.rowsOf(stays.project) {
		if n < kept[name] {
			t.Errorf("%s: the other project had %d rows and has %d", name, kept[name], n)
		}
	}
	for _, n := range w.all {
		if kept := w.keeps("content of " + n.things["tag"]); kept != (n.project == stays.project) {
			t.Errorf("the content of %s's file is kept: %v", n, kept)
		}
	}
	if log := w.logs.String(); strings.Contains(log, "ERROR") {
		t.Errorf("deleting it was an error for somebody:\n%s", log)
	}
	if a := w.send("GET", "/api/v3.1/connected_accounts/"+stays.things["account"], "", "X-Api-Key", stays.things["key"]); a.status != 200 {
		t.Errorf("the other project: %v", a)
	}
}

// What a deleting process did not come to, the next start does.
func TestDeleteProjectGoesOn(t *testing.T) {
	t.Parallel()
	r := newApp(t, nil)
	db := r.database()
	ident := identity.New(identity.Options{Store: db})
	p, err := ident.CreateProject(t.Context(), "cut off")
	must(t, err)
	must(t, db.PutBranding(t.Context(), p.ID, domain.Branding{Name: "Acme"}))
	must(t, ident.EndProject(t.Context(), p.ID))
	if n := r.rowsOf(p.ID); n["brandings"] != 1 || n["projects"] != 1 {
		t.Fatalf("it is gone already: %v", n)
	}
	must(t, r.Start(t.Context()))
	eventually(t, 5*time.Minute, "the project is gone", func() bool {
		n := r.rowsOf(p.ID)
		return n["brandings"]+n["projects"] == 0
	})
}

// query asks the database beside the router for one column of text; ? is the
// parameter.
func (r *router) query(text string, args ...any) (out []string) {
	r.t.Helper()
	ctx := r.t.Context()
	if address := r.cfg.Database.Reveal(); address != "" {
		db, err := pgx.Connect(ctx, address)
		must(r.t, err)
		defer db.Close(ctx)
		rows, err := db.Query(ctx, strings.ReplaceAll(text, "?", "$1"), args...)
		must(r.t, err)
		out, err = pgx.CollectRows(rows, pgx.RowTo[string])
		must(r.t, err)
		return out
	}
	db, err := sql.Open("sqlite", "file:"+filepath.Join(r.cfg.Home, "sluice.db")+"?mode=ro&_pragma=busy_timeout(60000)")
	must(r.t, err)
	defer db.Close()
	rows, err := db.QueryContext(ctx, text, args...)
	must(r.t, err)
	defer rows.Close()
	for rows.Next() {
		var s string
		must(r.t, rows.Scan(&s))
		out = append(out, s)
	}
	must(r.t, rows.Err())
	return out
}

// rowsOf counts the rows of a project in every table of the schema that has a
// project, and in projects itself.
func (r *router) rowsOf(project string) map[string]int {
	r.t.Helper()
	schema := `SELECT t.name FROM sqlite_master t JOIN pragma_table_info(t.name) c WHERE t.type = 'table' AND c.name = 'project_id'`
	if r.cfg.Database != "" {
		schema = `SELECT table_name::text FROM information_schema.columns WHERE column_name = 'project_id' AND table_schema = current_schema()`
	}
	out := map[string]int{"projects": len(r.query(`SELECT id FROM projects WHERE id = ?`, project))}
	for _, name := range r.query(schema) {
		out[name] = len(r.query(`SELECT project_id FROM `+name+` WHERE project_id = ?`, project))
	}
	return out
}

// keeps says whether the text lies in a file of the home, or in a piece of one in
// the database.
func (r *router) keeps(text string) (found bool) {
	r.t.Helper()
	if r.cfg.Database != "" {
		return len(r.query(`SELECT 'yes' FROM file_chunks WHERE position(convert_to(?, 'UTF8') IN bytes) > 0`, text)) > 0
	}
	must(r.t, filepath.WalkDir(filepath.Join(r.cfg.Home, "files"), func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := os.ReadFile(path)
		found = found || strings.Contains(string(data), text)
		return err
	}))
	return found
}

// What is counted for all projects is their sum, and nobody else's to ask.
func TestOrganisationUsage(t *testing.T) {
	if testing.Short() {
		t.Skip("one request after another: nothing for the race detector")
	}
	t.Parallel()
	w := newWorld(t, onSQLite)
	key := w.operator()
	const usage = "/api/v3.1/org/usage/"
	sum := w.operate(key, "POST", usage+"tool_calls", `{"group_by":"project_id"}`)
	parts := 0
	for _, n := range []*identityOf{w.all[0], w.all[3]} {
		one := w.send("POST", "/api/v3.1/project/usage/summary", `{"entity_types":["tool_calls"]}`, "X-Api-Key", n.things["key"])
		total := field(one.body, "entities.tool_calls.total_quantity")
		if !strings.Contains(sum.body, fmt.Sprintf(`{"key":%q,"total_quantity":%q,`, n.project, total)) {
			t.Errorf("the project's %s calls in %v", total, sum)
		}
		var count int
		_, err := fmt.Sscan(total, &count)
		must(t, err)
		parts += count
		narrow := w.operate(key, "POST", usage+"summary", fmt.Sprintf(`{"filters":{"project_id":[%q]}}`, n.project))
		if got := field(narrow.body, "entities.tool_calls.total_quantity"); got != total {
			t.Errorf("of one project: %s of %s", got, total)
		}
	}
	if got := field(sum.body, "total_quantity"); parts == 0 || got != fmt.Sprint(parts) {
		t.Errorf("the sum: %s of %d", got, parts)
	}
	tools := w.operate(key, "POST", usage+"tool_calls", `{"limit":1}`)
	if got := field(tools.body, "groups.0.key"); got != "CONFLUENCE_GET_CURRENT_USER" {
		t.Errorf("by tool: %v", tools)
	}
	for path, body := range map[string]string{
		"tool_calls": `{"group_by":"user_id"}`, "sessions": `{"filters":{"project_id":["pr_none"]}}`, "others": `{}`,
		"summary": fmt.Sprintf(`{"filters":{"user_id":[%q]}}`, "ann"),
	} {
		if a := w.operate(key, "POST", usage+path, body); a.status != http.StatusBadRequest {
			t.Errorf("%s %s: %v", path, body, a)
		}
		if a := w.send("POST", usage+path, body, "X-Api-Key", w.all[0].things["key"]); a.status != http.StatusForbidden {
			t.Errorf("%s by a project's key: %v", path, a)
		}
	}
}
