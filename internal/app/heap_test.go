package app_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strings"
	"testing"
	"time"

	"github.com/sluice-run/sluice/internal/app"
	"github.com/sluice-run/sluice/internal/config"
	"github.com/sluice-run/sluice/internal/domain"
	"github.com/sluice-run/sluice/internal/vault"
	"github.com/sluice-run/sluice/toolkit"
)

// heapEnv makes the test binary a router that writes its heap to a file whenever
// it is told one: "home upstream".
const heapEnv = "APP_TEST_HEAP"

// canary is in the child's heap as long as it lives.
const canary = "the-canary-"

func heapChild(job string) error {
	home, upstream, _ := strings.Cut(job, " ")
	ctx := context.Background()
	cfg := testConfig(home)
	cfg.APIKey, cfg.Sandbox, cfg.UpstreamAllow = "", false, config.CIDRs{netip.MustParsePrefix("127.0.0.0/8")}
	a, err := app.New(ctx, app.Options{Config: cfg, LogOutput: io.Discard, Toolkits: []*toolkit.Toolkit{leaky(upstream)}})
	if err != nil {
		return err
	}
	defer a.Stop(ctx)
	if err := a.Start(ctx); err != nil {
		return err
	}
	bird := bytes.Repeat([]byte(canary), 2)
	fmt.Println(a.URL(), a.FirstKey(), a.ProjectID())
	for orders := bufio.NewScanner(os.Stdin); orders.Scan(); {
		for range 4 { // pools keep what they hold for two collections
			runtime.GC()
		}
		debug.FreeOSMemory()
		f, err := os.Create(orders.Text())
		if err != nil {
			return err
		}
		debug.WriteHeapDump(f.Fd())
		if err := f.Close(); err != nil {
			return err
		}
		fmt.Println("written")
	}
	runtime.KeepAlive(bird)
	return nil
}

// While a call runs, its token is in the memory of the router; after it, nowhere:
// the heap of a router of its own process is searched.
func TestPlaintextLivesForOneCall(t *testing.T) {
	t.Parallel()
	token := "token-" + domain.NewSecret("")
	arrived, goOn := make(chan string, 1), make(chan struct{})
	upstream := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		arrived <- r.Header.Get("X-Token")
		<-goOn
	}))
	t.Cleanup(upstream.Close)
	home := filepath.Join(t.TempDir(), "home")
	self, err := os.Executable()
	must(t, err)
	cmd := exec.CommandContext(t.Context(), self)
	cmd.Env = append(os.Environ(), heapEnv+"="+home+" "+upstream.URL)
	cmd.Stderr = os.Stderr
	orders, err := cmd.StdinPipe()
	must(t, err)
	out, err := cmd.StdoutPipe()
	must(t, err)
	must(t, cmd.Start())
	t.Cleanup(func() { _ = orders.Close(); _ = cmd.Wait() })
	lines := bufio.NewReader(out)
	var url, key, project string
	_, err = fmt.Fscanln(lines, &url, &key, &project)
	must(t, err)

	// The account is made from here: the router meets its token in calls only.
	db := openDatabase(t, app.Config{Home: home})
	v := openHomeVault(t, db, home)
	now := time.Now()
	must(t, db.CreateAuthConfig(t.Context(), domain.AuthConfig{
		ID: "ac_heap", ProjectID: project, Toolkit: "leaky", Scheme: domain.SchemeAPIKey, Origin: domain.OriginProject, CreatedAt: now,
	}))
	other := "other-" + domain.NewSecret("")
	for user, secret := range map[string]string{"ann": token, "bob": other} {
		id := "ca_" + user
		must(t, db.CreateAccount(t.Context(), domain.ConnectedAccount{
			ID: id, ProjectID: project, UserID: user, Toolkit: "leaky", AuthConfigID: "ac_heap", Scheme: domain.SchemeAPIKey,
			Origin: domain.OriginProject, Status: domain.AccountActive, CreatedAt: now, UpdatedAt: now,
		}))
		sealed, err := v.Seal(t.Context(), vault.Ref{ProjectID: project, AccountID: id, Field: "api_token"}, []byte(secret))
		must(t, err)
		must(t, db.PutSecret(t.Context(), project, id, "api_token", sealed))
	}

	dump := func() []byte {
		t.Helper()
		name := filepath.Join(t.TempDir(), "heap")
		_, err := fmt.Fprintln(orders, name)
		must(t, err)
		if line, err := lines.ReadString('\n'); err != nil || line != "written\n" {
			t.Fatalf("the router said %q, %v", line, err)
		}
		data, err := os.ReadFile(name)
		must(t, err)
		if !bytes.Contains(data, []byte(canary+canary)) {
			t.Fatalf("a dump of %d bytes without what is known to be in it", len(data))
		}
		return data
	}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	post := func(path, body string) string {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url+path, strings.NewReader(body))
		if err != nil {
			return err.Error()
		}
		req.Header.Set("X-Api-Key", key)
		req.Header.Set("Content-Type", "application/json")
		res, err := client.Do(req)
		if err != nil {
			return err.Error()
		}
		defer res.Body.Close()
		b, _ := io.ReadAll(res.Body)
		return string(b)
	}
	call := func(user string) string {
		_, rest, _ := strings.Cut(post(sessions, `{"user_id":"`+user+`","toolkits":{"enable":["leaky"]}}`), `"session_id":"`)
		session, _, _ := strings.Cut(rest, `"`)
		return post(sessions+"/"+session+"/execute", `{"tool_slug":"LEAKY_CALL","arguments":{}}`)
	}
	ended := make(chan string, 1)
	go func() { ended <- call("ann") }()
	select {
	case got := <-arrived:
		if got != token {
			t.Fatalf("upstream got another token than was sealed: %.10s", got)
		}
	case answer := <-ended:
		t.Fatalf("the call ended without upstream: %s", answer)
	}
	if !bytes.Contains(dump(), []byte(token)) {
		t.Error("the token is not found in the midst of its call: the search is blind")
	}
	close(goOn)
	if answer := <-ended; !strings.Contains(answer, `"log_id"`) {
		t.Fatalf("the call: %s", answer)
	}
	// A connection that is kept holds the last request in its buffer until the
	// next one; closed, until its idle timer would have run out. Bob's is next.
	if answer := call("bob"); !strings.Contains(answer, `"log_id"`) || <-arrived != other {
		t.Fatalf("the next call: %s", answer)
	}
	data := dump()
	for what, held := range map[string][]byte{"the token": []byte(token), "the token in base64": []byte(base64.StdEncoding.EncodeToString([]byte(token)))} {
		if at := bytes.Index(data, held); at >= 0 {
			t.Errorf("after the call %s is in the heap: %q", what, data[max(0, at-200):min(len(data), at+40)])
		}
	}
}
