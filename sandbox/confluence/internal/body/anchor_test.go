package body

import (
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func parsed(t interface{ Fatal(...any) }, src string) *Node {
	n, err := ParseStorage(src)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func TestMark(t *testing.T) {
	m := func(s string) string {
		return `<ac:inline-comment-marker ac:ref="r">` + s + `</ac:inline-comment-marker>`
	}
	for _, tc := range []struct {
		src, selection string
		index, count   int
		want           string
	}{
		{"<p>a b a b</p>", "a", 1, 2, "<p>a b " + m("a") + " b</p>"},
		{"<p>aaaa</p>", "aa", 1, 2, "<p>aa" + m("aa") + "</p>"},
		{"<p>one <em>two</em> three</p>", "one two", 0, 1, "<p>" + m("one ") + "<em>" + m("two") + "</em> three</p>"},
		{"<p>one</p><p>two</p>", "one two", 0, 1, "<p>" + m("one") + "</p><p>" + m("two") + "</p>"},
		{"<p>one \n  two</p>", "one two", 0, 1, "<p>" + m("one \n  two") + "</p>"},
		{"<p>ein&nbsp;Grüße</p>", "ein Grüße", 0, 1, "<p>" + m("ein&nbsp;Gr&uuml;&szlig;e") + "</p>"},
		{`<p>see <ac:link><ri:page ri:content-title="Plan" /></ac:link> now</p>`, "see Plan", 0, 1, "<p>" + m("see ") + m(`<ac:link><ri:page ri:content-title="Plan" /></ac:link>`) + " now</p>"},
		{`<ac:structured-macro ac:name="code"><ac:parameter ac:name="x">hit</ac:parameter><ac:plain-text-body><![CDATA[hit]]></ac:plain-text-body></ac:structured-macro>`, "hit", 0, 0, ""},
		{"<p>x</p>", " ", 0, 0, ""},
	} {
		root := parsed(t, tc.src)
		if n := Occurrences(root, tc.selection); n != tc.count {
			t.Errorf("%q in %s: %d times, want %d", tc.selection, tc.src, n, tc.count)
		}
		if ok := Mark(root, tc.selection, tc.index, "r"); ok != (tc.count > 0) {
			t.Errorf("Mark(%q) = %v", tc.selection, ok)
		}
		if got := Write(root); tc.want != "" && got != tc.want {
			t.Errorf("%s\n got %s\nwant %s", tc.src, got, tc.want)
		}
	}
}

// TestMarkAndUnmark: a marker changes no word, and taking it out leaves no trace.
func TestMarkAndUnmark(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		words := rapid.SliceOfN(rapid.SampledFrom([]string{"a", "b", "ü", "c d", "\n", "&nbsp;"}), 1, 12).Draw(t, "words")
		var src strings.Builder
		for _, w := range words {
			around := rapid.SampledFrom([]string{"%", "<strong>%</strong>", "<p>%</p>", "<ul><li>%</li></ul>", "<p>x <em>%</em></p>"}).Draw(t, "wrap")
			src.WriteString(strings.ReplaceAll(around, "%", w))
		}
		root := parsed(t, src.String())
		before, text := Write(root), Text(root)
		runes := []rune(text)
		if len(runes) == 0 {
			return
		}
		from := rapid.IntRange(0, len(runes)-1).Draw(t, "from")
		to := rapid.IntRange(from+1, len(runes)).Draw(t, "to")
		selection := string(runes[from:to])
		n := Occurrences(root, selection)
		if n == 0 {
			return // Text and selections differ in where blocks end; only what can be selected counts
		}
		if !Mark(root, selection, rapid.IntRange(0, n-1).Draw(t, "index"), "r") || !Markers(root)["r"] {
			t.Fatalf("%q is not marked in %s", selection, before)
		}
		if got := Text(parsed(t, Write(root))); got != text {
			t.Fatalf("the text became %q, was %q", got, text)
		}
		Unmark(root, "r")
		if got := Write(root); got != before {
			t.Fatalf("after taking the marker out:\n got %s\nwant %s", got, before)
		}
	})
}
