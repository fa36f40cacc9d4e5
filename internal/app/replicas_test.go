package app_test

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sluice-run/sluice/internal/app"
	"github.com/sluice-run/sluice/internal/config"
	"github.com/sluice-run/sluice/internal/domain"
	"github.com/sluice-run/sluice/internal/store/pgtest"
)

// replica is the program as a process of its own, with a home of its own.
type replica struct {
	t    *testing.T
	base string
	http *http.Client
}

// replicas starts n processes at the same moment on one empty database and gives
// them, the key that one of them made, and how to reach the database.
func replicas(t *testing.T, n int) ([]*replica, string, app.Config) {
	t.Helper()
	seal := make([]byte, 32)
	_, err := rand.Read(seal)
	must(t, err)
	cfg := app.Config{
		Home: t.TempDir(), Database: config.Secret(pgtest.URL(t)),
		KeyEncryptionKey: config.Secret(base64.StdEncoding.EncodeToString(seal)),
	}
	var begins []func()
	var outs, errs []*logBuffer
	for i := range n {
		_, begin, out, e := process(t, filepath.Join(t.TempDir(), fmt.Sprint("home", i)),
			databaseEnv+"="+cfg.Database.Reveal(), sealEnv+"="+cfg.KeyEncryptionKey.Reveal())
		begins, outs, errs = append(begins, begin), append(outs, out), append(errs, e)
	}
	for _, begin := range begins {
		begin()
	}
	client := &http.Client{Transport: &http.Transport{}, Timeout: 30 * time.Second}
	t.Cleanup(client.CloseIdleConnections)
	var all []*replica
	var keys []string
	for i := range n {
		eventually(t, 30*time.Second, fmt.Sprint("process ", i), func() bool {
			if e := errs[i].String(); e != "" {
				t.Fatal(e)
			}
			return strings.HasSuffix(outs[i].String(), "\n")
		})
		base, key, _ := strings.Cut(strings.TrimSpace(outs[i].String()), " ")
		all = append(all, &replica{t: t, base: base, http: client})
		if key != "" {
			keys = append(keys, key)
		}
	}
	if len(keys) != 1 {
		t.Fatalf("%d processes made a first key, want one", len(keys))
	}
	return all, keys[0], cfg
}

func (r *replica) send(key, method, path, body string, header ...string) answer {
	r.t.Helper()
	req, err := http.NewRequestWithContext(r.t.Context(), method, r.base+path, strings.NewReader(body))
	must(r.t, err)
	req.Header.Set("X-Api-Key", key)
	req.Header.Set("Content-Type", "application/json")
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	res, err := r.http.Do(req)
	must(r.t, err)
	defer res.Body.Close()
	data, err := io.ReadAll(res.Body)
	must(r.t, err)
	return answer{status: res.StatusCode, header: res.Header, body: string(data)}
}

// Processes on one PostgreSQL database, each with a home of its own, are one
// router: sessions, records, files and revocations are everybody's.
func TestReplicas(t *testing.T) {
	t.Parallel()
	all, key, cfg := replicas(t, 2)
	one, two := all[0], all[1]
	db := openDatabase(t, cfg)
	projects, err := db.ListProjects(t.Context())
	if err != nil || len(projects) != 1 {
		t.Fatalf("projects %+v, %v", projects, err)
	}

	made := one.send(key, http.MethodPost, sessions, `{"user_id":"ann"}`)
	_, rest, _ := strings.Cut(made.body, `"session_id":"`)
	id, _, _ := strings.Cut(rest, `"`)
	if made.status != http.StatusCreated || id == "" {
		t.Fatalf("creating a session: %v", made)
	}
	const tool = "COMPOSIO_SEARCH_TOOLS"
	args := `{"queries":[{"use_case":"read a page of Confluence"}]}`
	for i, r := range []*replica{one, two, one, two} {
		if a := r.send(key, http.MethodPost, mcpPath(id), mcpBody(tool, args), mcpHeader("tools/call", tool)...); !a.result(t).Successful {
			t.Errorf("call %d: %v", i, a)
		}
	}
	if records := executions(t, db, projects[0].ID, id); len(records) != 4 || records[0].Outcome != domain.OutcomeOK {
		t.Errorf("%d records of 4 calls: %+v", len(records), records)
	}
	fileAcross(t, one, two, key)
	chunk, err := db.FileChunk(t.Context(), sha256.Sum256([]byte("across")), 0)
	if err != nil || string(chunk) != "across" {
		t.Errorf("the content in the database: %q, %v", chunk, err)
	}

	stream := two.openStream(key, id)
	keys, err := app.OpenKeys(t.Context(), cfg)
	must(t, err)
	defer keys.Close()
	list, err := keys.List(t.Context())
	if err != nil || len(list) != 1 {
		t.Fatalf("keys %+v, %v", list, err)
	}
	must(t, keys.Revoke(t.Context(), list[0].ID))
	within := time.After(time.Second)
	for name, r := range map[string]*replica{"one": one, "two": two} {
		if a := r.send(key, http.MethodGet, sessions+"/"+id, ""); a.status != http.StatusUnauthorized {
			t.Errorf("replica %s takes the revoked key: %v", name, a)
		}
	}
	select {
	case <-stream:
	case <-within:
		t.Error("the stream goes on a second after the revocation")
	}
}

// fileAcross asks one for an upload, sends it to the other and lists it at the
// first: neither the address nor the content is of one process.
func fileAcross(t *testing.T, one, two *replica, key string) {
	t.Helper()
	asked := one.send(key, http.MethodPost, "/api/v3.1/files/upload/request",
		`{"filename":"across.txt","mimetype":"text/plain","md5":"","tool_slug":"T","toolkit_slug":"confluence"}`)
	var out struct {
		URL string `json:"new_presigned_url"`
	}
	must(t, json.Unmarshal([]byte(asked.body), &out))
	at, err := url.Parse(out.URL)
	must(t, err)
	if a := two.send(key, http.MethodPut, at.Path, "across", "Content-Type", "text/plain"); a.status != http.StatusOK {
		t.Errorf("the upload at the other replica: %v", a)
	}
	if a := one.send(key, http.MethodGet, "/api/v3.1/files/list", ""); !strings.Contains(a.body, "across.txt") {
		t.Errorf("the list at the first replica: %v", a)
	}
}

// openStream opens an event stream of the handshake era and gives a channel that
// is closed at its end.
func (r *replica) openStream(key, session string) <-chan struct{} {
	r.t.Helper()
	accept := []string{"Accept", "application/json, text/event-stream"}
	a := r.send(key, http.MethodPost, mcpPath(session), initialize, accept...)
	transport := a.header.Get("Mcp-Session-Id")
	if transport == "" {
		r.t.Fatalf("initialize: %v", a)
	}
	h := append(accept, "Mcp-Session-Id", transport, "Mcp-Protocol-Version", "2025-11-25")
	r.send(key, http.MethodPost, mcpPath(session), `{"jsonrpc":"2.0","method":"notifications/initialized"}`, h...)
	req, err := http.NewRequestWithContext(r.t.Context(), http.MethodGet, r.base+mcpPath(session), nil)
	must(r.t, err)
	req.Header.Set("X-Api-Key", key)
	for i := 0; i < len(h); i += 2 {
		req.Header.Set(h[i], h[i+1])
	}
	req.Header.Set("Accept", "text/event-stream")
	res, err := (&http.Client{Transport: r.http.Transport}).Do(req)
	must(r.t, err)
	if res.StatusCode != http.StatusOK {
		r.t.Fatalf("no stream: %d", res.StatusCode)
	}
	ended := make(chan struct{})
	go func() {
		_, _ = io.Copy(io.Discard, res.Body)
		_ = res.Body.Close()
		close(ended)
	}()
	return ended
}
