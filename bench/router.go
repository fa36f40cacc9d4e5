package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/sluice-run/sluice/client"
)

const benchKey = "ak_bench_0123456789abcdef0123456789abcdef"

// router is the program, serving its sandbox.
type router struct {
	cmd                    *exec.Cmd
	url, sandboxURL        string
	sandboxUser, sandboxPW string
	*client.Client
}

// start runs the program with its sandbox and waits until it tells its addresses.
func start(ctx context.Context, binary, home string) (*router, error) {
	r, err := launch(ctx, binary, home, "--sandbox")
	if err == nil && r.sandboxURL == "" {
		return nil, errors.Join(errors.New("the sandbox did not start"), r.stop())
	}
	return r, err
}

func launch(ctx context.Context, binary, home string, flags ...string) (*router, error) {
	r := &router{cmd: exec.CommandContext(ctx, binary, append([]string{"serve", "--log-level", "warn"}, flags...)...)}
	r.cmd.Env = append(os.Environ(), "SLUICE_HOME="+home, "SLUICE_API_KEY="+benchKey, "SLUICE_ADDR=127.0.0.1:0")
	r.cmd.Stderr = os.Stderr
	out, err := r.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := r.cmd.Start(); err != nil {
		return nil, err
	}
	listens := regexp.MustCompile(`listens on (\S+)`)
	sandbox := regexp.MustCompile(`Sandbox Confluence on (\S+)`)
	visitor := regexp.MustCompile(`sign in as (\S+) with the API token (\S+)`)
	for sc := bufio.NewScanner(out); sc.Scan() && !strings.Contains(sc.Text(), "COMPOSIO_BASE_URL"); {
		if m := listens.FindStringSubmatch(sc.Text()); m != nil {
			r.url = m[1]
		}
		if m := sandbox.FindStringSubmatch(sc.Text()); m != nil {
			r.sandboxURL = m[1]
		}
		if m := visitor.FindStringSubmatch(sc.Text()); m != nil {
			r.sandboxUser, r.sandboxPW = m[1], m[2]
		}
	}
	if r.url == "" {
		return nil, fmt.Errorf("the router did not start: %w", r.cmd.Wait())
	}
	go io.Copy(io.Discard, out) //nolint:errcheck // ends with the process
	r.Client, err = client.New(client.Options{BaseURL: r.url, APIKey: benchKey})
	return r, err
}

func (r *router) stop() error {
	if err := r.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		return err
	}
	return r.cmd.Wait()
}

// memory is what a process holds of the machine, in bytes.
type memory struct {
	resident int64
	own      int64 // of that, what is not the program's own file in the page cache
}

func (m memory) String() string {
	return fmt.Sprintf("%.1f MB, %.1f MB of it anonymous", float64(m.resident)/1e6, float64(m.own)/1e6)
}

// memory reads what the process holds now.
func (r *router) memory() (m memory, err error) {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", r.cmd.Process.Pid))
	if err != nil {
		return m, err
	}
	for name, into := range map[string]*int64{"VmRSS": &m.resident, "RssAnon": &m.own} {
		found := regexp.MustCompile(name + `:\s+(\d+) kB`).FindSubmatch(status)
		if found == nil {
			return m, fmt.Errorf("no %s", name)
		}
		kb, err := strconv.ParseInt(string(found[1]), 10, 64)
		if err != nil {
			return m, err
		}
		*into = kb << 10
	}
	return m, nil
}

// request is a prepared HTTP request and what its answer must hold.
type request struct {
	method, url string
	body        []byte
	header      map[string]string
	user, pass  string
	want        string
}

// send makes the request and reads its answer.
func (q *request) send(ctx context.Context, hc *http.Client) error {
	req, err := http.NewRequestWithContext(ctx, q.method, q.url, bytes.NewReader(q.body))
	if err != nil {
		return err
	}
	for k, v := range q.header {
		req.Header.Set(k, v)
	}
	if q.user != "" {
		req.SetBasicAuth(q.user, q.pass)
	}
	res, err := hc.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		return err
	}
	if res.StatusCode > 299 || !bytes.Contains(b, []byte(q.want)) {
		return fmt.Errorf("%s %s: %s: %.300s", q.method, q.url, res.Status, b)
	}
	return nil
}

// modern is an MCP request of the 2026-07-28 revision to a session.
func modern(s *client.Session, method, name string, params map[string]any, want string) *request {
	params["_meta"] = map[string]any{
		"io.modelcontextprotocol/protocolVersion":    "2026-07-28",
		"io.modelcontextprotocol/clientCapabilities": map[string]any{},
	}
	body, err := json.Marshal(map[string]any{"jsonrpc": "2.0", "id": 1, "method": method, "params": params})
	if err != nil {
		panic(err) // plain values
	}
	q := &request{method: http.MethodPost, url: s.MCP.URL, body: body, want: want, header: map[string]string{
		"Content-Type": "application/json", "Accept": "application/json, text/event-stream",
		"Mcp-Protocol-Version": "2026-07-28", "Mcp-Method": method, "x-api-key": benchKey,
	}}
	if name != "" {
		q.header["Mcp-Name"] = name
	}
	return q
}

func newClient() *http.Client {
	return &http.Client{Timeout: 30 * time.Second, Transport: &http.Transport{MaxIdleConnsPerHost: 64}}
}
