package body

import (
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
)

// MaxDepth bounds how deeply elements may nest.
const MaxDepth = 200

// Attr is one attribute; Name carries its prefix ("ac:name").
type Attr struct {
	Name, Value string
}

// Node is an element or, when Name is empty, text.
type Node struct {
	Name     string
	Attrs    []Attr
	Text     string
	Children []*Node
	// Made marks what the canonicaliser added on its own.
	Made bool
}

// Attr gives the value of an attribute, or "".
func (n *Node) Attr(name string) string {
	for _, a := range n.Attrs {
		if a.Name == name {
			return a.Value
		}
	}
	return ""
}

func (n *Node) set(name, value string) {
	for i := range n.Attrs {
		if n.Attrs[i].Name == name {
			n.Attrs[i].Value = value
			return
		}
	}
	n.Attrs = append(n.Attrs, Attr{Name: name, Value: value})
}

func (n *Node) child(name string) *Node {
	for _, c := range n.Children {
		if c.Name == name {
			return c
		}
	}
	return nil
}

// elements gives the children that are elements.
func (n *Node) elements() []*Node {
	out := make([]*Node, 0, len(n.Children))
	for _, c := range n.Children {
		if c.Name != "" {
			out = append(out, c)
		}
	}
	return out
}

// SyntaxError says where storage is not well-formed. Its text is the server's.
type SyntaxError struct {
	Msg       string
	Line, Col int
}

func (e *SyntaxError) Error() string {
	return fmt.Sprintf("Error parsing xhtml: %s\n at [row,col {unknown-source}]: [%d,%d]", e.Msg, e.Line, e.Col)
}

// prefixes that storage may use without declaring them.
var prefixes = map[string]bool{"": true, "ac": true, "ri": true, "at": true, "xml": true, "xlink": true}

// ParseStorage reads storage format. The root node has no name of its own: its
// Children are the document. An error is a [*SyntaxError].
func ParseStorage(src string) (*Node, error) {
	d := xml.NewDecoder(strings.NewReader(src))
	d.Entity = xml.HTMLEntity
	p := parser{d: d, stack: []*Node{{Name: "#root"}}}
	for {
		tok, err := d.RawToken()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, p.fail(reason(err))
		}
		if err := p.token(tok); err != nil {
			return nil, err
		}
	}
	if len(p.stack) > 1 {
		return nil, p.fail("Unexpected end of input block; expected close tag </" + p.stack[len(p.stack)-1].Name + ">")
	}
	return p.stack[0], nil
}

type parser struct {
	d     *xml.Decoder
	stack []*Node
}

func (p *parser) fail(msg string) error {
	line, col := p.d.InputPos()
	return &SyntaxError{Msg: msg, Line: line, Col: col}
}

func reason(err error) string {
	var s *xml.SyntaxError
	if errors.As(err, &s) {
		return s.Msg
	}
	return err.Error()
}

func (p *parser) token(tok xml.Token) error {
	top := p.stack[len(p.stack)-1]
	switch t := tok.(type) {
	case xml.StartElement:
		name, err := p.name(t.Name)
		if err != nil {
			return err
		}
		n := &Node{Name: name}
		for _, a := range t.Attr {
			an, err := p.name(a.Name)
			if err != nil {
				return err
			}
			if strings.HasPrefix(an, "xmlns") {
				continue
			}
			if slices.ContainsFunc(n.Attrs, func(x Attr) bool { return x.Name == an }) {
				return p.fail("Duplicate attribute '" + an + "'")
			}
			n.Attrs = append(n.Attrs, Attr{Name: an, Value: a.Value})
		}
		if len(p.stack) > MaxDepth {
			return p.fail(fmt.Sprintf("Elements nest deeper than %d", MaxDepth))
		}
		top.Children = append(top.Children, n)
		p.stack = append(p.stack, n)
	case xml.EndElement:
		name := qualified(t.Name)
		if len(p.stack) == 1 {
			return p.fail("Unexpected close tag </" + name + ">; there is no open element")
		}
		if top.Name != name {
			return p.fail("Unexpected close tag </" + name + ">; expected </" + top.Name + ">.")
		}
		p.stack = p.stack[:len(p.stack)-1]
	case xml.CharData:
		if k := len(top.Children); k > 0 && top.Children[k-1].Name == "" {
			top.Children[k-1].Text += string(t)
		} else {
			top.Children = append(top.Children, &Node{Text: string(t)})
		}
	case xml.ProcInst, xml.Directive:
		return p.fail("Processing instructions and declarations are not allowed in content")
	}
	return nil
}

func (p *parser) name(n xml.Name) (string, error) {
	if n.Space == "xmlns" || n.Local == "xmlns" {
		return "xmlns:" + n.Local, nil
	}
	if !prefixes[n.Space] {
		return "", p.fail("Undeclared namespace prefix \"" + n.Space + "\"")
	}
	return qualified(n), nil
}

func qualified(n xml.Name) string {
	if n.Space == "" {
		return n.Local
	}
	return n.Space + ":" + n.Local
}
