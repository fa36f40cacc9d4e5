package body

import "strings"

// block names the elements that end a line of text.
var block = map[string]bool{
	"p": true, "div": true, "h1": true, "h2": true, "h3": true, "h4": true, "h5": true, "h6": true,
	"li": true, "ul": true, "ol": true, "tr": true, "td": true, "th": true, "table": true, "tbody": true,
	"blockquote": true, "pre": true, "br": true, "hr": true,
	"ac:structured-macro": true, "ac:rich-text-body": true, "ac:plain-text-body": true,
	"ac:task": true, "ac:task-body": true, "ac:layout-cell": true,
}

// hidden names the elements whose text no reader sees.
var hidden = map[string]bool{
	"ac:parameter": true, "ac:task-id": true, "ac:task-uuid": true, "ac:task-status": true, "ac:placeholder": true,
}

// Text gives what a reader would read, in one line, words separated by single spaces.
func Text(root *Node) string {
	var b strings.Builder
	appendText(&b, root)
	return strings.Join(strings.Fields(b.String()), " ")
}

func appendText(b *strings.Builder, n *Node) {
	switch {
	case n.Name == "":
		b.WriteString(n.Text)
		return
	case n.Name == "ac:structured-macro" && n.Attr("ac:name") == "status":
		b.WriteString(macroParam(n, "title"))
	case n.Name == "ri:page":
		if n.Attr("ri:content-title") != "" {
			b.WriteString(" " + n.Attr("ri:content-title") + " ")
		}
	case n.Name == "time":
		b.WriteString(n.Attr("datetime"))
	case n.Name == "ac:emoticon":
		b.WriteString(n.Attr("ac:emoji-fallback"))
	}
	if hidden[n.Name] {
		return
	}
	for _, c := range n.Children {
		appendText(b, c)
	}
	if block[n.Name] {
		b.WriteByte(' ')
	}
}

func macroParam(n *Node, name string) string {
	for _, c := range n.Children {
		if c.Name == "ac:parameter" && c.Attr("ac:name") == name {
			return PlainText(c)
		}
	}
	return ""
}
