package storetest

import (
	"fmt"
	"testing"
	"time"

	"github.com/sluice-run/sluice/internal/domain"
	"github.com/sluice-run/sluice/internal/store"
)

func testSessions(t *testing.T, s store.Store) {
	w := newWorld(t, s)
	ctx := t.Context()
	project, se := w.a.project.ID, w.a.session
	same(t, se, must(s.Session(ctx, project, se.ID))(t))
	_, err := s.Session(ctx, project, "trs_none")
	wantCode(t, err, domain.CodeNotFound)
	wantCode(t, s.CreateSession(ctx, se), domain.CodeConflict)
	lost := se
	lost.ProjectID = "pr_none"
	wantCode(t, s.CreateSession(ctx, lost), domain.CodeNotFound)

	// Switches that are absent stay apart from those that are off.
	bare := domain.Session{ID: "trs_bare", ProjectID: project, UserID: "u", Version: 1, CreatedAt: t0, UpdatedAt: t0}
	bare.Config.Toolkits = &domain.Selection{}
	ok(t, s.CreateSession(ctx, bare))
	got := must(s.Session(ctx, project, bare.ID))(t)
	same(t, bare, got)
	if got.Config.Toolkits == nil || got.Config.Tags != nil || got.Config.Workbench.ProxyExecution != nil {
		t.Errorf("config came back as %+v", got.Config)
	}

	change := se
	change.Version, change.UpdatedAt, change.UserID = 2, at(3), "mallory"
	change.Config = domain.SessionConfig{Preload: domain.PreloadConfig{All: true}}
	ok(t, s.UpdateSession(ctx, project, change))
	want := change
	want.UserID = se.UserID // a session keeps its user
	same(t, want, must(s.Session(ctx, project, se.ID))(t))

	history := []domain.SessionVersion{
		{Version: 2, Config: change.Config, CreatedAt: change.UpdatedAt}, {Version: 1, Config: se.Config, CreatedAt: se.UpdatedAt},
	}
	for _, tc := range []struct {
		page store.Page
		want []domain.SessionVersion
	}{
		{store.Page{}, history}, {store.Page{Limit: 1}, history[:1]}, {store.Page{Offset: 1, Limit: 1}, history[1:]}, {store.Page{Offset: 2}, nil},
	} {
		got, total, err := s.SessionVersions(ctx, project, se.ID, tc.page)
		ok(t, err)
		same(t, tc.want, got)
		same(t, 2, total)
	}

	for _, version := range []int{0, 1, 2, 4} { // 3 would follow
		change.Version = version
		wantCode(t, s.UpdateSession(ctx, project, change), domain.CodeConflict)
	}
	change.ID, change.Version = "trs_none", 2
	wantCode(t, s.UpdateSession(ctx, project, change), domain.CodeNotFound)
	same(t, want, must(s.Session(ctx, project, se.ID))(t))
	if _, total, err := s.SessionVersions(ctx, project, se.ID, store.Page{}); err != nil || total != 2 {
		t.Errorf("after changes that lost: %d versions, %v", total, err)
	}

	ok(t, s.DeleteSession(ctx, project, se.ID))
	wantCode(t, s.DeleteSession(ctx, project, se.ID), domain.CodeNotFound)
	_, err = s.Session(ctx, project, se.ID)
	wantCode(t, err, domain.CodeNotFound)
	if got, total, err := s.SessionVersions(ctx, project, se.ID, store.Page{}); err != nil || len(got)+total != 0 {
		t.Errorf("versions of a session that went: %v of %d, %v", got, total, err)
	}
}

// Each of many writers adds one: with compare and swap no addition is lost.
func testSessionRace(t *testing.T, s store.Store) {
	w := newWorld(t, s)
	ctx := t.Context()
	project, id := w.a.project.ID, w.a.session.ID
	atOnce(t, 8, func(i int) (struct{}, error) {
		for {
			se, err := s.Session(ctx, project, id)
			if err != nil {
				return struct{}{}, err
			}
			se.Version++
			se.Config.Preload.Tools = append(se.Config.Preload.Tools, fmt.Sprintf("TOOL_%d", i))
			err = s.UpdateSession(ctx, project, se)
			if domain.CodeOf(err) != domain.CodeConflict {
				return struct{}{}, err
			}
		}
	})
	got := must(s.Session(ctx, project, id))(t)
	if _, total, err := s.SessionVersions(ctx, project, id, store.Page{}); err != nil || total != 9 {
		t.Errorf("%d versions are kept, %v", total, err)
	}
	if got.Version != 9 || len(got.Config.Preload.Tools) != 9 {
		t.Errorf("version %d, tools %v", got.Version, got.Config.Preload.Tools)
	}
}

func testExecutions(t *testing.T, s store.Store) {
	w := newWorld(t, s)
	ctx := t.Context()
	same(t, w.a.exec, must(s.Execution(ctx, w.a.project.ID, w.a.exec.ID))(t))
	_, err := s.Execution(ctx, w.a.project.ID, "log_none")
	wantCode(t, err, domain.CodeNotFound)
	wantCode(t, s.RecordExecution(ctx, w.a.exec), domain.CodeConflict)
	wantCode(t, s.RecordExecution(ctx, execution("pr_none", "log_lost", 1)), domain.CodeNotFound)
	// A refused call may know little more than its project.
	little := domain.Execution{ID: "log_little", ProjectID: w.a.project.ID, Outcome: domain.OutcomeRefused, StartedAt: t0}
	ok(t, s.RecordExecution(ctx, little))
	same(t, little, must(s.Execution(ctx, w.a.project.ID, little.ID))(t))
	// Finer than a microsecond is cut, not refused.
	fine := little
	fine.ID, fine.StartedAt, fine.Duration = "log_fine", t0.Add(999), 1999*time.Nanosecond
	ok(t, s.RecordExecution(ctx, fine))
	fine.StartedAt, fine.Duration = t0, time.Microsecond
	same(t, fine, must(s.Execution(ctx, w.a.project.ID, fine.ID))(t))
}

func testExecutionLists(t *testing.T, s store.Store) {
	w := newWorld(t, s)
	ctx := t.Context()
	project := w.a.project.ID
	add := func(id string, minutes int, change func(*domain.Execution)) {
		e := execution(project, id, minutes)
		change(&e)
		ok(t, s.RecordExecution(ctx, e))
	}
	add("log_1", 1, func(e *domain.Execution) { e.SessionID = "" })
	add("log_2", 2, func(e *domain.Execution) { e.SessionID = "trs_y" })
	add("log_3", 3, func(e *domain.Execution) { e.UserID = "bob" })
	add("log_4", 3, func(e *domain.Execution) { e.Tool = "GMAIL_SEND" })
	add("log_5", 3, func(e *domain.Execution) { e.Outcome, e.ErrorCode, e.Error = domain.OutcomeOK, "", "" })
	type f = store.ExecutionFilter
	for _, tc := range []struct {
		name   string
		filter f
		page   store.Page
		want   string
		total  int
	}{
		{"all", f{}, store.Page{}, "log_5 log_4 log_3 log_2 log_1 log_a", 6},
		{"session", f{SessionID: "trs_y"}, store.Page{}, "log_2", 1},
		{"user", f{UserID: "bob"}, store.Page{}, "log_3", 1},
		{"tool", f{Tool: "GMAIL_SEND"}, store.Page{}, "log_4", 1},
		{"outcome", f{Outcome: "ok"}, store.Page{}, "log_5", 1},
		{"together", f{SessionID: "trs_x", UserID: "user", Tool: "CONFLUENCE_GET_PAGE_BY_ID", Outcome: "refused"}, store.Page{}, "log_a", 1},
		{"none", f{UserID: "nobody"}, store.Page{}, "", 0},
		{"a window", f{}, store.Page{Offset: 2, Limit: 3}, "log_3 log_2 log_1", 6},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got, total, err := s.ListExecutions(ctx, project, tc.filter, tc.page)
			ok(t, err)
			if g := executionIDs(got); g != tc.want || total != tc.total {
				t.Errorf("got %q of %d, want %q of %d", g, total, tc.want, tc.total)
			}
		})
	}
}

func testToolkitUse(t *testing.T, s store.Store) {
	w := newWorld(t, s)
	for i, slug := range []string{"gmail", "gmail", "old", "clock"} {
		e := execution(w.a.project.ID, fmt.Sprintf("log_%d", i), 10+i)
		if e.Toolkit = slug; slug == "old" {
			e.StartedAt = at(4)
		}
		ok(t, s.RecordExecution(t.Context(), e))
	}
	same(t, map[string]int{"gmail": 2, "clock": 1}, must(s.ToolkitUse(t.Context(), w.a.project.ID, at(5)))(t))
}

// What agents and upstreams make up must not cost the record.
func testExecutionOddText(t *testing.T, s store.Store) {
	w := newWorld(t, s)
	e := execution(w.a.project.ID, "log_odd", 1)
	e.Tool, e.Error, e.UserID = "NO_SUCH\x00TOOL\xff", "upstream said \xc3\x28\x00", "u\x00"
	ok(t, s.RecordExecution(t.Context(), e))
	e.Tool, e.Error, e.UserID = "NO_SUCH\uFFFDTOOL\uFFFD", "upstream said \uFFFD(\uFFFD", "u\uFFFD"
	same(t, e, must(s.Execution(t.Context(), e.ProjectID, e.ID))(t))
}
