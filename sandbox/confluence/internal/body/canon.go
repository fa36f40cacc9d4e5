package body

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/xml"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Canonical rewrites a parsed document as the server does (macro ids, schema
// versions, task ids) and writes it as storage. seed makes the generated ids
// differ between contents; the same document and seed give the same ids.
func Canonical(root *Node, seed string) string {
	c := canon{seed: seed, used: map[string]bool{}}
	walk(root, func(n *Node) {
		if n.Name == "ac:task" {
			c.used[childText(n, "ac:task-id")] = true
		}
	})
	c.complete(root)
	var b strings.Builder
	for _, n := range root.Children {
		writeNode(&b, n)
	}
	return b.String()
}

// Write gives the storage text of a document without completing it.
func Write(root *Node) string {
	var b strings.Builder
	for _, n := range root.Children {
		writeNode(&b, n)
	}
	return b.String()
}

type canon struct {
	seed  string
	n     int
	tasks int
	used  map[string]bool // task ids that the document has already
	taken map[string]bool // those of them that a task before has
}

// taskID gives an id that no task of the document has.
func (c *canon) taskID() string {
	for {
		c.tasks++
		if id := strconv.Itoa(c.tasks); !c.used[id] {
			c.used[id] = true
			return id
		}
	}
}

func (c *canon) id() string {
	c.n++
	sum := sha256.Sum256([]byte(c.seed + "/" + strconv.Itoa(c.n)))
	h := hex.EncodeToString(sum[:16])
	return fmt.Sprintf("%s-%s-4%s-8%s-%s", h[:8], h[8:12], h[13:16], h[17:20], h[20:32])
}

func (c *canon) complete(n *Node) {
	switch n.Name {
	case "ac:structured-macro", "ac:macro":
		n.Name = "ac:structured-macro"
		if n.Attr("ac:schema-version") == "" {
			n.set("ac:schema-version", "1")
		}
		if n.Attr("ac:macro-id") == "" {
			n.set("ac:macro-id", c.id())
		}
	case "ac:task":
		c.completeTask(n)
	}
	for _, ch := range n.Children {
		if ch.Name != "" {
			c.complete(ch)
		}
	}
}

func (c *canon) completeTask(n *Node) {
	text := func(name, v string) *Node { return &Node{Name: name, Children: []*Node{{Text: v}}} }
	id, uuid, status := n.child("ac:task-id"), n.child("ac:task-uuid"), n.child("ac:task-status")
	given := []*Node{id, uuid, status}
	if id == nil || PlainText(id) == "" || c.taken[PlainText(id)] {
		id = text("ac:task-id", c.taskID())
		id.Made = true
	}
	if c.taken == nil {
		c.taken = map[string]bool{}
	}
	c.taken[PlainText(id)] = true
	if uuid == nil {
		uuid = text("ac:task-uuid", c.id())
	}
	if status == nil {
		status = text("ac:task-status", "incomplete")
	}
	children := []*Node{id, uuid, status}
	for _, ch := range n.Children {
		if ch.Name != "" && !slices.Contains(given, ch) {
			children = append(children, ch)
		}
	}
	n.Children = children
}

// cdata names the elements whose text the server writes as CDATA.
var cdata = map[string]bool{"ac:plain-text-body": true, "ac:plain-text-link-body": true}

func writeNode(b *strings.Builder, n *Node) {
	if n.Name == "" {
		escapeText(b, n.Text)
		return
	}
	b.WriteByte('<')
	b.WriteString(n.Name)
	for _, a := range n.Attrs {
		b.WriteByte(' ')
		b.WriteString(a.Name)
		b.WriteString(`="`)
		escapeAttr(b, a.Value)
		b.WriteByte('"')
	}
	if cdata[n.Name] {
		b.WriteString("><![CDATA[")
		b.WriteString(strings.ReplaceAll(PlainText(n), "]]>", "]]]]><![CDATA[>"))
		b.WriteString("]]></" + n.Name + ">")
		return
	}
	if len(n.Children) == 0 {
		b.WriteString(" />")
		return
	}
	b.WriteByte('>')
	for _, c := range n.Children {
		writeNode(b, c)
	}
	b.WriteString("</" + n.Name + ">")
}

// PlainText joins the text below a node as it stands, without spacing.
func PlainText(n *Node) string {
	if n.Name == "" {
		return n.Text
	}
	if len(n.Children) == 1 && n.Children[0].Name == "" {
		return n.Children[0].Text
	}
	var b strings.Builder
	for _, c := range n.Children {
		b.WriteString(PlainText(c))
	}
	return b.String()
}

// named maps characters to the entities under which the server stores them.
var named = entityNames()

func entityNames() map[rune]string {
	out := make(map[rune]string, len(xml.HTMLEntity))
	for name, value := range xml.HTMLEntity {
		r := []rune(value)
		if len(r) != 1 || r[0] < 0x80 {
			continue
		}
		if old, ok := out[r[0]]; !ok || name < old {
			out[r[0]] = name
		}
	}
	return out
}

func escapeText(b *strings.Builder, s string) {
	start := 0
	for i, r := range s {
		var ent string
		switch {
		case r == '&':
			ent = "amp"
		case r == '<':
			ent = "lt"
		case r == '>':
			ent = "gt"
		case r >= 0xA0:
			ent = named[r]
		}
		if ent == "" {
			continue
		}
		b.WriteString(s[start:i])
		b.WriteString("&" + ent + ";")
		start = i + len(string(r))
	}
	b.WriteString(s[start:])
}

var attrEscaper = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", `"`, "&quot;", "\n", "&#10;", "\t", "&#9;")

func escapeAttr(b *strings.Builder, s string) { _, _ = attrEscaper.WriteString(b, s) }

// EscapeText gives s as text of an XHTML document.
func EscapeText(s string) string {
	var b strings.Builder
	escapeText(&b, s)
	return b.String()
}

// EscapeAttr gives s as a double-quoted attribute value, without the quotes.
func EscapeAttr(s string) string { return attrEscaper.Replace(s) }
