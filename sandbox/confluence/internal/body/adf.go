package body

import (
	"encoding/json"
	"strconv"
	"strings"
)

// adfNode is one node of Atlas Document Format.
type adfNode struct {
	Type    string         `json:"type"`
	Version int            `json:"version,omitempty"`
	Attrs   map[string]any `json:"attrs,omitempty"`
	Content []*adfNode     `json:"content,omitempty"`
	Text    string         `json:"text,omitempty"`
	Marks   []adfMark      `json:"marks,omitempty"`
}

type adfMark struct {
	Type  string         `json:"type"`
	Attrs map[string]any `json:"attrs,omitempty"`
}

// ToADF converts a document to Atlas Document Format, as a JSON text. Macros
// without a node of their own become extension nodes.
func ToADF(root *Node) string {
	doc := &adfNode{Type: "doc", Version: 1, Content: adfBlocks(root.Children)}
	out, err := json.Marshal(doc)
	if err != nil { // only strings, numbers and maps of them: cannot fail
		return `{"type":"doc","version":1,"content":[]}`
	}
	return string(out)
}

var adfMarkOf = map[string]adfMark{
	"strong": {Type: "strong"}, "b": {Type: "strong"}, "em": {Type: "em"}, "i": {Type: "em"}, "u": {Type: "underline"},
	"code": {Type: "code"}, "del": {Type: "strike"}, "s": {Type: "strike"},
	"sub": {Type: "subsup", Attrs: map[string]any{"type": "sub"}}, "sup": {Type: "subsup", Attrs: map[string]any{"type": "sup"}},
}

var adfPanel = map[string]string{"info": "info", "note": "note", "warning": "error", "tip": "success", "panel": "custom"}

func isInline(n *Node) bool {
	switch n.Name {
	case "", "a", "br", "span", "time", "ac:link", "ac:emoticon", "ac:inline-comment-marker", "ac:placeholder":
		return true
	case "ac:structured-macro":
		return n.Attr("ac:name") == "status"
	}
	_, ok := adfMarkOf[n.Name]
	return ok
}

// adfBlocks converts siblings; a run of inline nodes becomes one paragraph.
func adfBlocks(nodes []*Node) []*adfNode {
	out := []*adfNode{}
	var run []*Node
	flush := func() {
		if c := adfInline(run, nil); len(c) > 0 && strings.TrimSpace(PlainText(&Node{Name: "#", Children: run})) != "" {
			out = append(out, &adfNode{Type: "paragraph", Content: c})
		}
		run = nil
	}
	for _, n := range nodes {
		if isInline(n) {
			run = append(run, n)
			continue
		}
		flush()
		out = append(out, adfBlock(n)...)
	}
	flush()
	return out
}

func adfBlock(n *Node) []*adfNode {
	one := func(t string, attrs map[string]any, content []*adfNode) []*adfNode {
		return []*adfNode{{Type: t, Attrs: attrs, Content: content}}
	}
	switch n.Name {
	case "p":
		return one("paragraph", nil, adfInline(n.Children, nil))
	case "h1", "h2", "h3", "h4", "h5", "h6":
		return one("heading", map[string]any{"level": int(n.Name[1] - '0')}, adfInline(n.Children, nil))
	case "ul":
		return one("bulletList", nil, adfEach(n, "listItem"))
	case "ol":
		return one("orderedList", nil, adfEach(n, "listItem"))
	case "blockquote":
		return one("blockquote", nil, adfBlocks(n.Children))
	case "hr":
		return one("rule", nil, nil)
	case "pre":
		return one("codeBlock", nil, []*adfNode{{Type: "text", Text: PlainText(n)}})
	case "table":
		return one("table", nil, adfRows(n))
	case "ac:task-list":
		return one("taskList", map[string]any{"localId": ""}, adfTasks(n))
	case "ac:image":
		return one("mediaSingle", map[string]any{"layout": "center"}, []*adfNode{{Type: "media", Attrs: adfMedia(n)}})
	case "ac:structured-macro":
		return adfMacro(n)
	}
	return adfBlocks(n.Children)
}

func adfEach(n *Node, item string) []*adfNode {
	out := []*adfNode{}
	for _, c := range n.elements() {
		out = append(out, &adfNode{Type: item, Content: adfBlocks(c.Children)})
	}
	return out
}

func adfRows(n *Node) []*adfNode {
	out := []*adfNode{}
	for _, c := range n.elements() {
		switch c.Name {
		case "thead", "tbody", "tfoot":
			out = append(out, adfRows(c)...)
		case "tr":
			row := &adfNode{Type: "tableRow"}
			for _, cell := range c.elements() {
				t := "tableCell"
				if cell.Name == "th" {
					t = "tableHeader"
				}
				row.Content = append(row.Content, &adfNode{Type: t, Attrs: map[string]any{}, Content: adfBlocks(cell.Children)})
			}
			out = append(out, row)
		}
	}
	return out
}

func adfTasks(n *Node) []*adfNode {
	out := []*adfNode{}
	for _, t := range n.elements() {
		if t.Name != "ac:task" {
			continue
		}
		state, id := "TODO", ""
		if s := t.child("ac:task-status"); s != nil && PlainText(s) == "complete" {
			state = "DONE"
		}
		if s := t.child("ac:task-id"); s != nil {
			id = PlainText(s)
		}
		item := &adfNode{Type: "taskItem", Attrs: map[string]any{"localId": id, "state": state}}
		if b := t.child("ac:task-body"); b != nil {
			item.Content = adfInline(b.Children, nil)
		}
		out = append(out, item)
	}
	return out
}

func adfMedia(n *Node) map[string]any {
	if u := n.child("ri:url"); u != nil {
		return map[string]any{"type": "external", "url": u.Attr("ri:value"), "alt": n.Attr("ac:alt")}
	}
	attrs := map[string]any{"type": "file", "id": "", "collection": "", "alt": n.Attr("ac:alt")}
	if a := n.child("ri:attachment"); a != nil {
		attrs["id"] = a.Attr("ri:filename")
	}
	return attrs
}

func adfMacro(n *Node) []*adfNode {
	name := n.Attr("ac:name")
	rich, plain := n.child("ac:rich-text-body"), n.child("ac:plain-text-body")
	if name == "code" && plain != nil {
		node := &adfNode{Type: "codeBlock", Content: []*adfNode{{Type: "text", Text: PlainText(plain)}}}
		if lang := macroParam(n, "language"); lang != "" {
			node.Attrs = map[string]any{"language": lang}
		}
		return []*adfNode{node}
	}
	if p, ok := adfPanel[name]; ok && rich != nil {
		return []*adfNode{{Type: "panel", Attrs: map[string]any{"panelType": p}, Content: adfBlocks(rich.Children)}}
	}
	if name == "expand" && rich != nil {
		return []*adfNode{{Type: "expand", Attrs: map[string]any{"title": macroParam(n, "title")}, Content: adfBlocks(rich.Children)}}
	}
	return []*adfNode{adfExtension(n)}
}

// adfExtension carries a macro that has no node of its own.
func adfExtension(n *Node) *adfNode {
	name := n.Attr("ac:name")
	rich, plain := n.child("ac:rich-text-body"), n.child("ac:plain-text-body")
	params := map[string]any{}
	for _, c := range n.Children {
		if c.Name == "ac:parameter" {
			params[c.Attr("ac:name")] = map[string]any{"value": PlainText(c)}
		}
	}
	attrs := map[string]any{
		"extensionType": "com.atlassian.confluence.macro.core", "extensionKey": name,
		"parameters": map[string]any{"macroParams": params, "macroMetadata": map[string]any{
			"macroId": map[string]any{"value": n.Attr("ac:macro-id")}, "schemaVersion": map[string]any{"value": n.Attr("ac:schema-version")},
		}},
	}
	if rich != nil {
		return &adfNode{Type: "bodiedExtension", Attrs: attrs, Content: adfBlocks(rich.Children)}
	}
	if plain != nil {
		attrs["text"] = PlainText(plain)
	}
	return &adfNode{Type: "extension", Attrs: attrs}
}

func adfInline(nodes []*Node, marks []adfMark) []*adfNode {
	var out []*adfNode
	for _, n := range nodes {
		switch n.Name {
		case "":
			if n.Text != "" {
				out = append(out, &adfNode{Type: "text", Text: n.Text, Marks: marks})
			}
		case "br":
			out = append(out, &adfNode{Type: "hardBreak"})
		case "a":
			out = append(out, adfInline(n.Children, with(marks, adfMark{Type: "link", Attrs: map[string]any{"href": n.Attr("href")}}))...)
		case "time":
			out = append(out, &adfNode{Type: "date", Attrs: map[string]any{"timestamp": dateMillis(n.Attr("datetime"))}})
		case "ac:emoticon":
			out = append(out, &adfNode{Type: "emoji", Attrs: map[string]any{"shortName": n.Attr("ac:emoji-shortname"), "text": n.Attr("ac:emoji-fallback")}})
		case "ac:link":
			out = append(out, adfLink(n, marks)...)
		case "ac:structured-macro":
			out = append(out, adfInlineMacro(n))
		case markerName:
			out = append(out, adfInline(n.Children, with(marks, adfMark{Type: "annotation", Attrs: map[string]any{"annotationType": "inlineComment", "id": n.Attr("ac:ref")}}))...)
		case "ac:placeholder":
		default:
			if m, ok := adfMarkOf[n.Name]; ok {
				out = append(out, adfInline(n.Children, with(marks, m))...)
			} else {
				out = append(out, adfInline(n.Children, marks)...)
			}
		}
	}
	return out
}

// adfInlineMacro converts a macro that stands in running text.
func adfInlineMacro(n *Node) *adfNode {
	if n.Attr("ac:name") == "status" {
		return &adfNode{Type: "status", Attrs: map[string]any{
			"text": macroParam(n, "title"), "color": strings.ToLower(macroParam(n, "colour")), "localId": n.Attr("ac:macro-id"), "style": "",
		}}
	}
	node := adfExtension(n)
	node.Type, node.Content = "inlineExtension", nil
	return node
}

func with(marks []adfMark, m adfMark) []adfMark {
	return append(append(make([]adfMark, 0, len(marks)+1), marks...), m)
}

func adfLink(n *Node, marks []adfMark) []*adfNode {
	if u := n.child("ri:user"); u != nil {
		return []*adfNode{{Type: "mention", Attrs: map[string]any{"id": u.Attr("ri:account-id"), "text": ""}}}
	}
	href, label := "#"+n.Attr("ac:anchor"), n.Attr("ac:anchor")
	if p := n.child("ri:page"); p != nil {
		label = p.Attr("ri:content-title")
		href = "confluence-content:///" + p.Attr("ri:space-key") + ":" + label
	}
	link := with(marks, adfMark{Type: "link", Attrs: map[string]any{"href": href}})
	if b := n.child("ac:link-body"); b != nil {
		return adfInline(b.Children, link)
	}
	if b := n.child("ac:plain-text-link-body"); b != nil {
		label = PlainText(b)
	}
	return []*adfNode{{Type: "text", Text: label, Marks: link}}
}

func dateMillis(day string) string {
	t, err := parseDay(day)
	if err != nil {
		return "0"
	}
	return strconv.FormatInt(t.UnixMilli(), 10)
}
