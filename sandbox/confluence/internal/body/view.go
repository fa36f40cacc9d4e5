package body

import (
	"strings"
)

// Links resolves what a view must know about the site.
type Links struct {
	// Page gives the address of a page by space key ("" = this space) and title, and whether it exists.
	Page func(spaceKey, title string) (string, bool)
	// User gives a display name by account id.
	User func(accountID string) string
	// File gives the address of an attachment of the rendered page by file name, and whether it exists.
	File func(name string) (string, bool)
	// Children lists the child pages of the rendered page as titles and addresses.
	Children func() [][2]string
}

// View renders a document as the HTML that a browser would show.
func View(root *Node, l Links) string {
	v := viewer{links: l, root: root}
	for _, n := range root.Children {
		v.node(n)
	}
	return v.b.String()
}

type viewer struct {
	b     strings.Builder
	links Links
	root  *Node
}

func (v *viewer) children(n *Node) {
	for _, c := range n.Children {
		v.node(c)
	}
}

func (v *viewer) wrap(open string, n *Node, end string) {
	v.b.WriteString(open)
	v.children(n)
	v.b.WriteString(end)
}

func (v *viewer) node(n *Node) {
	switch n.Name {
	case "":
		escapeText(&v.b, n.Text)
	case "ac:structured-macro":
		v.macro(n)
	case "ac:link":
		v.link(n)
	case "ac:image":
		v.image(n)
	case "ac:emoticon":
		escapeText(&v.b, n.Attr("ac:emoji-fallback"))
	case "ac:task-list":
		v.wrap(`<ul class="inline-task-list">`, n, "</ul>")
	case "ac:task":
		v.task(n)
	case "ac:layout", "ac:layout-section":
		v.wrap(`<div class="`+strings.ReplaceAll(strings.TrimPrefix(n.Name, "ac:"), "layout", "columnLayout")+`">`, n, "</div>")
	case "ac:layout-cell":
		v.wrap(`<div class="cell"><div class="innerCell">`, n, "</div></div>")
	case "ac:inline-comment-marker":
		v.wrap(`<span class="inline-comment-marker" data-ref="`+EscapeAttr(n.Attr("ac:ref"))+`">`, n, "</span>")
	case "ac:placeholder", "ac:parameter":
	case "time":
		v.b.WriteString(`<time datetime="` + EscapeAttr(n.Attr("datetime")) + `" class="date-past">` + EscapeText(n.Attr("datetime")) + "</time>")
	case "table":
		v.wrap(`<div class="table-wrap"><table class="confluenceTable">`, n, "</table></div>")
	case "td", "th":
		v.element(n, ` class="confluence`+strings.ToUpper(n.Name[:1])+n.Name[1:]+`"`)
	case "h1", "h2", "h3", "h4", "h5", "h6":
		v.element(n, ` id="`+EscapeAttr(strings.ReplaceAll(PlainText(n), " ", "-"))+`"`)
	default:
		if strings.Contains(n.Name, ":") {
			v.children(n)
			return
		}
		v.element(n, "")
	}
}

// dangerous names elements that a view never shows.
var dangerous = map[string]bool{"script": true, "style": true, "iframe": true, "object": true, "embed": true, "form": true, "base": true, "meta": true, "link": true}

func (v *viewer) element(n *Node, extra string) {
	if dangerous[strings.ToLower(n.Name)] {
		return
	}
	v.b.WriteString("<" + n.Name + extra)
	for _, a := range n.Attrs {
		low := strings.ToLower(strings.TrimSpace(a.Value))
		if strings.HasPrefix(strings.ToLower(a.Name), "on") || strings.HasPrefix(low, "javascript:") || strings.Contains(a.Name, ":") {
			continue
		}
		if extra != "" && (a.Name == "id" || a.Name == "class") {
			continue
		}
		v.b.WriteString(" " + a.Name + `="` + EscapeAttr(a.Value) + `"`)
	}
	if len(n.Children) == 0 && (n.Name == "br" || n.Name == "hr" || n.Name == "img" || n.Name == "col") {
		v.b.WriteString(" />")
		return
	}
	v.b.WriteByte('>')
	v.children(n)
	v.b.WriteString("</" + n.Name + ">")
}

func (v *viewer) task(n *Node) {
	class := ""
	if s := n.child("ac:task-status"); s != nil && PlainText(s) == "complete" {
		class = ` class="checked"`
	}
	v.b.WriteString("<li" + class + ">")
	if b := n.child("ac:task-body"); b != nil {
		v.children(b)
	}
	v.b.WriteString("</li>")
}

func (v *viewer) link(n *Node) {
	href, label, class := "#"+n.Attr("ac:anchor"), n.Attr("ac:anchor"), ""
	if p := n.child("ri:page"); p != nil {
		label = p.Attr("ri:content-title")
		address, ok := "", false
		if v.links.Page != nil {
			address, ok = v.links.Page(p.Attr("ri:space-key"), label)
		}
		if !ok {
			class = ` class="createlink"`
		}
		if address != "" {
			href = address
		}
	}
	if u := n.child("ri:user"); u != nil {
		id := u.Attr("ri:account-id")
		label, href, class = id, "/wiki/people/"+id, ` class="confluence-userlink user-mention"`
		if v.links.User != nil {
			label = v.links.User(id)
		}
	}
	if a := n.child("ri:attachment"); a != nil {
		label = a.Attr("ri:filename")
		href = v.file(label)
	}
	v.b.WriteString(`<a href="` + EscapeAttr(href) + `"` + class + ">")
	switch {
	case n.child("ac:link-body") != nil:
		v.children(n.child("ac:link-body"))
	case n.child("ac:plain-text-link-body") != nil:
		escapeText(&v.b, PlainText(n.child("ac:plain-text-link-body")))
	default:
		escapeText(&v.b, label)
	}
	v.b.WriteString("</a>")
}

func (v *viewer) image(n *Node) {
	src := ""
	if u := n.child("ri:url"); u != nil {
		src = u.Attr("ri:value")
	}
	if a := n.child("ri:attachment"); a != nil {
		src = v.file(a.Attr("ri:filename"))
	}
	v.b.WriteString(`<span class="confluence-embedded-file-wrapper"><img class="confluence-embedded-image" src="` + EscapeAttr(src) + `" alt="` + EscapeAttr(n.Attr("ac:alt")) + `" /></span>`)
}

// file is the address of an attachment; its bare name when it does not exist.
func (v *viewer) file(name string) string {
	if v.links.File != nil {
		if address, ok := v.links.File(name); ok {
			return address
		}
	}
	return name
}

func (v *viewer) macro(n *Node) {
	name := n.Attr("ac:name")
	rich, plain := n.child("ac:rich-text-body"), n.child("ac:plain-text-body")
	switch name {
	case "code", "noformat":
		text := ""
		if plain != nil {
			text = PlainText(plain)
		}
		v.b.WriteString(`<div class="code panel"><pre class="syntaxhighlighter-pre" data-syntaxhighlighter-params="brush: ` +
			EscapeAttr(macroParam(n, "language")) + `">` + EscapeText(text) + "</pre></div>")
	case "info", "note", "warning", "tip":
		v.b.WriteString(`<div class="confluence-information-macro confluence-information-macro-` + name + `"><div class="confluence-information-macro-body">`)
		if rich != nil {
			v.children(rich)
		}
		v.b.WriteString("</div></div>")
	case "status":
		v.b.WriteString(`<span class="status-macro aui-lozenge">` + EscapeText(macroParam(n, "title")) + "</span>")
	case "toc":
		v.toc()
	case "children":
		v.childList()
	default:
		v.b.WriteString(`<div class="` + EscapeAttr(name) + `-macro">`)
		if t := macroParam(n, "title"); t != "" {
			v.b.WriteString("<b>" + EscapeText(t) + "</b>")
		}
		if rich != nil {
			v.children(rich)
		} else if plain != nil {
			escapeText(&v.b, PlainText(plain))
		}
		v.b.WriteString("</div>")
	}
}

func (v *viewer) toc() {
	v.b.WriteString(`<div class="toc-macro"><ul>`)
	var walk func(*Node)
	walk = func(n *Node) {
		if len(n.Name) == 2 && n.Name[0] == 'h' && n.Name[1] >= '1' && n.Name[1] <= '6' {
			t := PlainText(n)
			v.b.WriteString(`<li><a href="#` + EscapeAttr(strings.ReplaceAll(t, " ", "-")) + `">` + EscapeText(t) + "</a></li>")
		}
		for _, c := range n.Children {
			walk(c)
		}
	}
	walk(v.root)
	v.b.WriteString("</ul></div>")
}

func (v *viewer) childList() {
	v.b.WriteString(`<ul class="childpages-macro">`)
	if v.links.Children != nil {
		for _, c := range v.links.Children() {
			v.b.WriteString(`<li><a href="` + EscapeAttr(c[1]) + `">` + EscapeText(c[0]) + "</a></li>")
		}
	}
	v.b.WriteString("</ul>")
}
