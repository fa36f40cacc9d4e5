package body_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/sluice-run/sluice/sandbox/confluence/internal/body"
)

func canonical(t *testing.T, src string) string {
	t.Helper()
	doc, err := body.ParseStorage(src)
	if err != nil {
		t.Fatalf("ParseStorage(%q): %v", src, err)
	}
	return body.Canonical(doc, "seed")
}

func TestCanonical(t *testing.T) {
	for _, tc := range []struct{ name, in, want string }{
		{"void elements", `<p>a<br/>b</p><hr></hr>`, `<p>a<br />b</p><hr />`},
		{"empty paragraph", `<p></p>`, `<p />`},
		{"entities", `<p>caf&eacute; &#8211; “x” &amp; &lt; ü</p>`, `<p>caf&eacute; &ndash; &ldquo;x&rdquo; &amp; &lt; &uuml;</p>`},
		{"no-break space", "<p>a\u00a0b</p>", `<p>a&nbsp;b</p>`},
		{"attributes", `<a href='x?a=1&amp;b="2"'>x</a>`, `<a href="x?a=1&amp;b=&quot;2&quot;">x</a>`},
		{"comments go", `<p>a<!-- b -->c</p>`, `<p>ac</p>`},
		{"cdata becomes text", `<p><![CDATA[a<b]]></p>`, `<p>a&lt;b</p>`},
		{"declared namespaces go", `<p xmlns:ac="http://x"><ac:link /></p>`, `<p><ac:link /></p>`},
		{
			"plain text stays cdata", `<ac:structured-macro ac:name="code" ac:schema-version="1" ac:macro-id="m"><ac:plain-text-body>a &lt; b</ac:plain-text-body></ac:structured-macro>`,
			`<ac:structured-macro ac:name="code" ac:schema-version="1" ac:macro-id="m"><ac:plain-text-body><![CDATA[a < b]]></ac:plain-text-body></ac:structured-macro>`,
		},
		{"cdata end inside cdata", `<ac:plain-text-body><![CDATA[a]]]]><![CDATA[>b]]></ac:plain-text-body>`, `<ac:plain-text-body><![CDATA[a]]]]><![CDATA[>b]]></ac:plain-text-body>`},
		{"text alone", `hello`, `hello`},
		{"nothing", ``, ``},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if got := canonical(t, tc.in); got != tc.want {
				t.Errorf("%s\n got %s\nwant %s", tc.in, got, tc.want)
			}
		})
	}
}

func TestCanonicalCompletesMacrosAndTasks(t *testing.T) {
	src := `<ac:structured-macro ac:name="toc"/><ac:task-list><ac:task><ac:task-body>x</ac:task-body></ac:task></ac:task-list>`
	got := canonical(t, src)
	for _, want := range []string{`ac:schema-version="1"`, `ac:macro-id="`, `<ac:task-id>1</ac:task-id>`, `<ac:task-uuid>`, `<ac:task-status>incomplete</ac:task-status><ac:task-body>x</ac:task-body>`} {
		if !strings.Contains(got, want) {
			t.Errorf("no %s in %s", want, got)
		}
	}
	if got != canonical(t, src) {
		t.Error("the same source gave different ids")
	}
	if again := canonical(t, got); again != got {
		t.Errorf("completing twice changed\n%s\nto\n%s", got, again)
	}
}

func TestParseStorageRefuses(t *testing.T) {
	for in, says := range map[string]string{
		`<p>a<b>c</p>`:             "Unexpected close tag </p>; expected </b>.",
		`<p>`:                      "expected close tag </p>",
		`</p>`:                     "there is no open element",
		`<p>a & b</p>`:             "entity",
		`<p>&nope;</p>`:            "entity",
		`<p class=x>a</p>`:         "attribute",
		`<p a="1" a="2">a</p>`:     "Duplicate attribute 'a'",
		`<foo:bar />`:              `Undeclared namespace prefix "foo"`,
		`<!DOCTYPE html><p>a</p>`:  "not allowed",
		`<?php echo 1 ?>`:          "not allowed",
		"<p>\xff</p>":              "UTF-8",
		`<p>a < b</p>`:             "",
		strings.Repeat("<p>", 300): "nest deeper",
	} {
		_, err := body.ParseStorage(in)
		var syntax *body.SyntaxError
		if !errors.As(err, &syntax) || !strings.Contains(err.Error(), says) || !strings.HasPrefix(err.Error(), "Error parsing xhtml: ") {
			t.Errorf("ParseStorage(%.40q) = %v, want a syntax error with %q", in, err, says)
		}
	}
}

func TestFromWiki(t *testing.T) {
	for _, tc := range []struct{ in, want string }{
		{"h2. Title\nText with *bold*, _soft_ and {{code}}.", "<h2>Title</h2><p>Text with <strong>bold</strong>, <em>soft</em> and <code>code</code>.</p>"},
		{"* a\n** b\n* c", "<ul><li><p>a</p><ul><li><p>b</p></li></ul></li><li><p>c</p></li></ul>"},
		{"# a\n# b", "<ol><li><p>a</p></li><li><p>b</p></li></ol>"},
		{"||A||B||\n|1|[x|http://y.z]|", "<table><tbody><tr><th><p>A</p></th><th><p>B</p></th></tr><tr><td><p>1</p></td><td><p><a href=\"http://y.z\">x</a></p></td></tr></tbody></table>"},
		{"[] open\n[x] done", "<ac:task-list><ac:task><ac:task-status>incomplete</ac:task-status><ac:task-body><span>open</span></ac:task-body></ac:task><ac:task><ac:task-status>complete</ac:task-status><ac:task-body><span>done</span></ac:task-body></ac:task></ac:task-list>"},
		{"{code:go}\nx := a[i] * 2\n{code}", "<ac:structured-macro ac:name=\"code\"><ac:parameter ac:name=\"language\">go</ac:parameter><ac:plain-text-body><![CDATA[x := a[i] * 2]]></ac:plain-text-body></ac:structured-macro>"},
		{"{info}\nread *this*\n{info}", "<ac:structured-macro ac:name=\"info\"><ac:rich-text-body><p>read <strong>this</strong></p></ac:rich-text-body></ac:structured-macro>"},
		{"a & b < c", "<p>a &amp; b &lt; c</p>"},
		{"see [ENG:Rides API]", "<p>see <ac:link><ri:page ri:content-title=\"Rides API\" ri:space-key=\"ENG\" /></ac:link></p>"},
		{"bq. said\n----", "<blockquote><p>said</p></blockquote><hr />"},
	} {
		if diff := cmp.Diff(tc.want, body.FromWiki(tc.in)); diff != "" {
			t.Errorf("%q (-want +got):\n%s", tc.in, diff)
		}
	}
}

// TestADFBothWays: storage that Atlas Document Format can carry comes back the same.
func TestADFBothWays(t *testing.T) {
	for _, src := range []string{
		`<p>a <strong>b</strong> <em>c</em> <code>d</code> <u>e</u> <del>f</del> x<sup>2</sup></p>`,
		`<h1>a</h1><h3>b</h3><p>c<br />d</p><hr />`,
		`<ul><li><p>a</p><ol><li><p>b</p></li></ol></li></ul>`,
		`<table><tbody><tr><th><p>a</p></th></tr><tr><td><p>b</p></td></tr></tbody></table>`,
		`<blockquote><p>a</p></blockquote>`,
		`<p><a href="https://x.y/?a=1&amp;b=2">a</a></p>`,
		`<p><ac:link><ri:user ri:account-id="712020:x" /></ac:link> hi</p>`,
		`<p><time datetime="2026-11-22" /></p>`,
		`<ac:structured-macro ac:name="code"><ac:parameter ac:name="language">go</ac:parameter><ac:plain-text-body><![CDATA[a < b]]></ac:plain-text-body></ac:structured-macro>`,
		`<ac:structured-macro ac:name="info"><ac:rich-text-body><p>a</p></ac:rich-text-body></ac:structured-macro>`,
		`<ac:structured-macro ac:name="expand"><ac:parameter ac:name="title">t</ac:parameter><ac:rich-text-body><p>a</p></ac:rich-text-body></ac:structured-macro>`,
		`<ac:structured-macro ac:name="jira"><ac:parameter ac:name="key">A-1</ac:parameter></ac:structured-macro>`,
		`<p>x <ac:structured-macro ac:name="status"><ac:parameter ac:name="title">OK</ac:parameter><ac:parameter ac:name="colour">green</ac:parameter></ac:structured-macro></p>`,
		`<ac:task-list><ac:task><ac:task-status>complete</ac:task-status><ac:task-body>a</ac:task-body></ac:task></ac:task-list>`,
	} {
		doc, err := body.ParseStorage(src)
		if err != nil {
			t.Fatal(err)
		}
		adf := body.ToADF(doc)
		back, err := body.FromADF(adf)
		if err != nil {
			t.Errorf("FromADF(%s): %v", adf, err)
			continue
		}
		if diff := cmp.Diff(src, back); diff != "" {
			t.Errorf("through %s (-want +got):\n%s", adf, diff)
		}
	}
}

func TestFromADFRefuses(t *testing.T) {
	for in, says := range map[string]string{
		`{`:                               "JSON",
		`{"type":"page"}`:                 `type "doc"`,
		`{"type":"doc","content":[null]}`: "null",
		`{"type":"doc","content":[{"type":"heading","attrs":{"level":9}}]}`:                                                      "level",
		`{"type":"doc","content":[{"type":"text","text":"x","marks":[{"type":"glow"}]}]}`:                                        "glow",
		`{"type":"doc","content":[{"type":"date","attrs":{"timestamp":"soon"}}]}`:                                                "timestamp",
		`{"type":"doc","content":[{"type":"panel","attrs":{"panelType":"x"}}]}`:                                                  "panelType",
		`{"type":"doc","content":[` + strings.Repeat(`{"type":"blockquote","content":[`, 300) + strings.Repeat(`]}`, 300) + `]}`: "deeper",
	} {
		if _, err := body.FromADF(in); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("FromADF(%.60s) = %v, want %q", in, err, says)
		}
	}
}

func TestView(t *testing.T) {
	links := body.Links{
		Page:     func(_, title string) (string, bool) { return "/p/" + title, title == "Known" },
		User:     func(string) string { return "Ann" },
		Children: func() [][2]string { return [][2]string{{"Kid", "/kid"}} },
	}
	for in, want := range map[string]string{
		`<ac:link><ri:page ri:content-title="Known" /></ac:link>`:                             `<a href="/p/Known">Known</a>`,
		`<ac:link><ri:page ri:content-title="New" /><ac:link-body>n</ac:link-body></ac:link>`: `<a href="/p/New" class="createlink">n</a>`,
		`<ac:link><ri:user ri:account-id="1" /></ac:link>`:                                    `<a href="/wiki/people/1" class="confluence-userlink user-mention">Ann</a>`,
		`<ac:structured-macro ac:name="children" />`:                                          `<ul class="childpages-macro"><li><a href="/kid">Kid</a></li></ul>`,
		`<h2>A b</h2>`: `<h2 id="A-b">A b</h2>`,
		`<p onclick="x()">a<script>alert(1)</script><a href=" javascript:x">b</a></p>`: `<p>a<a>b</a></p>`,
	} {
		doc, err := body.ParseStorage(in)
		if err != nil {
			t.Fatal(err)
		}
		if got := body.View(doc, links); got != want {
			t.Errorf("View(%s)\n got %s\nwant %s", in, got, want)
		}
	}
}

// TestWikiIsAlwaysWellFormed: whatever is written in wiki markup can be stored,
// and what is stored does not change when it is stored again.
func TestWikiIsAlwaysWellFormed(t *testing.T) {
	piece := rapid.SampledFrom([]string{
		"h1. ", "* ", "** ", "# ", "||", "|", "{code}", "{info}", "{toc}", "[", "]", "{{", "}}", "*", "_", "\n", "\n", "[] ", "&", "<", "a", "b c", "\x00", "\x1b", "\r\n", "é", "{status:title=x|colour=Red}", "http://x.y",
	})
	rapid.Check(t, func(t *rapid.T) {
		src := strings.Join(rapid.SliceOfN(piece, 0, 40).Draw(t, "pieces"), "")
		out := body.FromWiki(src)
		doc, err := body.ParseStorage(out)
		if err != nil {
			t.Fatalf("%q became %s: %v", src, out, err)
		}
		once := body.Canonical(doc, "s")
		again, err := body.ParseStorage(once)
		if err != nil {
			t.Fatalf("canonical %s: %v", once, err)
		}
		if twice := body.Canonical(again, "other"); twice != once {
			t.Fatalf("canonical form is not stable:\n%s\n%s", once, twice)
		}
		if !json.Valid([]byte(body.ToADF(again))) {
			t.Fatalf("ADF of %s is not JSON", once)
		}
	})
}

func FuzzParseStorage(f *testing.F) {
	for _, s := range []string{`<p>a<br/></p>`, `<ac:structured-macro ac:name="x"><ac:plain-text-body><![CDATA[]]></ac:plain-text-body></ac:structured-macro>`, `&nbsp;`, `<a b='c'>`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, src string) {
		doc, err := body.ParseStorage(src)
		if err != nil {
			return
		}
		once := body.Canonical(doc, "s")
		again, err := body.ParseStorage(once)
		if err != nil {
			t.Fatalf("%q became %q: %v", src, once, err)
		}
		if twice := body.Canonical(again, "other"); twice != once {
			t.Fatalf("%q became %q, then %q", src, once, twice)
		}
	})
}
