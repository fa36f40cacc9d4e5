// Package program builds and runs the real program for measurements: all on
// loopback, in a home of its own.
package program

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"

	"github.com/sluice-run/sluice/client"
)

// Key is the API key that the program is started with.
const Key = "ak_bench_0123456789abcdef0123456789abcdef"

// Router is the program, serving.
type Router struct {
	cmd *exec.Cmd
	// URL is the router's origin; the others are empty without the sandbox.
	URL, SandboxURL           string
	SandboxUser, SandboxToken string
	*client.Client
}

// Build compiles the program into the folder and gives its path.
func Build(ctx context.Context, dir string) (string, error) {
	binary := filepath.Join(dir, "sluice")
	build := exec.CommandContext(ctx, "go", "build", "-trimpath", "-ldflags", "-s -w", "-o", binary, "./cmd/sluice")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("building: %w: %s", err, out)
	}
	return binary, nil
}

// Start runs the program with its sandbox and waits until it tells its addresses.
func Start(ctx context.Context, binary, home string) (*Router, error) {
	r, err := Launch(ctx, binary, home, "--sandbox")
	if err == nil && r.SandboxURL == "" {
		return nil, errors.Join(errors.New("the sandbox did not start"), r.Stop())
	}
	return r, err
}

// Launch runs the program with flags of serve and waits until it tells its address.
func Launch(ctx context.Context, binary, home string, flags ...string) (*Router, error) {
	r := &Router{cmd: exec.CommandContext(ctx, binary, append([]string{"serve", "--log-level", "warn"}, flags...)...)}
	r.cmd.Env = append(os.Environ(), "SLUICE_HOME="+home, "SLUICE_API_KEY="+Key, "SLUICE_ADDR=127.0.0.1:0",
		// Counted as in earnest, and never refused.
		"SLUICE_RATE_KEY=10000000/1m", "SLUICE_RATE_USER=10000000/1m", "SLUICE_RATE_TOOLKIT=10000000/1m")
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
			r.URL = m[1]
		}
		if m := sandbox.FindStringSubmatch(sc.Text()); m != nil {
			r.SandboxURL = m[1]
		}
		if m := visitor.FindStringSubmatch(sc.Text()); m != nil {
			r.SandboxUser, r.SandboxToken = m[1], m[2]
		}
	}
	if r.URL == "" {
		return nil, fmt.Errorf("the router did not start: %w", r.cmd.Wait())
	}
	go io.Copy(io.Discard, out) //nolint:errcheck // ends with the process
	r.Client, err = client.New(client.Options{BaseURL: r.URL, APIKey: Key})
	return r, err
}

// Stop ends the program and waits for it.
func (r *Router) Stop() error {
	if err := r.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		return err
	}
	return r.cmd.Wait()
}

// Memory is what a process holds of the machine, in bytes.
type Memory struct {
	Resident int64
	Own      int64 // of that, what is not the program's own file in the page cache
}

func (m Memory) String() string {
	return fmt.Sprintf("%.1f MB, %.1f MB of it anonymous", float64(m.Resident)/1e6, float64(m.Own)/1e6)
}

// Memory reads what the process holds now.
func (r *Router) Memory() (m Memory, err error) {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", r.cmd.Process.Pid))
	if err != nil {
		return m, err
	}
	for name, into := range map[string]*int64{"VmRSS": &m.Resident, "RssAnon": &m.Own} {
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
