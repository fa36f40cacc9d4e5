package mcpserver_test

import (
	"flag"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/tools/txtar"
)

var update = flag.Bool("update", false, "rewrite the transcripts")

// A transcript is a conversation: each x.in is sent as it stands, and x.out is
// what comes back. Ids that differ from run to run are replaced by their names.
func TestTranscripts(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txtar")
	must(t, err)
	if len(files) < 2 {
		t.Fatal("a transcript of each era is expected")
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) { transcript(t, file) })
	}
}

func transcript(t *testing.T, file string) {
	e := newEnv(t, nil)
	key, p := e.key("transcript")
	names := map[string]string{"SESSION": e.session(p, direct), "KEY": key}
	archive, err := txtar.ParseFile(file)
	must(t, err)
	want := map[string]string{}
	for _, f := range archive.Files {
		want[f.Name] = string(f.Data)
	}
	out := &txtar.Archive{Comment: archive.Comment}
	for _, f := range archive.Files {
		name, isIn := strings.CutSuffix(f.Name, ".in")
		if !isIn {
			continue
		}
		got := exchange(t, e, string(f.Data), names)
		out.Files = append(out.Files, f, txtar.File{Name: name + ".out", Data: []byte(got)})
		if diff := cmp.Diff(want[name+".out"], got); diff != "" && !*update {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
	if *update {
		must(t, os.WriteFile(file, txtar.Format(out), 0o644))
	}
}

var (
	logID = regexp.MustCompile(`log_[0-9a-z]{26}`)
	state = regexp.MustCompile(`"requestState":"([^"]+)"`)
	// What an answer's header must say and may not say.
	shown = []string{
		"Content-Type", "Cache-Control", "Mcp-Session-Id", "Www-Authenticate", "X-Accel-Buffering", "Allow", "Retry-After",
	}
)

// exchange sends one request and writes down the answer. names holds what
// stands for what; an answer may add to it.
func exchange(t *testing.T, e *env, in string, names map[string]string) string {
	t.Helper()
	for name, value := range names {
		in = strings.ReplaceAll(in, "$"+name, value)
	}
	head, body, _ := strings.Cut(in, "\n\n")
	lines := strings.Split(head, "\n")
	method, path, _ := strings.Cut(lines[0], " ")
	c := &caller{e: e, url: e.url + path, header: http.Header{}}
	for _, line := range lines[1:] {
		name, value, _ := strings.Cut(line, ": ")
		c.header.Add(name, value)
	}
	res := c.send(method, strings.TrimSpace(body))
	if id := res.header.Get("Mcp-Session-Id"); id != "" {
		names["MCPSESSION"] = id
	}
	if m := state.FindStringSubmatch(res.body); m != nil {
		names["STATE"] = m[1]
	}
	var b strings.Builder
	fmt.Fprintln(&b, res.status, http.StatusText(res.status))
	for _, name := range shown {
		for _, v := range res.header.Values(name) {
			fmt.Fprintf(&b, "%s: %s\n", name, v)
		}
	}
	// A slow machine may get a comment before its answer.
	fmt.Fprintf(&b, "\n%s\n", strings.ReplaceAll(res.body, ": keep-alive\n\n", ""))
	text := logID.ReplaceAllString(b.String(), "log_ID")
	for name, value := range names {
		text = strings.ReplaceAll(text, value, "$"+name)
	}
	return text
}
