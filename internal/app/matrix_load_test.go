package app_test

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/sluice-run/sluice/internal/app"
	"github.com/sluice-run/sluice/internal/domain"
)

// TestIsolationUnderLoad has all six users call at the same time, by every door,
// now on one and now on the other of their accounts: each answer is the
// caller's, from that account, and so is each record.
func TestIsolationUnderLoad(t *testing.T) { onBoth(t, testIsolationUnderLoad) }

func testIsolationUnderLoad(t *testing.T, in func(*app.Options)) {
	w := newWorld(t, func(o *app.Options) { in(o); o.Config.LogLevel = "error" })
	calls := 2000
	if testing.Short() {
		calls = 600
	}
	const workers = 4 // a user
	each := calls / len(w.all) / workers
	var done, crossed atomic.Int64
	var wg sync.WaitGroup
	for _, n := range w.all {
		w.transportOf(n) // before the first call: from then on all read what is known of all
	}
	for _, n := range w.all {
		for worker := range workers {
			wg.Go(func() {
				for i := range each {
					w.oneUnderLoad(n, worker*each+i, &crossed)
					if done.Add(1); crossed.Load() > 5 {
						return
					}
				}
			})
		}
	}
	wg.Wait()
	db := w.database()
	records := 0
	for _, n := range w.all {
		for _, e := range executions(t, db, n.project, n.things["session"]) {
			mine := e.AccountID == n.things["account"] || e.AccountID == n.things["other"] || e.AccountID == ""
			if e.UserID != n.things["user"] || !mine || e.Outcome != domain.OutcomeOK {
				t.Errorf("CROSSING: the record of a call of %s: %+v", n, e)
			}
			records++
		}
	}
	t.Logf("%d calls of %d users at once, %d crossings, %d records looked at", done.Load(), len(w.all), crossed.Load(), records)
	if done.Load() < int64(each*workers*len(w.all)) || records < calls/4 {
		t.Errorf("%d calls, %d records", done.Load(), records)
	}
}

// oneUnderLoad makes one call of n by the door and on the account that i picks.
func (w *world) oneUnderLoad(n *identityOf, i int, crossed *atomic.Int64) {
	key := []string{"X-Api-Key", n.things["key"]}
	alias := []string{"account", "other"}[i/8%2]
	email := alias + "-" + n.things["tag"] + "@matrix.example"
	on := fmt.Sprintf(`"account":%q`, n.things[alias])
	multi := fmt.Sprintf(`{"tools":[{"tool_slug":"CONFLUENCE_GET_CURRENT_USER","arguments":{},%s},{"tool_slug":"CONFLUENCE_GET_CURRENT_USER","arguments":{},%s}]}`, on, on)
	inMulti := methodRow{method: "tools/call", params: `{"name":"COMPOSIO_MULTI_EXECUTE_TOOL","arguments":` + multi + `}`}
	plain := methodRow{method: "tools/call", params: `{"name":"CONFLUENCE_GET_CURRENT_USER","arguments":{}}`}
	newest := "account-" + n.things["tag"] + "@matrix.example"
	post := func(path, body string, header ...string) (answer, error) {
		body = strings.Replace(body, `"id":7,`, fmt.Sprintf(`"id":%d,`, i), 1) // the same numbers for all users
		return w.try(w.t.Context(), http.MethodPost, path, body, append(header, key...)...)
	}
	rest, endpoint := sessions+"/"+n.things["session"], mcpPath(n.things["session"])
	var a answer
	var err error
	switch i % 8 {
	case 0:
		a, err = post(rest+"/execute", `{"tool_slug":"CONFLUENCE_GET_CURRENT_USER","arguments":{},`+on+`}`)
	case 1:
		a, err = post(rest+"/execute_meta", `{"slug":"COMPOSIO_MULTI_EXECUTE_TOOL","arguments":`+multi+`}`)
	case 2:
		a, err = post("/api/v3.1/tools/execute/CONFLUENCE_GET_CURRENT_USER", fmt.Sprintf(`{"connected_account_id":%q,"arguments":{}}`, n.things[alias]))
	case 3:
		a, err = post("/api/v3/tools/execute/CONFLUENCE_GET_CURRENT_USER", fmt.Sprintf(`{"user_id":%q,"arguments":{}}`, n.things["user"]))
		email = newest
	case 4:
		a, err = post(endpoint, inMulti.message(true), inMulti.header(true, "")...)
	case 5:
		a, err = post(endpoint, inMulti.message(false), inMulti.header(false, n.things["transport"])...)
	case 6:
		a, err = post(endpoint, plain.message(true), plain.header(true, "")...)
		email = newest
	case 7:
		a, err = post(endpoint, plain.message(false), plain.header(false, n.things["transport"])...)
		email = newest
	}
	ok := err == nil && a.status == http.StatusOK && strings.Contains(a.body, email)
	for _, other := range w.all {
		if other != n && strings.Contains(a.body, other.things["tag"]) {
			ok = false
		}
	}
	if !ok {
		crossed.Add(1)
		w.t.Errorf("CROSSING? call %d of %s, which is to run as %s: %v %v", i, n, email, err, a)
	}
}
