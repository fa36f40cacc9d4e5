package cli_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/sluice-run/sluice/internal/cli"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// TestMain makes the test binary the program when it is called sluice.
func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){
		"sluice": func() {
			ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
			code := cli.Main(ctx, os.Args[1:], cli.Streams{In: os.Stdin, Out: os.Stdout, Err: os.Stderr})
			stop()
			os.Exit(code)
		},
		"person": func() { os.Exit(person()) },
	})
}

func TestScripts(t *testing.T) {
	t.Parallel()
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script",
		Setup: func(env *testscript.Env) error {
			env.Setenv("SLUICE_HOME", filepath.Join(env.WorkDir, ".home"))
			env.Setenv("HOME", env.WorkDir)
			env.Values[registrar{}] = new(func(string))
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"router":   startRouter,
			"receiver": startReceiver,
			"status":   wantStatus,
			"json":     wantJSON,
			"jsonenv":  setFromJSON,
			"cloud":    startCloud,
			"register": register,
			"filemode": func(ts *testscript.TestScript, _ bool, args []string) {
				info, err := os.Stat(ts.MkAbs(args[1]))
				ts.Check(err)
				if got := fmt.Sprintf("%04o", info.Mode().Perm()); got != args[0] {
					ts.Fatalf("%s has mode %s, want %s", args[1], got, args[0])
				}
			},
		},
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
	})
}

// patience bounds each wait of the tests.
const patience = 20 * time.Second

// startRouter: router [FLAG…] runs "sluice serve FLAG…" beside the script until
// its end and sets $URL, $KEY (the first key, if one was made) and $VISITOR. It
// must end with 0.
func startRouter(ts *testscript.TestScript, neg bool, args []string) {
	if neg {
		ts.Fatalf("usage: router [FLAG…]")
	}
	cmd := exec.Command(program(ts), append([]string{"serve", "--addr", "127.0.0.1:0"}, args...)...)
	cmd.Env = []string{"PATH=" + ts.Getenv("PATH"), "SLUICE_HOME=" + ts.Getenv("SLUICE_HOME"), "SLUICE_UPSTREAM_ALLOW=" + ts.Getenv("SLUICE_UPSTREAM_ALLOW")}
	log := &strings.Builder{}
	cmd.Stderr = log
	out, err := cmd.StdoutPipe()
	ts.Check(err)
	ts.Check(cmd.Start())
	ts.Defer(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		timer := time.AfterFunc(patience, func() { _ = cmd.Process.Kill() })
		defer timer.Stop()
		if err := cmd.Wait(); err != nil {
			ts.Logf("the router ended with %v\n%s", err, log)
			ts.Fatalf("the router did not drain: %v", err)
		}
	})
	timer := time.AfterFunc(patience, func() { _ = cmd.Process.Kill() })
	defer timer.Stop()
	greeting := ""
	for sc := bufio.NewScanner(out); !strings.Contains(greeting, "export COMPOSIO_BASE_URL") && sc.Scan(); {
		greeting += sc.Text() + "\n"
	}
	find := func(pattern string) string {
		if m := regexp.MustCompile(pattern).FindStringSubmatch(greeting); m != nil {
			return m[1]
		}
		return ""
	}
	ts.Setenv("URL", find(`listens on (\S+)`))
	ts.Setenv("KEY", find(`(?m)^  (ak_\S+)$`))
	ts.Setenv("VISITOR", find(`API token (\S+)`))
	ts.Setenv("SANDBOX", find(`Sandbox Confluence on (\S+)`))
	if ts.Getenv("URL") == "" {
		ts.Fatalf("the router did not start\n%s%s", greeting, log)
	}
	go func() { _, _ = io.Copy(io.Discard, out) }() // ends with the process
}

func program(ts *testscript.TestScript) string {
	for dir := range strings.SplitSeq(ts.Getenv("PATH"), string(os.PathListSeparator)) {
		if name := filepath.Join(dir, "sluice"); isFile(name) {
			return name
		}
	}
	ts.Fatalf("sluice is not in PATH")
	return ""
}

func isFile(name string) bool {
	info, err := os.Stat(name)
	return err == nil && info.Mode().IsRegular()
}

// wantStatus: status CODE URL KEY [WITHIN] asks for URL with the key until the
// answer has the code, at most for WITHIN, at least once.
func wantStatus(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 3 {
		ts.Fatalf("usage: status CODE URL KEY [WITHIN]")
	}
	ctx := context.Background()
	if len(args) > 3 {
		within, err := time.ParseDuration(args[3])
		ts.Check(err)
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, within)
		defer cancel()
	}
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		req, err := http.NewRequest(http.MethodGet, args[1], nil)
		ts.Check(err)
		req.Header.Set("X-Api-Key", args[2])
		res, err := http.DefaultClient.Do(req)
		ts.Check(err)
		_ = res.Body.Close()
		got := fmt.Sprint(res.StatusCode)
		if got == args[0] {
			return
		}
		if len(args) == 3 {
			ts.Fatalf("status %s, want %s", got, args[0])
		}
		select {
		case <-ctx.Done():
			ts.Fatalf("status %s after %s, want %s", got, args[3], args[0])
		case <-tick.C:
		}
	}
}

// wantJSON: json PATH PATTERN looks up a.b.0.c in what the last command wrote;
// the value, as JSON, must match the pattern.
func wantJSON(ts *testscript.TestScript, neg bool, args []string) {
	value, err := lookup(ts.ReadFile("stdout"), args[0])
	if neg {
		if err == nil {
			ts.Fatalf("%s is there: %s", args[0], value)
		}
		return
	}
	ts.Check(err)
	if !regexp.MustCompile(args[1]).MatchString(value) {
		ts.Fatalf("%s is %s, which does not match %s", args[0], value, args[1])
	}
}

// setFromJSON: jsonenv NAME PATH sets a variable to a text in the last output.
func setFromJSON(ts *testscript.TestScript, _ bool, args []string) {
	value, err := lookup(ts.ReadFile("stdout"), args[1])
	ts.Check(err)
	ts.Setenv(args[0], strings.Trim(value, `"`))
}

func lookup(text, path string) (string, error) {
	var v any
	if err := json.Unmarshal([]byte(text), &v); err != nil {
		return "", fmt.Errorf("the output is not one JSON value: %w", err)
	}
	for step := range strings.SplitSeq(path, ".") {
		switch at := v.(type) {
		case map[string]any:
			next, ok := at[step]
			if !ok {
				return "", fmt.Errorf("there is no %s in %v", step, at)
			}
			v = next
		case []any:
			var i int
			if _, err := fmt.Sscan(step, &i); err != nil || i >= len(at) {
				return "", fmt.Errorf("there is no %s in a list of %d", step, len(at))
			}
			v = at[i]
		default:
			return "", errors.New(path + " leads nowhere")
		}
	}
	b, err := json.Marshal(v)
	return string(b), err
}
