package offline

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// FuzzParse: no text makes the grammar crash, and what it understands is
// whole: each intent has what it acts on.
func FuzzParse(f *testing.F) {
	for _, s := range []string{
		"create a page called \"x\" in the marketing space", "add 'a' label to b page", "comment on it: \"x\"", "\"", "''''", "“”", "a : b", "label \ue005 as x", "comment \ue0ff on \ue000",
		"publish x as a blog post and label it y", "in the x space, create a page", "summarize it and publish it as a blog post",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, said string) {
		intents, ok := parse(said)
		for _, in := range intents {
			if !ok {
				break
			}
			switch {
			case in.Do == "":
				t.Errorf("%q: an intent to do nothing", said)
			case in.Do == doLabel && (len(in.Labels) == 0 || in.Target == nil):
				t.Errorf("%q: label %v on %v", said, in.Labels, in.Target)
			case in.Do == doComment && in.Target == nil:
				t.Errorf("%q: comment on nothing", said)
			}
			if utf8.ValidString(said) && !strings.ContainsFunc(said, private) && strings.ContainsFunc(in.Title+in.Text+in.Space, private) {
				t.Errorf("%q: a mark is left in %+v", said, in)
			}
		}
	})
}

func private(r rune) bool { return r >= firstQuote && r < firstQuote+256 }

// TestQuotedWordsAreKept: whatever stands in quotation marks comes out as it
// is, in whatever order the parts of the request are.
func TestQuotedWordsAreKept(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		word := rapid.StringMatching(`[A-Za-zÄé0-9][A-Za-zÄé0-9 ,.:;!?&<>()'-]{0,30}[A-Za-z0-9]`)
		title, text := word.Draw(t, "title"), word.Draw(t, "text")
		parts := rapid.Permutation([]string{` called "` + title + `"`, ` with the text "` + text + `"`, " in the marketing space"}).Draw(t, "order")
		said := "create a page" + strings.Join(parts, "")
		got, ok := parse(said)
		if !ok {
			t.Fatalf("not understood: %s", said)
		}
		want := []intent{{Do: doPage, Kind: "page", Title: title, Text: text, Space: "marketing"}}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("%s:\n%s", said, diff)
		}
	})
}

func TestSummarise(t *testing.T) {
	t.Parallel()
	notes := `<h2>Attendees</h2><p>Ann, Bob</p><h2>Discussed</h2><ul><li>The weather was bad.</li><li>The launch of the bike is late because of the battery.</li></ul>` +
		`<h2>Decisions</h2><ul><li>We move the launch to May.</li></ul><p>See <ac:link><ri:page ri:content-title="Launch plan" /></ac:link>. The battery supplier changes.</p>`
	got := summarise(notes, 3)
	want := []string{"The launch of the bike is late because of the battery.", "We move the launch to May.", "See Launch plan. The battery supplier changes."}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if all := summarise(notes, 10); len(all) != 4 {
		t.Errorf("a short text is kept whole, without the attendees: %q", all)
	}
	if none := summarise("", 3); len(none) != 0 {
		t.Errorf("a summary of nothing: %q", none)
	}
}

func TestFill(t *testing.T) {
	t.Parallel()
	html := "<p>x</p>"
	v := values{kind: "page", id: "5", space: &item{ID: "7", Key: "OPS"}, title: "T", html: &html, labels: []string{"a", "b"}}
	tests := []struct {
		name, schema string
		want         map[string]any
		missing      []string
	}{
		{
			"ids and nested text", `{"properties":{"spaceId":{"type":"string"},"title":{"type":"string"},"body":{"type":"object","properties":{"storage":{"type":"object","properties":{"value":{"type":"string"},"representation":{"type":"string"}}}}}},"required":["spaceId"]}`,
			map[string]any{"spaceId": "7", "title": "T", "body": map[string]any{"storage": map[string]any{"value": html, "representation": "storage"}}},
			nil,
		},
		{
			"keys, numbers, plain text", `{"properties":{"space_key":{"type":"string"},"page_id":{"type":"integer"},"content":{"type":"string"}}}`,
			map[string]any{"space_key": "OPS", "page_id": int64(5), "content": html},
			nil,
		},
		{
			"labels as objects", `{"properties":{"id":{"type":"string"},"labels":{"type":"array","items":{"type":"object","properties":{"name":{"type":"string"},"prefix":{"type":"string"}},"required":["name","prefix"]}}}}`,
			map[string]any{"id": "5", "labels": []any{map[string]any{"name": "a", "prefix": "global"}, map[string]any{"name": "b", "prefix": "global"}}},
			nil,
		},
		{
			"defaults and what is missing", `{"properties":{"id":{"type":"string"},"status":{"type":"string","default":"current"},"kind":{"enum":["x"]},"colour":{"type":"string"}},"required":["status","kind","colour"]}`,
			map[string]any{"id": "5", "status": "current", "kind": "x"},
			[]string{"colour"},
		},
		{"a version's number is no id", `{"properties":{"parentCommentId":{"type":"string"},"attachmentId":{"type":"string"},"version_id":{"type":"string"}}}`, map[string]any{}, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got, missing, _ := fill(parseSchema([]byte(tt.schema)), v)
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Error(diff)
			}
			if diff := cmp.Diff(tt.missing, missing); diff != "" {
				t.Errorf("missing: %s", diff)
			}
		})
	}
}
