package api_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"golang.org/x/tools/txtar"
)

// TestTranscripts replays the exchanges in testdata/*.txtar. A file named
// "POST /path" holds a request's body; the file after it, "answer", the status
// and the body that came back. What differs from run to run is given a stable
// name, by which later requests can use it.
func TestTranscripts(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/*.txtar")
	must(t, err)
	if len(files) == 0 {
		t.Fatal("no transcripts")
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			names := newNames(w)
			script, err := txtar.ParseFile(file)
			must(t, err)
			out := &txtar.Archive{Comment: script.Comment}
			for _, f := range script.Files {
				if f.Name == "answer" {
					continue
				}
				method, path, _ := strings.Cut(f.Name, " ")
				var body any
				if text := strings.TrimSpace(string(f.Data)); text != "" {
					body = names.actual(text)
				}
				a := w.do(method, names.actual(path), body)
				out.Files = append(out.Files, f, txtar.File{Name: "answer", Data: names.stable(a)})
			}
			if *update {
				must(t, os.WriteFile(file, txtar.Format(out), 0o644))
				return
			}
			if got, want := string(txtar.Format(out)), string(txtar.Format(script)); got != want {
				t.Errorf("%s is not what it was; run with -update and look at the difference. Got:\n%s", file, got)
			}
		})
	}
}

// names maps what differs from run to run to stable names and back.
type names struct {
	world  *world
	stably map[string]string
	counts map[string]int
}

func newNames(w *world) *names {
	return &names{world: w, stably: map[string]string{}, counts: map[string]int{}}
}

var (
	ids   = regexp.MustCompile(`\b(trs|ca|ac|lt|log|req|pr|key)_[0-9a-z]{20,}`)
	times = regexp.MustCompile(`\b\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z`)
	uuids = regexp.MustCompile(`\b[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\b`)
	hints = regexp.MustCompile(`"key": "…[^"]+"`)
	words = regexp.MustCompile(`"word_id": "[^"]+"`)
)

func (n *names) stable(a answer) []byte {
	var b bytes.Buffer
	fmt.Fprintln(&b, a.Status)
	must(n.world.t, json.Indent(&b, a.Raw, "", "  "))
	text := strings.ReplaceAll(b.String(), n.world.server.URL, "http://sluice.test")
	text = strings.ReplaceAll(text, n.world.upstream.URL, "http://notes.test")
	text = ids.ReplaceAllStringFunc(text, func(id string) string {
		if n.stably[id] == "" {
			kind, _, _ := strings.Cut(id, "_")
			n.counts[kind]++
			n.stably[id] = fmt.Sprintf("%s_%d", kind, n.counts[kind])
		}
		return n.stably[id]
	})
	text = times.ReplaceAllString(text, "TIME")
	text = uuids.ReplaceAllString(text, "UUID")
	text = hints.ReplaceAllString(text, `"key": "…LAST"`)
	text = words.ReplaceAllString(text, `"word_id": "WORDS"`)
	return []byte(strings.TrimRight(text, "\n") + "\n")
}

func (n *names) actual(text string) string {
	for id, name := range n.stably {
		text = regexp.MustCompile(name+`\b`).ReplaceAllString(text, id)
	}
	return text
}
