package app_test

import (
	"bufio"
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/sluice-run/sluice/internal/app"
	"github.com/sluice-run/sluice/internal/domain"
)

// binary builds the program. Short runs are for the race detector, which does not
// look into programs: they do without tests of it.
func binary(t *testing.T) string {
	t.Helper()
	if testing.Short() {
		t.Skip("a program is not looked into by the race detector")
	}
	tool, err := exec.LookPath("go")
	if err != nil {
		t.Fatalf("building the program needs the go command: %v", err)
	}
	name := filepath.Join(t.TempDir(), "sluice")
	cmd := exec.CommandContext(t.Context(), tool, "build", "-buildvcs=false", "-ldflags=-s -w", "-o", name, "../../cmd/sluice")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("building: %v\n%s", err, out)
	}
	return name
}

// serve runs the program until the returned command is killed, and gives what it
// printed on its start.
func serve(t *testing.T, program, home string, env ...string) (cmd *exec.Cmd, url, key string) {
	t.Helper()
	cmd = exec.CommandContext(t.Context(), program, "serve", "--sandbox")
	cmd.Env = []string{"SLUICE_HOME=" + home, "SLUICE_ADDR=127.0.0.1:0", "HOME=" + home, "PATH=" + os.Getenv("PATH"), "SLUICE_LOG_LEVEL=error"}
	cmd.Env = append(cmd.Env, env...)
	out, err := cmd.StdoutPipe()
	must(t, err)
	errs := &logBuffer{}
	cmd.Stderr = errs
	must(t, cmd.Start())
	t.Cleanup(func() {
		_ = cmd.Process.Kill() // where the test did not
		_ = cmd.Wait()
	})
	greeting := ""
	for lines := bufio.NewScanner(out); lines.Scan(); {
		greeting += lines.Text() + "\n"
		if strings.Contains(lines.Text(), "COMPOSIO_BASE_URL=") {
			key = regexp.MustCompile(`ak_\w+`).FindString(greeting)
			_, url, _ = strings.Cut(lines.Text(), "COMPOSIO_BASE_URL=")
			return cmd, strings.TrimSpace(url), key
		}
	}
	t.Fatalf("it did not start: %s%s", greeting, errs)
	return nil, "", ""
}

// acknowledged is what the router said it had done.
type acknowledged struct {
	mu       sync.Mutex
	sessions []string
	logs     []string
}

func (a *acknowledged) count() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return min(len(a.sessions), len(a.logs))
}

// What was acknowledged survives the program's being killed in the midst of
// writing, and the home opens again.
func TestKilledRouterLosesNothing(t *testing.T) { onBoth(t, testKilledRouterLosesNothing) }

func testKilledRouterLosesNothing(t *testing.T, in func(*app.Options)) {
	opts := app.Options{Config: app.Config{Home: filepath.Join(t.TempDir(), "home")}}
	in(&opts)
	program, home, database := binary(t), opts.Config.Home, "SLUICE_DATABASE="+opts.Config.Database.Reveal()
	cmd, url, key := serve(t, program, home, database)
	if key == "" {
		t.Fatal("the first start printed no key")
	}
	done := &acknowledged{}
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 16}}
	defer client.CloseIdleConnections()
	post := func(path, body string) (map[string]any, error) {
		req, err := http.NewRequestWithContext(context.WithoutCancel(t.Context()), http.MethodPost, url+path, strings.NewReader(body))
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
		var out map[string]any
		if err := json.NewDecoder(res.Body).Decode(&out); err != nil {
			return nil, err
		}
		if res.StatusCode > 201 {
			return nil, fmt.Errorf("%d %v", res.StatusCode, out)
		}
		return out, nil
	}
	const enough = 1000
	var wg sync.WaitGroup
	for w := range 4 {
		wg.Go(func() {
			for i := 0; ; i++ { // until it is killed
				out, err := post(sessions, fmt.Sprintf(`{"user_id":"user-%d"}`, w))
				if err != nil {
					return
				}
				id, _ := out["session_id"].(string)
				done.mu.Lock()
				done.sessions = append(done.sessions, id)
				done.mu.Unlock()
				out, err = post(sessions+"/"+id+"/execute", fmt.Sprintf(
					`{"tool_slug":"CONFLUENCE_CREATE_PAGE","arguments":{"spaceId":"MKT","title":"Page %d of %d","body":{"storage":{"value":"<p>x</p>","representation":"storage"}}}}`, i, w))
				if err != nil {
					return
				}
				log, _ := out["log_id"].(string)
				done.mu.Lock()
				done.logs = append(done.logs, log)
				done.mu.Unlock()
			}
		})
	}
	eventually(t, 2*time.Minute, "writes", func() bool { return done.count() >= enough })
	must(t, cmd.Process.Kill())
	wg.Wait()
	_ = cmd.Wait() // it was killed

	cmd, url, again := serve(t, program, home, database)
	if again != "" {
		t.Error("the second start printed a key")
	}
	db := openDatabase(t, opts.Config)
	projects, err := db.ListProjects(t.Context())
	if err != nil || len(projects) != 1 {
		t.Fatalf("projects %v, %v", projects, err)
	}
	for _, id := range done.sessions {
		if _, err := db.Session(t.Context(), projects[0].ID, id); err != nil {
			t.Errorf("a session is lost: %v", err)
		}
	}
	for _, id := range done.logs {
		if e, err := db.Execution(t.Context(), projects[0].ID, id); err != nil || e.Outcome != domain.OutcomeOK {
			t.Errorf("a record is lost: %+v, %v", e, err)
		}
	}
	if opts.Config.Database == "" {
		checkIntegrity(t, filepath.Join(home, "sluice.db"))
	}
	// It works on: the first start's key, the old sessions, and their user's
	// account with a new identity in the new sandbox.
	out, err := post(sessions+"/"+done.sessions[0]+"/execute", `{"tool_slug":"CONFLUENCE_GET_CURRENT_USER","arguments":{}}`)
	if err != nil || out["error"] != nil {
		t.Errorf("a call after the restart: %v, %v", out, err)
	}
	must(t, db.Close())

	// Told to end, it does so in order.
	client.CloseIdleConnections()
	must(t, cmd.Process.Signal(syscall.SIGTERM))
	if err := cmd.Wait(); err != nil {
		t.Errorf("SIGTERM: %v", err)
	}
	if left, _ := filepath.Glob(filepath.Join(home, "*-wal")); len(left) != 0 {
		t.Errorf("the database was not closed: %v", left)
	}
	t.Logf("%d sessions and %d records were acknowledged", len(done.sessions), len(done.logs))
}

func checkIntegrity(t *testing.T, path string) {
	t.Helper()
	raw, err := sql.Open("sqlite", path)
	must(t, err)
	defer raw.Close()
	var verdict string
	must(t, raw.QueryRowContext(t.Context(), `PRAGMA integrity_check`).Scan(&verdict))
	if verdict != "ok" {
		t.Errorf("integrity: %s", verdict)
	}
}
