package app_test

import (
	"bytes"
	"context"
	"database/sql"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/sluice-run/sluice/internal/app"
	"github.com/sluice-run/sluice/internal/config"
	"github.com/sluice-run/sluice/internal/domain"
	"github.com/sluice-run/sluice/sandbox/confluence"
)

func TestStartAndStop(t *testing.T) { onBoth(t, testStartAndStop) }

func testStartAndStop(t *testing.T, in func(*app.Options)) {
	r := newApp(t, in)
	if r.Addr() != "" {
		t.Errorf("address %q before the start", r.Addr())
	}
	must(t, r.Start(t.Context()))
	if err := r.Start(t.Context()); err == nil {
		t.Error("started twice")
	}
	if a := r.send(http.MethodGet, "/readyz", ""); a.status != http.StatusOK {
		t.Errorf("after a second start: %v", a)
	}
	for range 2 {
		must(t, r.Stop(t.Context()))
	}
	if err := r.Start(t.Context()); err == nil {
		t.Error("started after its end")
	}
	if _, err := r.try(t.Context(), http.MethodGet, "/healthz", ""); err == nil {
		t.Error("answers after its end")
	}
	select {
	case err := <-r.Failed():
		t.Errorf("a stop is no failure: %v", err)
	default:
	}
	// The home is free again.
	again := testApp(t, func(o *app.Options) { o.Config = r.cfg })
	again.session("ann", "")
}

func TestStopBeforeStart(t *testing.T) {
	t.Parallel()
	r := newApp(t, nil)
	must(t, r.Stop(t.Context()))
	must(t, r.Stop(t.Context()))
}

// A stop lets calls finish on either door, and ends streams, which wait for
// nothing.
func TestStopDrains(t *testing.T) { onBoth(t, testStopDrains) }

func testStopDrains(t *testing.T, in func(*app.Options)) {
	r := testApp(t, in)
	id := r.session("ann", "")
	if res := r.execute(id, "CONFLUENCE_GET_CURRENT_USER", `{}`).result(t); !res.Successful {
		t.Fatalf("%+v", res)
	}
	streamEnds := r.stream(id)

	// Calls wait in the sandbox until the stop has begun.
	r.Site().Fail(confluence.Fault{Path: "/spaces", Times: 2, Delay: 700 * time.Millisecond})
	before := r.Site().Requests()
	var wg sync.WaitGroup
	answers := make([]answer, 2)
	wg.Go(func() { answers[0] = r.call(id, "CONFLUENCE_GET_SPACES", `{}`) })
	wg.Go(func() { answers[1] = r.execute(id, "CONFLUENCE_GET_SPACES", `{}`) })
	eventually(t, 10*time.Second, "both calls upstream", func() bool { return r.Site().Requests() >= before+2 })
	stopped := make(chan error, 1)
	go func() { stopped <- r.Stop(context.WithoutCancel(t.Context())) }()
	select {
	case <-streamEnds:
	case <-time.After(5 * time.Second):
		t.Error("the stream goes on")
	}
	wg.Wait()
	for i, a := range answers {
		if res := a.result(t); !res.Successful {
			t.Errorf("call %d was cut: %v", i, a)
		}
	}
	must(t, <-stopped)
}

// What does not end in its time is cut, and the stop goes through.
func TestStopCutsWhatHangs(t *testing.T) {
	t.Parallel()
	r := testApp(t, func(o *app.Options) { o.Times.Drain = 50 * time.Millisecond })
	id := r.session("ann", "")
	r.execute(id, "CONFLUENCE_GET_CURRENT_USER", `{}`)
	r.Site().Fail(confluence.Fault{Times: -1, Hang: true})
	before := r.Site().Requests()
	ended := make(chan struct{}, 2)
	for _, path := range []string{mcpPath(id), sessions + "/" + id + "/execute"} {
		body := `{"tool_slug":"CONFLUENCE_GET_SPACES","arguments":{}}`
		if strings.HasPrefix(path, "/tool_router/") {
			body = mcpBody("CONFLUENCE_GET_SPACES", `{}`)
		}
		go func() {
			_, _ = r.try(context.WithoutCancel(t.Context()), http.MethodPost, path, body, mcpHeader("tools/call", "CONFLUENCE_GET_SPACES")...)
			ended <- struct{}{}
		}()
	}
	eventually(t, 10*time.Second, "both calls upstream", func() bool { return r.Site().Requests() >= before+2 })
	start := time.Now()
	must(t, r.Stop(context.WithoutCancel(t.Context())))
	if took := time.Since(start); took > 10*time.Second {
		t.Errorf("the stop took %v", took)
	}
	for range 2 {
		<-ended
	}
}

func TestTakenPort(t *testing.T) {
	t.Parallel()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	defer ln.Close()
	r := newApp(t, func(o *app.Options) { o.Config.Addr = ln.Addr().String() })
	err = r.Start(t.Context())
	if domain.CodeOf(err) != domain.CodeUnavailable || !strings.Contains(told(err), ln.Addr().String()) || !strings.Contains(told(err), "--addr") {
		t.Errorf("a taken port: %v", err)
	}
	must(t, r.Stop(t.Context()))
}

func TestInsecureListenIsRefused(t *testing.T) {
	t.Parallel()
	for _, addr := range []string{"0.0.0.0:0", "[::]:0", ":0", "192.0.2.1:0", "router.example:0"} {
		cfg := testConfig(t.TempDir())
		cfg.Addr = addr
		_, err := app.New(t.Context(), app.Options{Config: cfg, LogOutput: &logBuffer{}})
		if err == nil || !strings.Contains(told(err), "tls_cert") {
			t.Errorf("%s: %v", addr, err)
		}
		if left, _ := filepath.Glob(filepath.Join(cfg.Home, "*")); len(left) != 0 {
			t.Errorf("%s left %v", addr, left)
		}
	}
	testApp(t, func(o *app.Options) { o.Config.Addr, o.Config.AllowInsecureListen = "0.0.0.0:0", true })
}

func TestNewerDatabase(t *testing.T) {
	t.Parallel()
	r := newApp(t, nil)
	must(t, r.Stop(t.Context()))
	name := filepath.Join(r.cfg.Home, "sluice.db")
	db, err := sql.Open("sqlite", name)
	must(t, err)
	_, err = db.ExecContext(t.Context(), `INSERT INTO goose_db_version (version_id, is_applied) VALUES (99999, 1)`)
	must(t, err)
	must(t, db.Close())
	before := snapshot(t, r.cfg.Home)
	_, err = app.New(t.Context(), app.Options{Config: r.cfg, LogOutput: &logBuffer{}})
	if domain.CodeOf(err) != domain.CodeUnsupported || !strings.Contains(err.Error(), "newer") {
		t.Errorf("a newer database: %v", err)
	}
	sameHome(t, before, r.cfg.Home)
}

// A home without its key, or with another's, is refused and stays as it is.
func TestKeyFileIsGuarded(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		spoil func(t *testing.T, key string)
		says  string
	}{
		"missing": {func(t *testing.T, key string) { must(t, os.Remove(key)) }, "is missing"},
		"wrong": {func(t *testing.T, key string) {
			must(t, os.WriteFile(key, []byte("q6urq6urq6urq6urq6urq6urq6urq6urq6urq6urqAA=\n"), 0o600))
		}, "key"},
		"empty":              {func(t *testing.T, key string) { must(t, os.Truncate(key, 0)) }, "does not hold a key"},
		"readable by others": {func(t *testing.T, key string) { must(t, os.Chmod(key, 0o644)) }, "chmod 600"},
		"a folder": {func(t *testing.T, key string) {
			must(t, os.Remove(key))
			must(t, os.Mkdir(key, 0o700))
		}, "key file"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := testApp(t, nil)
			if res := r.execute(r.session("ann", ""), "CONFLUENCE_GET_CURRENT_USER", `{}`).result(t); !res.Successful {
				t.Fatalf("%+v", res)
			}
			must(t, r.Stop(t.Context()))
			key := filepath.Join(r.cfg.Home, "key-encryption-key")
			secret, err := os.ReadFile(key)
			must(t, err)
			tt.spoil(t, key)
			before := snapshot(t, r.cfg.Home)
			for range 2 {
				_, err = app.New(t.Context(), app.Options{Config: r.cfg, LogOutput: &logBuffer{}})
				if err == nil || !strings.Contains(told(err), tt.says) || !strings.Contains(err.Error(), key) {
					t.Errorf("got %v, want %q and %s", err, tt.says, key)
				}
				leaks(t, "the error", strings.ReplaceAll(err.Error(), key, ""), strings.TrimSpace(string(secret)))
				sameHome(t, before, r.cfg.Home)
			}
		})
	}
}

// The same holds for a key that the configuration gives.
func TestGivenKeyEncryptionKey(t *testing.T) {
	t.Parallel()
	given := func(o *app.Options) {
		o.Config.KeyEncryptionKey = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="
	}
	r := testApp(t, given)
	if res := r.execute(r.session("ann", ""), "CONFLUENCE_GET_CURRENT_USER", `{}`).result(t); !res.Successful {
		t.Fatalf("%+v", res)
	}
	must(t, r.Stop(t.Context()))
	before := snapshot(t, r.cfg.Home)
	if _, ok := before["key-encryption-key"]; ok {
		t.Error("a key file besides the given key")
	}
	for name, key := range map[string]config.Secret{
		"another": "ZmVkY2JhOTg3NjU0MzIxMGZlZGNiYTk4NzY1NDMyMTA=", "none": "", "no key": "MDEyMzQ1",
	} {
		cfg := r.cfg
		cfg.KeyEncryptionKey = key
		_, err := app.New(t.Context(), app.Options{Config: cfg, LogOutput: &logBuffer{}})
		if err == nil || key != "" && strings.Contains(told(err), string(key)) {
			t.Errorf("%s: %v", name, err)
		}
		sameHome(t, before, r.cfg.Home)
	}
	testApp(t, func(o *app.Options) { o.Config = r.cfg })
}

// Two routers on one home are one: what one changes holds at the other from the
// next request on.
func TestTwoRoutersOnOneHome(t *testing.T) { onBoth(t, testTwoRoutersOnOneHome) }

func testTwoRoutersOnOneHome(t *testing.T, in func(*app.Options)) {
	one := testApp(t, func(o *app.Options) { in(o); o.Config.Sandbox = false })
	two := testApp(t, func(o *app.Options) { o.Config = one.cfg })
	id := one.session("ann", "")
	const tool = "CONFLUENCE_GET_SPACES"
	list := fmt.Sprintf(`{"jsonrpc":"2.0","id":1,"method":"tools/list","params":{%s}}`, mcpMeta)
	listed := func() answer {
		return two.send(http.MethodPost, mcpPath(id), list, mcpHeader("tools/list", "")...)
	}
	says(t, "no account yet", two.execute(id, tool, `{}`), "", status(400), "1803")
	if a := listed(); strings.Contains(a.body, tool) {
		t.Errorf("listed already: %v", a)
	}
	stream := two.stream(id)
	a := one.send(http.MethodPatch, sessions+"/"+id, `{"toolkits":{"enable":["confluence"]},"preload":{"tools":["`+tool+`"]}}`)
	if a.status != http.StatusOK {
		t.Fatalf("patching: %v", a)
	}
	if a := listed(); !strings.Contains(a.body, tool) {
		t.Errorf("not listed yet: %v", a)
	}
	if a := one.send(http.MethodPatch, sessions+"/"+id, `{"preload":{"tools":[]},"tags":{"disable":["readOnlyHint"]}}`); a.status != http.StatusOK {
		t.Fatalf("patching: %v", a)
	}
	says(t, "hidden", two.execute(id, tool, `{}`), "", status(403), tool)
	if a := one.send(http.MethodDelete, sessions+"/"+id, ""); a.status >= 300 {
		t.Fatalf("deleting: %v", a)
	}
	says(t, "deleted", two.execute(id, tool, `{}`), "", status(404))
	says(t, "deleted", listed(), "", status(404))
	must(t, two.Stop(t.Context()))
	<-stream
	one.session("ann", "") // goes on
}

// snapshot gives the files of a home, without those that SQLite keeps beside
// an open database.
func snapshot(t *testing.T, home string) map[string]string {
	t.Helper()
	files := map[string]string{}
	entries, err := os.ReadDir(home)
	must(t, err)
	for _, e := range entries {
		if strings.HasSuffix(e.Name(), "-shm") || strings.HasSuffix(e.Name(), "-wal") {
			continue
		}
		data, _ := os.ReadFile(filepath.Join(home, e.Name())) // a folder has no bytes
		files[e.Name()] = string(data)
	}
	return files
}

func sameHome(t *testing.T, before map[string]string, home string) {
	t.Helper()
	after := snapshot(t, home)
	for name := range after {
		if _, ok := before[name]; !ok {
			t.Errorf("%s was made", name)
		}
	}
	for name, data := range before {
		if after[name] != data {
			t.Errorf("%s was changed", name)
		}
	}
}

// process starts the program as another process on a home; go lets it begin.
func process(t *testing.T, job string, env ...string) (cmd *exec.Cmd, begin func(), out, errs *logBuffer) {
	t.Helper()
	self, err := os.Executable()
	must(t, err)
	cmd = exec.CommandContext(t.Context(), self)
	cmd.Env = append(append(os.Environ(), childEnv+"="+job), env...)
	out, errs = &logBuffer{}, &logBuffer{}
	cmd.Stdout, cmd.Stderr = out, errs
	in, err := cmd.StdinPipe()
	must(t, err)
	must(t, cmd.Start())
	t.Cleanup(func() {
		_ = in.Close()
		_ = cmd.Wait() // again, where the test did already
	})
	return cmd, func() {
		if _, err := in.Write([]byte{1}); err != nil {
			t.Error(err)
		}
	}, out, errs
}

func TestTwoProcessesStartAtOnce(t *testing.T) {
	t.Parallel()
	home := filepath.Join(t.TempDir(), "home")
	const n = 3
	var begins []func()
	var outs, errs []*logBuffer
	for range n {
		_, begin, out, e := process(t, home)
		begins, outs, errs = append(begins, begin), append(outs, out), append(errs, e)
	}
	for _, begin := range begins {
		begin()
	}
	for i := range n {
		eventually(t, 20*time.Second, "process "+string(rune('1'+i)), func() bool {
			if e := errs[i].String(); e != "" {
				t.Fatal(e)
			}
			return strings.HasSuffix(outs[i].String(), "\n")
		})
	}
	// Any key that was printed opens every process, and there is one project.
	printed := 0
	for _, out := range outs {
		_, key, _ := strings.Cut(strings.TrimSpace(out.String()), " ")
		if key == "" {
			continue
		}
		printed++
		for _, other := range outs {
			url, _, _ := strings.Cut(strings.TrimSpace(other.String()), " ")
			req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url+"/api/v3.1/toolkits", nil)
			must(t, err)
			req.Header.Set("X-Api-Key", key)
			res, err := http.DefaultClient.Do(req)
			must(t, err)
			_ = res.Body.Close()
			if res.StatusCode != http.StatusOK {
				t.Errorf("%s with a key of another process: %d", url, res.StatusCode)
			}
		}
	}
	http.DefaultClient.CloseIdleConnections()
	if printed != 1 {
		t.Errorf("%d processes made a first key, want one", printed)
	}
	db := openDatabase(t, app.Config{Home: home})
	projects, err := db.ListProjects(t.Context())
	if err != nil || len(projects) != 1 {
		t.Errorf("projects %+v, %v", projects, err)
	}
}

// A home that cannot be written to is named, with what to do.
func TestUnwritableHome(t *testing.T) {
	t.Parallel()
	nobody := ""
	if syscall.Getuid() == 0 { // root writes everywhere
		nobody = " 65534"
	}
	outside := t.TempDir()
	must(t, os.Chmod(outside, 0o755))
	must(t, os.Chmod(filepath.Dir(outside), 0o755))
	closed := filepath.Join(outside, "closed")
	must(t, os.Mkdir(closed, 0o555))
	file := filepath.Join(outside, "file")
	must(t, os.WriteFile(file, nil, 0o644))
	for name, home := range map[string]string{
		"cannot be made": filepath.Join(closed, "home"), "read-only": closed, "a file": file,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cmd, begin, _, errs := process(t, home+nobody)
			begin()
			err := cmd.Wait()
			text := errs.String()
			if err == nil || !strings.Contains(text, home) {
				t.Errorf("%v: %s", err, text)
			}
			if !strings.Contains(text, "SLUICE_HOME") && !strings.Contains(text, "writ") {
				t.Errorf("it does not say what to do: %s", text)
			}
			if bytes.Contains([]byte(text), []byte("goroutine")) {
				t.Error("a stack")
			}
		})
	}
}
