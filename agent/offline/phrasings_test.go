package offline_test

import (
	"context"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/sluice-run/sluice/agent"
	"github.com/sluice-run/sluice/agent/offline"
)

// phrasing is one line of testdata/phrasings*.txt; see testdata/FORMAT.md.
type phrasing struct {
	file    string
	line    int
	turns   []string
	expects []string
}

func phrasings(t *testing.T) []phrasing {
	t.Helper()
	files, err := filepath.Glob("testdata/phrasings*.txt")
	if err != nil || len(files) < 2 {
		t.Fatalf("phrasings: %v, %v", files, err)
	}
	var out []phrasing
	for _, f := range files {
		data, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		for i, line := range strings.Split(string(data), "\n") {
			line = strings.TrimSpace(line)
			if line == "" || strings.HasPrefix(line, "#") {
				continue
			}
			said, expected, ok := strings.Cut(line, " => ")
			if !ok {
				t.Fatalf("%s:%d: no “=>”", f, i+1)
			}
			out = append(out, phrasing{filepath.Base(f), i + 1, strings.Split(said, " || "), strings.Split(expected, " && ")})
		}
	}
	return out
}

// verdict of one phrasing.
type verdict int

const (
	right verdict = iota
	notUnderstood
	wrong
)

// TestPhrasings runs every phrasing through a whole router: the agent's loop,
// MCP over HTTP, the meta tools, the real tools and a fresh sandbox. Nothing
// may be done wrong; what is not understood is counted and shown.
func TestPhrasings(t *testing.T) {
	t.Parallel()
	all := phrasings(t)
	if testing.Short() { // the race detector makes each case ten times as slow
		all = slices.DeleteFunc(all, func(p phrasing) bool { return p.line%8 != 0 })
	}
	type outcome struct {
		verdict
		why string
	}
	results := make([]outcome, len(all))
	var wg sync.WaitGroup
	slots := make(chan struct{}, 3)
	// What must change nothing shares one world, one case after the other.
	quiet := newWorld(t)
	quiet.seeded(t)
	wg.Add(1)
	go func() {
		defer wg.Done()
		for i, p := range all {
			if !p.quiet() {
				continue
			}
			v, why := p.run(t, quiet)
			results[i] = outcome{v, why}
			if v == wrong {
				quiet.close()
				quiet = newWorld(t)
			}
		}
		quiet.close()
	}()
	for i, p := range all {
		if p.quiet() {
			continue
		}
		wg.Add(1)
		slots <- struct{}{}
		go func() {
			defer func() { <-slots; wg.Done() }()
			w := newWorld(t)
			defer w.close()
			v, why := p.run(t, w)
			results[i] = outcome{v, why}
		}()
	}
	wg.Wait()
	counts := map[string]map[verdict]int{}
	for i, p := range all {
		if counts[p.file] == nil {
			counts[p.file] = map[verdict]int{}
		}
		counts[p.file][results[i].verdict]++
		said := fmt.Sprintf("%s:%d: %s", p.file, p.line, strings.Join(p.turns, " || "))
		switch results[i].verdict {
		case notUnderstood:
			t.Logf("not understood: %s\n    wanted %s", said, strings.Join(p.expects, " && "))
		case wrong:
			t.Errorf("WRONG %s\n    wanted %s\n    %s", said, strings.Join(p.expects, " && "), results[i].why)
		}
	}
	for _, f := range slices.Sorted(maps.Keys(counts)) {
		fmt.Printf("%s: %d done right, %d not understood, %d done wrong\n", f, counts[f][right], counts[f][notUnderstood], counts[f][wrong])
	}
}

// quiet: nothing may change.
func (p phrasing) quiet() bool {
	return !slices.ContainsFunc(p.expects, func(e string) bool {
		kind, _, _ := strings.Cut(fields(e)[0], " ")
		return kind != "answer" && kind != "asks" && kind != "unknown"
	})
}

func (p phrasing) run(t *testing.T, w *world) (verdict, string) {
	before := w.seeded(t)
	var history agent.History
	answer := ""
	for _, said := range p.turns {
		text, _, err := w.agent.Do(context.Background(), agent.Input{Prompt: said, History: &history})
		if err != nil {
			return wrong, "error: " + err.Error()
		}
		answer = text
	}
	changes := w.state(t).since(before)
	return p.judge(w, changes, answer)
}

func unclear(answer string) bool {
	for _, sign := range []string{"did not understand", "?", "found nothing", "created none"} {
		if strings.Contains(answer, sign) {
			return true
		}
	}
	return false
}

func (p phrasing) judge(w *world, changes []change, answer string) (verdict, string) {
	seen := fmt.Sprintf("answer: %s\n    changes: %v", answer, changes)
	quiet := len(changes) == 0
	var open []string
	for _, e := range p.expects {
		f := fields(e)
		switch kind, _, _ := strings.Cut(f[0], " "); kind {
		case "answer", "asks", "unknown":
			if !quiet {
				return wrong, seen
			}
			holds := len(f) < 2 || holdsAll(answer, f[1])
			switch {
			case kind == "answer" && holds:
				return right, ""
			case kind != "answer" && unclear(answer) && (holds || kind == "unknown" || strings.Contains(answer, "did not understand")):
				return right, ""
			case unclear(answer):
				return notUnderstood, seen
			}
			return wrong, seen
		}
		at := slices.IndexFunc(changes, func(c change) bool { return c.fits(w, f) })
		if at < 0 {
			open = append(open, e)
			continue
		}
		changes = slices.Delete(slices.Clone(changes), at, at+1)
	}
	switch {
	case len(open) == 0 && len(changes) == 0:
		return right, ""
	case len(changes) == 0 && unclear(answer):
		return notUnderstood, seen // nothing unwanted, and it says that more was wanted
	}
	return wrong, seen
}

func fields(e string) []string {
	f := strings.Split(e, " | ")
	for i := range f {
		f[i] = strings.TrimSpace(f[i])
	}
	return f
}

func fold(s string) string { return strings.ToLower(strings.Join(strings.Fields(s), " ")) }

func holdsAll(text, words string) bool {
	for w := range strings.SplitSeq(words, ";") {
		if !strings.Contains(fold(text), fold(w)) {
			return false
		}
	}
	return true
}

func TestModelIsAModel(t *testing.T) {
	t.Parallel()
	var _ agent.Model = offline.New()
}
