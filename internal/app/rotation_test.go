package app_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sluice-run/sluice/internal/app"
	"github.com/sluice-run/sluice/internal/connect"
	"github.com/sluice-run/sluice/internal/domain"
	"github.com/sluice-run/sluice/internal/store"
	"github.com/sluice-run/sluice/internal/store/sqlstore"
	"github.com/sluice-run/sluice/internal/vault"
)

func openHomeVault(t *testing.T, db *sqlstore.DB, home string) *vault.Vault {
	t.Helper()
	v, err := vault.Open(t.Context(), vault.Options{
		Keys: vault.FileKey(filepath.Join(home, "key-encryption-key")), Load: db.LoadKeyset, Save: db.SaveKeyset,
	})
	must(t, err)
	return v
}

// seedSecrets makes n accounts with a secret each, beside the routers.
func seedSecrets(t *testing.T, db *sqlstore.DB, v *vault.Vault, n int) (project string, refs []vault.Ref) {
	t.Helper()
	projects, err := db.ListProjects(t.Context())
	must(t, err)
	project = projects[0].ID
	now := time.Now()
	must(t, db.CreateAuthConfig(t.Context(), domain.AuthConfig{
		ID: "ac_seed", ProjectID: project, Toolkit: "notes", Scheme: domain.SchemeAPIKey, Origin: domain.OriginProject, CreatedAt: now,
	}))
	must(t, db.InTx(t.Context(), func(tx store.Tx) error {
		for i := range n {
			ref := vault.Ref{ProjectID: project, AccountID: fmt.Sprintf("ca_seed%05d", i), Field: "token"}
			a := domain.ConnectedAccount{
				ID: ref.AccountID, ProjectID: project, UserID: fmt.Sprint("seed ", i), Toolkit: "notes", AuthConfigID: "ac_seed",
				Scheme: domain.SchemeAPIKey, Origin: domain.OriginProject, Status: domain.AccountActive, CreatedAt: now, UpdatedAt: now,
			}
			if err := tx.CreateAccount(t.Context(), a); err != nil {
				return err
			}
			sealed, err := v.Seal(t.Context(), ref, []byte("token of "+ref.AccountID))
			if err != nil {
				return err
			}
			if err := tx.PutSecret(t.Context(), project, ref.AccountID, ref.Field, sealed); err != nil {
				return err
			}
			refs = append(refs, ref)
		}
		return nil
	}))
	return project, refs
}

// traffic calls a tool as several users until stop, and counts; a call that fails
// fails the test.
func traffic(ctx context.Context, t *testing.T, wg *sync.WaitGroup, stop <-chan struct{}, url, key, name string, calls *atomic.Int64) {
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 8}}
	t.Cleanup(client.CloseIdleConnections)
	post := func(path, body string) (out map[string]any, err error) {
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, url+path, strings.NewReader(body))
		if err != nil {
			return nil, err
		}
		req.Header.Set("X-Api-Key", key)
		req.Header.Set("Content-Type", "application/json")
		res, err := client.Do(req)
		if err != nil {
			return nil, err
		}
		defer res.Body.Close()
		return out, json.NewDecoder(res.Body).Decode(&out)
	}
	for w := range 2 {
		wg.Go(func() {
			for i := 0; ; i++ {
				select {
				case <-stop:
					return
				default:
				}
				// A new user now and then: new secrets are sealed meanwhile.
				user := fmt.Sprintf("%s-%d-%d", name, w, i/20)
				out, err := post(sessions, fmt.Sprintf(`{"user_id":%q}`, user))
				id, _ := out["session_id"].(string)
				if err == nil {
					out, err = post(sessions+"/"+id+"/execute", `{"tool_slug":"CONFLUENCE_GET_CURRENT_USER","arguments":{}}`)
				}
				if err != nil || out["error"] != nil || out["data"] == nil {
					t.Errorf("a call of %s failed: %v %v", user, out, err)
					return
				}
				calls.Add(1)
			}
		})
	}
}

// Two routers serve users while both keys rotate in other processes, one of which
// is killed at its work: no call fails, no secret is lost, and in the end all are
// under the newest key.
func TestRotationUnderTraffic(t *testing.T) {
	t.Parallel()
	program, home := binary(t), filepath.Join(t.TempDir(), "home")
	_, first, key := serve(t, program, home)
	_, second, _ := serve(t, program, home)
	db := openDatabase(t, app.Config{Home: home})
	v := openHomeVault(t, db, home)
	const n = 2000
	_, refs := seedSecrets(t, db, v, n)

	stop, calls := make(chan struct{}), &atomic.Int64{}
	var wg sync.WaitGroup
	traffic(t.Context(), t, &wg, stop, first, key, "a", calls)
	traffic(t.Context(), t, &wg, stop, second, key, "b", calls)
	ended := sync.OnceFunc(func() { close(stop); wg.Wait() })
	defer ended()
	goOn := func() {
		now := calls.Load()
		eventually(t, 20*time.Second, "calls go on", func() bool { return t.Failed() || calls.Load() >= now+20 })
	}
	sluice := func(args ...string) *exec.Cmd {
		cmd := exec.CommandContext(t.Context(), program, args...)
		cmd.Env = []string{"SLUICE_HOME=" + home, "PATH=" + os.Getenv("PATH"), "HOME=" + home}
		return cmd
	}
	run := func(args ...string) string {
		t.Helper()
		out, err := sluice(args...).CombinedOutput()
		if err != nil {
			t.Fatalf("%v: %v\n%s", args, err, out)
		}
		return string(out)
	}
	old := v.Primary()
	goOn()

	// Killed when some are under the new key and some are not. On a busy machine
	// a rotation may be over before it is looked at: then the next one is killed.
	left := 0
	for try := 0; left == 0; try++ {
		if try == 50 {
			t.Fatal("fifty rotations were over before the kill")
		}
		under := vault.Mark(openHomeVault(t, db, home).Primary())
		count := func() int {
			n, err := db.CountSecrets(t.Context(), store.SecretFilter{Under: under})
			must(t, err)
			return n
		}
		before := count()
		cmd := sluice("vault", "rotate")
		must(t, cmd.Start())
		eventually(t, 20*time.Second, "sealing anew", func() bool { return count() < before })
		must(t, cmd.Process.Kill())
		_ = cmd.Wait() // it was killed, or done
		left = count()
	}
	goOn()
	if out := run("vault", "rotate"); !strings.Contains(out, "Finished what earlier rotations left") {
		t.Errorf("after a kill with %d left: %s", left, out)
	}
	for range 2 {
		before, err := os.ReadFile(filepath.Join(home, "key-encryption-key"))
		must(t, err)
		run("vault", "rotate", "--key-encryption-key")
		after, err := os.ReadFile(filepath.Join(home, "key-encryption-key"))
		must(t, err)
		if bytes.Equal(before, after) {
			t.Error("the key file is as before")
		}
		run("vault", "rotate")
		goOn()
	}
	ended()
	run("vault", "rotate", "--finish") // what the routers sealed in the last second with an old key

	// In other processes' eyes, and in those of this one, which was open all along.
	for name, v := range map[string]*vault.Vault{"new": openHomeVault(t, db, home), "old": v} {
		for _, ref := range refs {
			sealed, err := db.Secrets(t.Context(), ref.ProjectID, ref.AccountID)
			must(t, err)
			plain, err := v.Open(t.Context(), ref, sealed[ref.Field])
			if err != nil || string(plain) != "token of "+ref.AccountID {
				t.Fatalf("%s process: %s opens to %q, %v", name, ref.AccountID, plain, err)
			}
		}
	}
	stale, err := db.CountSecrets(t.Context(), store.SecretFilter{NotUnder: vault.Mark(v.Primary())})
	if err != nil || stale != 0 || v.Primary() == old {
		t.Errorf("%d secrets are under old keys, %v", stale, err)
	}
	t.Logf("%d calls went through; %d secrets were left at the kill", calls.Load(), left)
}

// The last use of an account is known after a stop, and costs calls no write.
func TestInventoryKnowsTheLastUse(t *testing.T) {
	t.Parallel()
	r := testApp(t, nil)
	began := time.Now().Add(-time.Second)
	r.execute(r.session("ann", ""), "CONFLUENCE_GET_CURRENT_USER", `{}`)
	r.session("bob", "")
	must(t, r.Stop(t.Context()))
	v, err := app.OpenVault(t.Context(), r.cfg)
	must(t, err)
	defer v.Close()
	var got []app.StoredSecret
	must(t, v.Inventory(t.Context(), app.VaultFilter{Toolkit: "confluence"}, func(s app.StoredSecret) error { got = append(got, s); return nil }))
	if len(got) != 1 || got[0].UserID != "ann" || got[0].LastUsed == nil || got[0].LastUsed.Before(began) || got[0].KeyState != "primary" {
		t.Errorf("%+v", got)
	}
}

// A revocation ends calls of running routers, asks the provider first with the
// secrets, and tells what became of each.
func TestRevoke(t *testing.T) {
	t.Parallel()
	r := testApp(t, nil)
	ids := map[string]string{}
	for _, user := range []string{"ann", "bob", "cleo"} {
		ids[user] = r.session(user, "")
		if res := r.execute(ids[user], "CONFLUENCE_GET_CURRENT_USER", `{}`).result(t); !res.Successful {
			t.Fatal(res)
		}
	}
	v, err := app.OpenVault(t.Context(), r.cfg)
	must(t, err)
	defer v.Close()
	var mu sync.Mutex
	told := map[string]bool{}
	byProvider := v.Revoker()
	v.SetRevoker(func(ctx context.Context, a *domain.ConnectedAccount) connect.Taken {
		mu.Lock()
		defer mu.Unlock()
		secrets, err := r.database().Secrets(ctx, a.ProjectID, a.ID)
		told[a.UserID] = err == nil && len(secrets) == 1 // they are destroyed only afterwards
		switch a.UserID {
		case "bob":
			return byProvider(ctx, a)
		case "cleo":
			return connect.Taken{Outcome: connect.NotTaken, Note: "it answered 500"}
		}
		return connect.Taken{Outcome: connect.TakenBack, Tokens: []string{"refresh_token"}}
	})
	accounts, err := v.Accounts(t.Context(), app.VaultFilter{})
	must(t, err)
	out, err := v.Revoke(t.Context(), accounts, true)
	must(t, err)
	states := map[string]string{}
	for _, o := range out {
		states[o.UserID] = o.Upstream
		if o.Destroyed != 1 || o.Error != "" || !told[o.UserID] || sandboxToken.MatchString(o.Detail) || (o.Detail == "") != (o.UserID == "ann") {
			t.Errorf("%+v, told %v", o, told[o.UserID])
		}
	}
	if fmt.Sprint(states) != "map[ann:revoked bob:unsupported cleo:failed]" {
		t.Errorf("%v", states)
	}
	db := r.database()
	if n, err := db.CountSecrets(t.Context(), store.SecretFilter{}); n != 0 || err != nil {
		t.Errorf("%d secrets are left, %v", n, err)
	}
	for _, a := range accounts {
		now, err := db.Account(t.Context(), a.ProjectID, a.ID)
		if err != nil || now.Status != domain.AccountRevoked {
			t.Errorf("%+v, %v", now, err)
		}
	}
	if again, err := v.Accounts(t.Context(), app.VaultFilter{}); len(again) != 0 || err != nil {
		t.Errorf("revoked accounts are listed again: %v, %v", again, err)
	}
}
