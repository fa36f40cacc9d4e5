package conformance

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// suite is an installed version of the conformance suite.
type suite struct{ node, script, home string }

// check is one of the suite's verdicts.
type check struct {
	ID           string `json:"id"`
	Status       string `json:"status"` // SUCCESS, FAILURE, WARNING, INFO, SKIPPED
	ErrorMessage string `json:"errorMessage"`
}

// suites finds what install.sh installed: the released version and the preview
// of the next. Where something is missing, the test is skipped, or fails when
// CI=true.
func suites(t *testing.T) (released, preview suite) {
	t.Helper()
	missing := func(format string, args ...any) {
		t.Helper()
		message := fmt.Sprintf(format, args...) + ": run test/acceptance/conformance/install.sh"
		if os.Getenv("CI") == "true" {
			t.Fatal(message)
		}
		t.Skip(message)
	}
	node, err := filepath.Abs(".cache/node22/node")
	must(t, err)
	if _, err := os.Stat(node); err != nil {
		if node, err = exec.LookPath("node"); err != nil {
			missing("there is no node")
		}
	}
	out, err := exec.CommandContext(t.Context(), node, "-p", `process.versions.node.split(".")[0]`).Output()
	major, _ := strconv.Atoi(strings.TrimSpace(string(out)))
	if err != nil || major < 22 {
		missing("node 22 or newer is needed, and %s is %d", node, major)
	}
	find := func(name string) suite {
		home, err := filepath.Abs(filepath.Join(".cache", name, "node_modules", "@modelcontextprotocol", "conformance"))
		must(t, err)
		s := suite{node: node, home: home, script: filepath.Join(home, "dist", "index.js")}
		if _, err := os.Stat(s.script); err != nil {
			missing("%s is not installed", name)
		}
		return s
	}
	return find("suite-released"), find("suite-preview")
}

var stamped = regexp.MustCompile(`^(?:server-)?(.+)-\d{4}-\d{2}-\d{2}T[\d-]+Z$`)

// server runs the suite against url and gives the verdicts by scenario. The exit
// code says nothing that the verdicts do not.
func (s suite) server(t *testing.T, url string, args ...string) map[string][]check {
	t.Helper()
	dir := t.TempDir()
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, s.node, append([]string{s.script, "server", "--url", url, "-o", dir}, args...)...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "NO_COLOR=1")
	log, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatalf("%s: %v\n%s", strings.Join(args, " "), err, log)
	}
	found := map[string][]check{}
	err = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.Name() != "checks.json" {
			return err
		}
		data, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		var checks []check
		if err := json.Unmarshal(data, &checks); err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
		name := filepath.Base(filepath.Dir(path))
		if m := stamped.FindStringSubmatch(name); m != nil {
			name = m[1]
		}
		found[name] = append(found[name], checks...)
		return nil
	})
	must(t, err)
	if len(found) == 0 {
		t.Fatalf("%s: no verdicts\n%s", strings.Join(args, " "), log)
	}
	return found
}

// required gives the server scenarios that a revision requires, from the
// preview's own frozen list.
func (s suite) required(t *testing.T, revision string) []string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(s.home, "requirements", revision+".yaml"))
	must(t, err)
	var names []string
	in := false
	for line := range strings.Lines(string(data)) {
		line = strings.TrimRight(line, "\n")
		switch {
		case line == "server:":
			in = true
		case line != "" && line[0] != ' ' && line[0] != '#' && line[0] != '-':
			in = false
		case in && strings.HasPrefix(strings.TrimSpace(line), "- "):
			names = append(names, strings.TrimSpace(strings.TrimPrefix(strings.TrimSpace(line), "- ")))
		}
	}
	if len(names) < 20 {
		t.Fatalf("read only %d required scenarios of %s", len(names), revision)
	}
	slices.Sort(names)
	return names
}
