package confluence

import (
	"context"
	"encoding/xml"
	"net/url"
	"strings"

	"github.com/sluice-run/sluice/toolkit"
)

// selection is one place where a text stands on a page.
type selection struct {
	Index  int    `json:"index" jsonschema_description:"Which occurrence it is, from 0: the matchIndex of create inline comment."`
	Before string `json:"before,omitempty" jsonschema_description:"What stands before it."`
	Text   string `json:"text" jsonschema_description:"The text itself."`
	After  string `json:"after,omitempty" jsonschema_description:"What stands after it."`
}

type selectionList struct {
	Count      int         `json:"count" jsonschema_description:"How often the text stands on the page: the match count of an inline comment."`
	Selections []selection `json:"selections" jsonschema_description:"The occurrences, at most 100."`
	Note       string      `json:"note,omitempty" jsonschema_description:"What to try when there is none."`
}

type findTextSelectionsInput struct {
	ID   string `json:"id" jsonschema_description:"The page or blog post: id, address, or MKT: Title of a page."`
	Text string `json:"text" jsonschema:"minLength=1,maxLength=500" jsonschema_description:"The text to find, exactly as it is shown, within one paragraph."`
	Type string `json:"type,omitempty" jsonschema:"enum=page,enum=blogpost,default=page" jsonschema_description:"What id names."`
}

var findTextSelections = toolkit.Read("CONFLUENCE_FIND_TEXT_SELECTIONS", "Find Text Selections",
	"Find where a text stands on one page, with what is around each occurrence. Use it before an inline comment on a text that occurs more than once. "+
		"To find pages use search content.",
	toolkit.About{
		Scopes:    toolkit.AllOf(scopeReadPage),
		Keywords:  []string{"occurrences", "match index", "where on the page", "phrase position"},
		Pitfalls:  []string{"Texts inside macros that fetch their content are not on the page itself and are not found."},
		Endpoints: []string{"GET /wiki/api/v2/pages/{id}", "GET /wiki/api/v2/blogposts/{id}"},
	},
	func(ctx context.Context, c *client, in findTextSelectionsInput) (*selectionList, error) {
		what := map[string]string{"page": "page", "blogpost": "blog post"}[in.Type]
		id, err := c.contentID(ctx, "id", what, in.ID)
		if err != nil {
			return nil, err
		}
		return c.selections(ctx, what, id, in.Text)
	})

// maxSelections is how many occurrences are shown.
const maxSelections = 100

// selections finds the occurrences of a text on a page or blog post.
func (c *client) selections(ctx context.Context, what, id, text string) (*selectionList, error) {
	var p page
	err := c.do(ctx, request{
		path: v2 + "/" + collectionOf[what] + "/" + id, query: url.Values{"body-format": {"storage"}}, out: &p,
		what: what + " with id " + id, field: "id", scopes: []string{scopeReadPage},
	})
	if err != nil {
		return nil, err
	}
	kept, _ := p.Body.text()
	out := &selectionList{Selections: []selection{}}
	needle := strings.Join(strings.Fields(text), " ")
	if needle == "" {
		return nil, toolkit.Invalid("text", "text: expected the text to find")
	}
	for line := range strings.SplitSeq(shownText(kept.Value), "\n") {
		for from := 0; ; {
			at := strings.Index(line[from:], needle)
			if at < 0 {
				break
			}
			at += from
			from = at + len(needle)
			if out.Count < maxSelections {
				out.Selections = append(out.Selections, selection{
					Index: out.Count, Before: lastPart(line[:at]), Text: needle, After: firstPart(line[from:]),
				})
			}
			out.Count++
		}
	}
	if out.Count == 0 {
		out.Note = "The text is not on the page in this spelling; case counts, and a selection cannot go beyond one paragraph or table cell."
	}
	return out, nil
}

// around is how much of the text before and after is shown.
const around = 40

func lastPart(s string) string {
	if r := []rune(s); len(r) > around {
		return "…" + string(r[len(r)-around:])
	}
	return s
}

func firstPart(s string) string {
	if r := []rune(s); len(r) > around {
		return string(r[:around]) + "…"
	}
	return s
}

// inText are the elements that stand inside a line of text; all others end one.
var inText = map[string]bool{
	"a": true, "strong": true, "b": true, "em": true, "i": true, "u": true, "s": true, "del": true, "ins": true, "sub": true, "sup": true, "code": true,
	"span": true, "small": true, "big": true, "time": true, "ac:inline-comment-marker": true, "ac:link": true, "ac:link-body": true,
	"ac:plain-text-link-body": true, "ac:emoticon": true,
}

// textLine is a line of a text; level is that of a heading, 0 for all other lines.
type textLine struct {
	text  string
	level int
}

// shownText gives the text of storage format as people see it, see shownLines.
func shownText(storage string) string {
	var b strings.Builder
	for i, line := range shownLines(storage) {
		if i > 0 {
			b.WriteByte('\n')
		}
		b.WriteString(line.text)
	}
	return b.String()
}

// headings are the elements that begin a section; headMark stands before their
// text until the lines are cut, a character that XML cannot hold.
const (
	headings = "h1 h2 h3 h4 h5 h6"
	headMark = '\x01'
)

// shownLines gives the text of storage format as people see it: a line for each
// paragraph, without what configures macros. Malformed text gives what could be read.
func shownLines(storage string) []textLine {
	d := xml.NewDecoder(strings.NewReader(`<x>` + storage + `</x>`))
	d.Strict, d.Entity, d.AutoClose = false, xml.HTMLEntity, nil
	var b strings.Builder
	hidden := 0
	for {
		t, err := d.RawToken()
		if err != nil {
			break
		}
		switch t := t.(type) {
		case xml.StartElement:
			if name := tagName(t.Name); name == "ac:parameter" || name == "ac:task-id" || name == "ac:task-status" || name == "ac:task-uuid" {
				hidden++
			} else if !inText[name] {
				b.WriteByte('\n')
				if at := strings.Index(headings, name); at >= 0 && len(name) == 2 {
					b.WriteString(string(headMark) + name[1:])
				}
			}
		case xml.EndElement:
			if name := tagName(t.Name); name == "ac:parameter" || name == "ac:task-id" || name == "ac:task-status" || name == "ac:task-uuid" {
				hidden = max(hidden-1, 0)
			} else if !inText[name] {
				b.WriteByte('\n')
			}
		case xml.CharData:
			if hidden == 0 {
				b.WriteString(strings.NewReplacer("\n", " ", "\r", " ", "\u00a0", " ").Replace(string(t)))
			}
		}
	}
	var lines []textLine
	for line := range strings.SplitSeq(b.String(), "\n") {
		level := 0
		if len(line) > 1 && line[0] == headMark {
			level, line = int(line[1]-'0'), line[2:]
		}
		if line = strings.Join(strings.Fields(line), " "); line != "" {
			lines = append(lines, textLine{line, level})
		}
	}
	return lines
}

func tagName(n xml.Name) string {
	if n.Space == "" {
		return strings.ToLower(n.Local)
	}
	return strings.ToLower(n.Space + ":" + n.Local)
}
