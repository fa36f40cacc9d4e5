package body

import (
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

const markerName = "ac:inline-comment-marker"

// place is where one byte of a document's flat text comes from: a text node, or
// an element that is marked as a whole.
type place struct {
	parent, node *Node
	from, to     int // bytes of node.Text
}

// flat is a document's text as a reader selects it: white space runs are one
// space, and so is the end of a block.
type flat struct {
	text []byte
	at   []place
}

// unmarkable names the elements whose text nobody can select.
var unmarkable = map[string]bool{
	"ac:parameter": true, "ac:task-id": true, "ac:task-uuid": true, "ac:task-status": true, "ac:placeholder": true,
	"ac:plain-text-body": true, "ac:plain-text-link-body": true, "ac:adf-extension": true,
}

func flatten(root *Node) *flat {
	f := &flat{}
	f.children(root)
	return f
}

func (f *flat) children(n *Node) {
	for _, c := range n.Children {
		switch {
		case c.Name == "":
			f.add(c.Text, n, c, false)
		case unmarkable[c.Name]:
		case c.Name == "ac:link" && c.child("ac:link-body") == nil:
			if b := c.child("ac:plain-text-link-body"); b != nil {
				f.add(PlainText(b), n, c, true)
			} else if p := c.child("ri:page"); p != nil {
				f.add(p.Attr("ri:content-title"), n, c, true)
			}
		default:
			if block[c.Name] {
				f.space(place{})
			}
			f.children(c)
			if block[c.Name] {
				f.space(place{})
			}
		}
	}
}

func (f *flat) space(p place) {
	if len(f.text) > 0 && f.text[len(f.text)-1] != ' ' {
		f.text, f.at = append(f.text, ' '), append(f.at, p)
	}
}

func (f *flat) add(s string, parent, node *Node, whole bool) {
	for i := 0; i < len(s); {
		r, size := utf8.DecodeRuneInString(s[i:])
		p := place{parent: parent, node: node, from: i, to: i + size}
		if whole {
			p.from, p.to = 0, 0
		}
		if unicode.IsSpace(r) {
			f.space(p)
		} else {
			for _, b := range []byte(s[i : i+size]) {
				f.text, f.at = append(f.text, b), append(f.at, p)
			}
		}
		i += size
	}
}

// find gives where a selection begins, each time that it occurs.
func (f *flat) find(selection string) (starts []int, length int) {
	want := strings.Join(strings.Fields(selection), " ")
	if want == "" {
		return nil, 0
	}
	text := string(f.text)
	for from := 0; ; {
		i := strings.Index(text[from:], want)
		if i < 0 {
			return starts, len(want)
		}
		starts = append(starts, from+i)
		from += i + len(want)
	}
}

// Occurrences counts how often a text can be selected in a document.
func Occurrences(root *Node, selection string) int {
	starts, _ := flatten(root).find(selection)
	return len(starts)
}

// Mark puts the marker of an inline comment around an occurrence of a text,
// counted from 0. The text may go across elements; each piece of it gets a
// marker. It says whether there is such an occurrence.
func Mark(root *Node, selection string, index int, ref string) bool {
	f := flatten(root)
	starts, n := f.find(selection)
	if index < 0 || index >= len(starts) {
		return false
	}
	var pieces []place
	for _, p := range f.at[starts[index] : starts[index]+n] {
		if p.node == nil {
			continue
		}
		if k := len(pieces) - 1; k >= 0 && pieces[k].node == p.node {
			pieces[k].to = max(pieces[k].to, p.to)
		} else {
			pieces = append(pieces, p)
		}
	}
	for _, p := range pieces {
		p.wrap(ref)
	}
	return true
}

// wrap puts a marker around a piece of a text node or around an element.
func (p place) wrap(ref string) {
	marker := &Node{Name: markerName, Attrs: []Attr{{Name: "ac:ref", Value: ref}}}
	i := slices.Index(p.parent.Children, p.node)
	var put []*Node
	if p.node.Name != "" {
		marker.Children, put = []*Node{p.node}, []*Node{marker}
	} else {
		text := p.node.Text
		if p.from > 0 {
			put = append(put, &Node{Text: text[:p.from]})
		}
		marker.Children = []*Node{{Text: text[p.from:p.to]}}
		put = append(put, marker)
		if p.to < len(text) {
			put = append(put, &Node{Text: text[p.to:]})
		}
	}
	p.parent.Children = slices.Replace(p.parent.Children, i, i+1, put...)
}

// Unmark takes an inline comment's markers out and leaves the text.
func Unmark(root *Node, ref string) {
	var out []*Node
	for _, c := range root.Children {
		Unmark(c, ref)
		if c.Name == markerName && c.Attr("ac:ref") == ref {
			out = append(out, c.Children...)
		} else {
			out = append(out, c)
		}
	}
	root.Children = joinText(out)
}

// joinText joins neighbouring text nodes.
func joinText(nodes []*Node) []*Node {
	var out []*Node
	for _, n := range nodes {
		if k := len(out) - 1; n.Name == "" && k >= 0 && out[k].Name == "" {
			out[k] = &Node{Text: out[k].Text + n.Text}
		} else {
			out = append(out, n)
		}
	}
	return out
}

// Markers gives the references of the inline comment markers of a document.
func Markers(root *Node) map[string]bool {
	out := map[string]bool{}
	walk(root, func(n *Node) {
		if n.Name == markerName {
			out[n.Attr("ac:ref")] = true
		}
	})
	return out
}

// walk visits a node and all below it, in order.
func walk(n *Node, f func(*Node)) {
	f(n)
	for _, c := range n.Children {
		walk(c, f)
	}
}
