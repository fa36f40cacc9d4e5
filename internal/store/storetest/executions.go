package storetest

import (
	"fmt"
	"testing"
	"time"

	"github.com/sluice-run/sluice/internal/domain"
	"github.com/sluice-run/sluice/internal/store"
)

func testExecutionSearch(t *testing.T, s store.Store) {
	w := newWorld(t, s)
	ctx := t.Context()
	project := w.a.project.ID
	add := func(id string, minutes int, change func(*domain.Execution)) {
		e := execution(project, id, minutes)
		change(&e)
		ok(t, s.RecordExecution(ctx, e))
	}
	add("log_1", 1, func(e *domain.Execution) { e.UserID, e.Error = "100%", `back\slash` })
	add("log_2", 2, func(e *domain.Execution) { e.UserID, e.Error = "100x", "under_score" })
	add("log_3", 3, func(e *domain.Execution) { e.UserID, e.Error = "Bob", "underXscore" })
	add("log_4", 3, func(e *domain.Execution) { e.UserID, e.Error = "bob", "'; DROP TABLE executions; --" })
	add("log_5", 4, func(e *domain.Execution) { e.Outcome, e.UpstreamID, e.UserID = domain.OutcomeOK, "", "ÄB" })
	type q = store.ExecutionQuery
	type tests = []store.ExecutionTest
	on := func(c ...store.ExecutionColumn) []store.ExecutionColumn { return c }
	user := on(store.ExecutionUser)
	for name, tc := range map[string]struct {
		query q
		limit int
		want  string
	}{
		"all":               {q{}, 100, "log_5 log_4 log_3 log_2 log_1 log_a"},
		"oldest first":      {q{Oldest: true}, 100, "log_a log_1 log_2 log_3 log_4 log_5"},
		"a limit":           {q{}, 2, "log_5 log_4"},
		"from":              {q{From: at(3)}, 100, "log_5 log_4 log_3"},
		"to":                {q{To: at(3)}, 100, "log_2 log_1 log_a"},
		"after, newest":     {q{After: store.Mark{At: at(3), ID: "log_4"}}, 100, "log_3 log_2 log_1 log_a"},
		"after, oldest":     {q{After: store.Mark{At: at(3), ID: "log_3"}, Oldest: true}, 100, "log_4 log_5"},
		"after none":        {q{After: store.Mark{At: at(-9)}}, 100, ""},
		"equal":             {q{Tests: tests{{Columns: user, Values: []string{"bob"}}}}, 100, "log_4"},
		"one of":            {q{Tests: tests{{Columns: user, Values: []string{"bob", "Bob"}}}}, 100, "log_4 log_3"},
		"not equal":         {q{Tests: tests{{Columns: user, Values: []string{"bob"}, Not: true}}}, 100, "log_5 log_3 log_2 log_1 log_a"},
		"a percent sign":    {q{Tests: tests{{Columns: user, Values: []string{"0%"}, Contains: true}}}, 100, "log_1"},
		"an underscore":     {q{Tests: tests{{Columns: on(store.ExecutionErrorMessage), Values: []string{"R_S"}, Contains: true}}}, 100, "log_2"},
		"a backslash":       {q{Tests: tests{{Columns: on(store.ExecutionErrorMessage), Values: []string{`k\s`}, Contains: true}}}, 100, "log_1"},
		"a quote":           {q{Tests: tests{{Columns: on(store.ExecutionErrorMessage), Values: []string{"'; drop"}, Contains: true}}}, 100, "log_4"},
		"any letter case":   {q{Tests: tests{{Columns: user, Values: []string{"oB"}, Contains: true}}}, 100, "log_4 log_3"},
		"that letter case":  {q{Tests: tests{{Columns: user, Values: []string{"B"}, Contains: true, Case: true}}}, 100, "log_5 log_3"},
		"beyond ASCII":      {q{Tests: tests{{Columns: user, Values: []string{"Äb"}, Contains: true}}}, 100, "log_5"},
		"does not contain":  {q{Tests: tests{{Columns: user, Values: []string{"ob"}, Contains: true, Not: true}}}, 100, "log_5 log_2 log_1 log_a"},
		"empty values":      {q{Tests: tests{{Columns: on(store.ExecutionUpstream), Values: []string{""}}}}, 100, "log_5"},
		"one of columns":    {q{Tests: tests{{Columns: on(store.ExecutionUser, store.ExecutionErrorMessage), Values: []string{"score", "100%"}, Contains: true}}}, 100, "log_3 log_2 log_1"},
		"tests together":    {q{From: at(2), Tests: tests{{Columns: user, Values: []string{"100"}, Contains: true}, {Columns: on(store.ExecutionID), Values: []string{"log_1"}, Not: true}}}, 100, "log_2"},
		"nothing like that": {q{Tests: tests{{Columns: user, Values: []string{"zz"}, Contains: true}}}, 100, ""},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := s.SearchExecutions(ctx, project, tc.query, tc.limit)
			ok(t, err)
			if g := executionIDs(got); g != tc.want {
				t.Errorf("got %q, want %q", g, tc.want)
			}
		})
	}
	for name, test := range map[string]store.ExecutionTest{
		"an unknown column": {Columns: on("id) OR 1=1 --"), Values: []string{"x"}},
		"no column":         {Values: []string{"x"}},
		"no value":          {Columns: user},
	} {
		if _, err := s.SearchExecutions(ctx, project, q{Tests: tests{test}}, 10); domain.CodeOf(err) != domain.CodeInternal {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Paging shows each record once that was there when it began, whatever is
// recorded meanwhile.
func testExecutionSearchStable(t *testing.T, s store.Store) {
	w := newWorld(t, s)
	ctx := t.Context()
	project := w.a.project.ID
	for i := range 20 {
		ok(t, s.RecordExecution(ctx, execution(project, fmt.Sprintf("log_%02d", i), 1+i/7))) // many at the same time
	}
	for _, oldest := range []bool{false, true} {
		seen := map[string]int{}
		q := store.ExecutionQuery{Oldest: oldest, To: at(60)}
		for page := 0; ; page++ {
			got, err := s.SearchExecutions(ctx, project, q, 3)
			ok(t, err)
			if len(got) == 0 {
				break
			}
			for _, e := range got {
				seen[e.ID]++
			}
			last := got[len(got)-1]
			q.After = store.Mark{At: last.StartedAt, ID: last.ID}
			for _, minutes := range []int{2, 90} { // in the midst, and at the end
				ok(t, s.RecordExecution(ctx, execution(project, fmt.Sprintf("log_new_%t_%d_%d", oldest, page, minutes), minutes)))
			}
		}
		for i := range 20 {
			if id := fmt.Sprintf("log_%02d", i); seen[id] != 1 {
				t.Errorf("oldest first %t: %s was shown %d times", oldest, id, seen[id])
			}
		}
		for id, n := range seen {
			if n != 1 {
				t.Errorf("oldest first %t: %s was shown %d times", oldest, id, n)
			}
		}
	}
}

func testUsage(t *testing.T, s store.Store) {
	w := newWorld(t, s)
	ctx := t.Context()
	project := w.a.project.ID
	for i, e := range []struct{ user, tool, session string }{{"ann", "A", "s1"}, {"ann", "B", "s1"}, {"bob", "A", ""}, {"bob", "A", "s2"}, {"cid", "C", "s3"}} {
		x := execution(project, fmt.Sprint("log_", i), 10+i)
		x.UserID, x.Tool, x.SessionID, x.Outcome = e.user, e.tool, e.session, domain.OutcomeOK
		ok(t, s.RecordExecution(ctx, x))
	}
	day := store.UsageQuery{From: at(5), To: at(60), By: store.ExecutionTool, Limit: 10}
	with := func(change func(*store.UsageQuery)) store.UsageQuery { u := day; change(&u); return u }
	type g = store.UsageGroup
	for name, tc := range map[string]struct {
		ask  store.UsageQuery
		want store.Usage
	}{
		"by tool":       {day, store.Usage{Total: 5, Groups: []g{{Key: "A", Count: 3}, {Key: "B", Count: 1}, {Key: "C", Count: 1}}}},
		"ascending":     {with(func(u *store.UsageQuery) { u.Ascending = true }), store.Usage{Total: 5, Groups: []g{{Key: "B", Count: 1}, {Key: "C", Count: 1}, {Key: "A", Count: 3}}}},
		"by key":        {with(func(u *store.UsageQuery) { u.ByKey = true }), store.Usage{Total: 5, Groups: []g{{Key: "C", Count: 1}, {Key: "B", Count: 1}, {Key: "A", Count: 3}}}},
		"a few":         {with(func(u *store.UsageQuery) { u.Limit = 1 }), store.Usage{Total: 5, Groups: []g{{Key: "A", Count: 3}}}},
		"in all":        {with(func(u *store.UsageQuery) { u.Limit = 0 }), store.Usage{Total: 5}},
		"of users":      {with(func(u *store.UsageQuery) { u.Users = []string{"ann", "cid"}; u.By = store.ExecutionUser }), store.Usage{Total: 3, Groups: []g{{Key: "ann", Count: 2}, {Key: "cid", Count: 1}}}},
		"of a session":  {with(func(u *store.UsageQuery) { u.Sessions = []string{"s1"} }), store.Usage{Total: 2, Groups: []g{{Key: "A", Count: 1}, {Key: "B", Count: 1}}}},
		"of outcomes":   {with(func(u *store.UsageQuery) { u.Outcomes = []domain.Outcome{domain.OutcomeFailed} }), store.Usage{}},
		"until it ends": {with(func(u *store.UsageQuery) { u.To = at(12); u.Limit = 0 }), store.Usage{Total: 2}},
	} {
		got, err := s.CountExecutions(ctx, project, tc.ask)
		ok(t, err)
		t.Log(name)
		same(t, tc.want, got)
	}
	all := store.UsageQuery{By: store.ExecutionUser, Limit: 10}
	same(t, store.Usage{Total: 1, Groups: []g{{Key: w.a.session.UserID, Count: 1}}}, must(s.CountSessions(ctx, project, all))(t))
	all.From = w.a.session.CreatedAt.Add(time.Second)
	same(t, store.Usage{}, must(s.CountSessions(ctx, project, all))(t))
	all.From, all.By = time.Time{}, store.ExecutionDoor
	_, err := s.CountSessions(ctx, project, all)
	wantCode(t, err, domain.CodeInternal)
}
