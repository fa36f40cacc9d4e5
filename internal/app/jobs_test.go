package app_test

import (
	"crypto/sha256"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/sluice-run/sluice/internal/app"
	"github.com/sluice-run/sluice/internal/domain"
	"github.com/sluice-run/sluice/internal/store"
)

// What has run out is cleared away soon after a start; what has not stays.
func TestDuties(t *testing.T) { onBoth(t, testDuties) }

func testDuties(t *testing.T, in func(*app.Options)) {
	r := newApp(t, func(o *app.Options) { in(o); o.Config.KeepExecutions, o.Config.Metrics = 7, true })
	ctx, db, project := t.Context(), r.database(), r.ProjectID()
	now := time.Now().UTC().Truncate(time.Microsecond)
	ac := domain.AuthConfig{ID: "ac_1", ProjectID: project, Toolkit: "confluence", Scheme: domain.SchemeAPIKey, CreatedAt: now, UpdatedAt: now}
	must(t, db.CreateAuthConfig(ctx, ac))
	for name, age := range map[string]time.Duration{"old": 8 * 24 * time.Hour, "young": time.Hour} {
		then := now.Add(-age)
		must(t, db.RecordExecution(ctx, domain.Execution{ID: "log_" + name, ProjectID: project, Outcome: domain.OutcomeOK, StartedAt: then}))
		for status, id := range map[domain.AccountStatus]string{domain.AccountInitiated: "ca_waiting_" + name, domain.AccountActive: "ca_active_" + name, domain.AccountExpired: "ca_lapsed_" + name} {
			must(t, db.CreateAccount(ctx, domain.ConnectedAccount{
				ID: id, ProjectID: project, UserID: "ann", Toolkit: "confluence", AuthConfigID: ac.ID, Scheme: ac.Scheme, Status: status,
				WordID: id, CreatedAt: then, UpdatedAt: then,
			}))
			must(t, db.CreateLink(ctx, domain.ConnectLink{
				TokenHash: sha256.Sum256([]byte(id)), ProjectID: project, AccountID: id, CreatedAt: then, ExpiresAt: then.Add(10 * time.Minute),
			}))
		}
		must(t, db.CreateFlow(ctx, domain.OAuthFlow{
			StateHash: sha256.Sum256([]byte(name)), ProjectID: project, AccountID: "ca_active_" + name, CreatedAt: then, ExpiresAt: then.Add(10 * time.Minute),
		}))
		f := domain.File{
			ProjectID: project, Key: "file_" + name, Name: name, MIME: "text/plain", SHA256: sha256.Sum256([]byte(name)),
			CreatedAt: then, ExpiresAt: then.Add(24 * time.Hour),
		}
		if added, err := db.AddFile(ctx, f, 1<<20); err != nil || !added {
			t.Fatal(added, err)
		}
	}
	must(t, db.PutSecret(ctx, project, "ca_active_old", "pending_grant", []byte("of a walk that nobody ended")))
	has := func() string {
		var out []string
		for _, name := range []string{"old", "young"} {
			_, log := db.Execution(ctx, project, "log_"+name)
			_, waiting := db.Account(ctx, project, "ca_waiting_"+name)
			_, active := db.Account(ctx, project, "ca_active_"+name)
			_, lapsed := db.Account(ctx, project, "ca_lapsed_"+name)
			_, flow := db.FlowByState(ctx, sha256.Sum256([]byte(name)))
			_, link := db.LinkByHash(ctx, sha256.Sum256([]byte("ca_active_"+name)))
			_, file := db.File(ctx, project, "file_"+name)
			for what, err := range map[string]error{"log": log, "waiting": waiting, "active": active, "link": link, "file": file, "lapsed": lapsed, "flow": flow} {
				if err == nil {
					out = append(out, what+" "+name)
				} else if domain.CodeOf(err) != domain.CodeNotFound {
					t.Fatal(err)
				}
			}
		}
		secrets, err := db.Secrets(ctx, project, "ca_active_old")
		if err != nil {
			t.Fatal(err)
		}
		for field := range secrets {
			out = append(out, field)
		}
		return strings.Join(out, ", ")
	}
	if n := strings.Count(has(), ","); n != 14 {
		t.Fatalf("at first there is %s", has())
	}
	must(t, r.Start(ctx))
	eventually(t, 30*time.Second, "clearing away", func() bool { return strings.Count(has(), ",") == 7 })
	if got := has(); strings.Count(got, "young") != 7 || !strings.Contains(got, "active old") {
		t.Errorf("left: %s", got)
	}
	eventually(t, 10*time.Second, "the metrics", func() bool {
		a := r.send(http.MethodGet, "/metrics", "")
		return strings.Contains(a.body, `sluice_job_duration_seconds_count{kind="prune_executions",outcome="done"} 1`)
	})
	if list, _, err := db.ListExecutions(ctx, project, store.ExecutionFilter{}, store.Page{}); err != nil || len(list) != 1 {
		t.Errorf("records %v, %v", list, err)
	}
}
