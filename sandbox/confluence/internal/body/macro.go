package body

import "strings"

// Macro finds the macro with an id; nil when there is none.
func Macro(root *Node, id string) *Node {
	var found *Node
	walk(root, func(n *Node) {
		if found == nil && id != "" && n.Name == "ac:structured-macro" && n.Attr("ac:macro-id") == id {
			found = n
		}
	})
	return found
}

// MacroParts gives a macro's body in storage format, or its plain text, and its
// parameters.
func MacroParts(n *Node) (text string, params map[string]string) {
	params = map[string]string{}
	for _, c := range n.elements() {
		switch c.Name {
		case "ac:parameter":
			params[c.Attr("ac:name")] = PlainText(c)
		case "ac:rich-text-body":
			var b strings.Builder
			for _, k := range c.Children {
				writeNode(&b, k)
			}
			text = b.String()
		case "ac:plain-text-body":
			text = PlainText(c)
		}
	}
	return text, params
}
