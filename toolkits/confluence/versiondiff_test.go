package confluence_test

import (
	"fmt"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/sluice-run/sluice/toolkit"
)

func TestVersionDiff(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	id := text(s.must("CREATE_PAGE", `{"spaceId":"MKT","title":"Plan","body":{"value":"<p>Intro</p><h1>Goals</h1><p>One</p><p>Two</p><p>Three</p><p>Four</p><p>Five</p><h2>Risks</h2><p>None</p><h1>Old</h1><p>Gone</p>"}}`), "id")
	if e := s.fails("GET_PAGE_VERSION_DIFF", fmt.Sprintf(`{"id":%s}`, id)); e.Field != "fromVersion" || !strings.Contains(e.Message, "no version before version 1") {
		t.Errorf("one version: %v", e)
	}
	s.must("UPDATE_PAGE", fmt.Sprintf(`{"id":%s,"title":"The plan","version":{"message":"more"},"body":{"value":"<p>Intro</p><h1>Goals</h1><p>One</p><p>Two</p><p>Three</p><p>4</p><p>Five</p><h2>Risks</h2><p>None</p><p>Rain</p><h1>New</h1><p>Come</p>"}}`, id))
	s.must("UPDATE_PAGE", fmt.Sprintf(`{"id":%s,"body":{"value":"<p><strong>Intro</strong></p><h1>Goals</h1><p>One</p><p>Two</p><p>Three</p><p>4</p><p>Five</p><h2>Risks</h2><p>None</p><p>Rain</p><h1>New</h1><p>Come</p>"}}`, id))
	want := []any{
		map[string]any{"heading": "Goals", "added": 1.0, "removed": 1.0, "diff": "@@ -4,4 +4,4 @@\n Two\n Three\n-Four\n+4\n Five\n"},
		map[string]any{"heading": "Goals > Risks", "added": 1.0, "removed": 0.0, "diff": "@@ -8,2 +8,3 @@\n ## Risks\n None\n+Rain\n"},
		map[string]any{"heading": "Old", "added": 0.0, "removed": 2.0, "diff": "@@ -10,2 +10,0 @@\n-# Old\n-Gone\n"},
		map[string]any{"heading": "New", "added": 2.0, "removed": 0.0, "diff": "@@ -11,0 +11,2 @@\n+# New\n+Come\n"},
	}
	for _, args := range []string{`"toVersion":2`, `"fromVersion":1,"toVersion":2`, `"fromVersion":1`} {
		out := s.must("GET_PAGE_VERSION_DIFF", fmt.Sprintf(`{"id":"https://acme.atlassian.net/wiki/spaces/MKT/pages/%s/Plan",%s}`, id, args))
		got, _ := get(out, "sections").([]any)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", args, diff)
		}
		if text(out, "oldTitle") != "Plan" || text(out, "title") != "The plan" || get(out, "from", "number") != 1.0 || get(out, "changed") != true || text(out, "url") == "" {
			t.Errorf("%s: %v", args, out)
		}
	}
	out := s.must("GET_PAGE_VERSION_DIFF", fmt.Sprintf(`{"id":%s,"fromVersion":1,"section":"risk"}`, id))
	if got, _ := get(out, "sections").([]any); len(got) != 1 || text(got[0], "heading") != "Goals > Risks" {
		t.Errorf("section: %v", out)
	}
	for args, note := range map[string]string{`"fromVersion":2`: "text is the same", `"fromVersion":1,"section":"budget"`: "No section"} {
		out := s.must("GET_PAGE_VERSION_DIFF", fmt.Sprintf(`{"id":%s,%s}`, id, args))
		if get(out, "changed") != false || !strings.Contains(text(out, "note"), note) {
			t.Errorf("%s: %v", args, out)
		}
	}
	for args, field := range map[string]string{`"toVersion":9`: "toVersion", `"fromVersion":3`: "fromVersion", `"fromVersion":2,"toVersion":1`: "fromVersion"} {
		if e := s.fails("GET_PAGE_VERSION_DIFF", fmt.Sprintf(`{"id":%s,%s}`, id, args)); e.Field != field {
			t.Errorf("%s: field %q: %v", args, e.Field, e)
		}
	}
	if e := s.fails("GET_PAGE_VERSION_DIFF", `{"id":987654}`); e.Kind != toolkit.KindNotFound || e.Field != "id" {
		t.Errorf("no page: %v", e)
	}
}

// TestVersionDiffApplies: whoever applies the diff to the older text gets the
// newer one, whatever the texts are.
func TestVersionDiffApplies(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	id := s.page("Plan", "")
	number := 1
	body := rapid.Custom(func(r *rapid.T) []string {
		return rapid.SliceOfN(rapid.SampledFrom([]string{"a", "b", "c", "d"}), 1, 12).Draw(r, "lines")
	})
	write := func(lines []string) {
		s.must("UPDATE_PAGE", fmt.Sprintf(`{"id":%s,"body":{"value":"<p>%s</p>"}}`, id, strings.Join(lines, "</p><p>")))
		number++
	}
	rapid.Check(t, func(r *rapid.T) {
		older, newer := body.Draw(r, "older"), body.Draw(r, "newer")
		write(older)
		write(newer)
		out := s.must("GET_PAGE_VERSION_DIFF", fmt.Sprintf(`{"id":%s,"fromVersion":%d}`, id, number-1))
		if diff := cmp.Diff(newer, applied(r, older, text(out, "sections", 0, "diff"))); diff != "" {
			r.Errorf("%v (-want +got):\n%s", out, diff)
		}
	})
}

// applied applies a unified diff, and fails when it does not fit the text.
func applied(r *rapid.T, older []string, diff string) []string {
	var out []string
	at := 0
	for line := range strings.Lines(diff) {
		op, rest := line[0], strings.TrimSuffix(line[1:], "\n")
		if op == '@' {
			first, _, _ := strings.Cut(strings.TrimPrefix(rest, "@ -"), ",")
			n, err := strconv.Atoi(first)
			if err != nil {
				r.Fatal(err)
			}
			if !strings.Contains(rest, ",0 +") {
				n--
			}
			out, at = append(out, older[at:n]...), n
			continue
		}
		if op != '+' {
			if older[at] != rest {
				r.Fatalf("line %d is %q, the diff says %q", at+1, older[at], rest)
			}
			at++
		}
		if op != '-' {
			out = append(out, rest)
		}
	}
	return append(out, older[at:]...)
}

// TestLargeVersionDiff: texts that have nothing in common are still compared,
// and what is shown of them is bounded.
func TestLargeVersionDiff(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	id := s.page("Plan", "")
	for _, word := range []string{"old", "new"} {
		var b strings.Builder
		for i := range 3000 {
			fmt.Fprintf(&b, "<p>%s line %d, long enough to fill it</p>", word, i)
		}
		s.must("UPDATE_PAGE", fmt.Sprintf(`{"id":%s,"body":{"value":%q}}`, id, b.String()))
	}
	out := s.must("GET_PAGE_VERSION_DIFF", fmt.Sprintf(`{"id":%s}`, id))
	if get(out, "sections", 0, "added") != 3000.0 || get(out, "sections", 0, "removed") != 3000.0 || !strings.Contains(text(out, "note"), "ask for one section") {
		t.Errorf("note %q, %v lines added", text(out, "note"), get(out, "sections", 0, "added"))
	}
	if n := len(text(out, "sections", 0, "diff")); n < 50_000 || n > 60_000 {
		t.Errorf("%d characters are shown", n)
	}
}
