package body

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

func parseDay(s string) (time.Time, error) { return time.Parse(time.DateOnly, s) }

// FromADF converts Atlas Document Format, a JSON text, to storage. A node or
// mark that it does not know is an error that names it: content is never
// dropped in silence.
func FromADF(src string) (string, error) {
	var doc adfNode
	if err := json.Unmarshal([]byte(src), &doc); err != nil {
		return "", fmt.Errorf("atlas_doc_format value must be a JSON document: %w", err)
	}
	if doc.Type != "doc" {
		return "", fmt.Errorf("atlas_doc_format value must have type %q, got %q", "doc", doc.Type)
	}
	w := adfWriter{}
	if err := w.nodes(doc.Content, 0); err != nil {
		return "", err
	}
	return w.b.String(), nil
}

type adfWriter struct{ b strings.Builder }

func (w *adfWriter) nodes(ns []*adfNode, depth int) error {
	if depth > MaxDepth {
		return fmt.Errorf("atlas_doc_format nests deeper than %d", MaxDepth)
	}
	for _, n := range ns {
		if n == nil {
			return fmt.Errorf("atlas_doc_format holds a null node")
		}
		if err := w.node(n, depth); err != nil {
			return err
		}
	}
	return nil
}

var adfTags = map[string]string{
	"paragraph": "p", "bulletList": "ul", "orderedList": "ol", "listItem": "li", "blockquote": "blockquote",
	"tableRow": "tr", "tableCell": "td", "tableHeader": "th", "taskList": "ac:task-list",
}

func (n *adfNode) str(key string) string {
	switch v := n.Attrs[key].(type) {
	case string:
		return v
	case float64:
		return strconv.FormatFloat(v, 'f', -1, 64)
	}
	return ""
}

func (w *adfWriter) around(open string, n *adfNode, depth int, end string) error {
	w.b.WriteString(open)
	if err := w.nodes(n.Content, depth+1); err != nil {
		return err
	}
	w.b.WriteString(end)
	return nil
}

func (w *adfWriter) macro(name, params string, n *adfNode, depth int) error {
	return w.around(`<ac:structured-macro ac:name="`+EscapeAttr(name)+`">`+params+"<ac:rich-text-body>", n, depth, "</ac:rich-text-body></ac:structured-macro>")
}

func adfParam(name, value string) string {
	return `<ac:parameter ac:name="` + EscapeAttr(name) + `">` + EscapeText(value) + "</ac:parameter>"
}

func (w *adfWriter) node(n *adfNode, depth int) error {
	if tag, ok := adfTags[n.Type]; ok {
		return w.around("<"+tag+">", n, depth, "</"+tag+">")
	}
	switch n.Type {
	case "text":
		return w.text(n)
	case "heading":
		level := n.str("level")
		if len(level) != 1 || level < "1" || level > "6" {
			return fmt.Errorf("heading level must be 1 to 6, got %q", level)
		}
		return w.around("<h"+level+">", n, depth, "</h"+level+">")
	case "table":
		return w.around("<table><tbody>", n, depth, "</tbody></table>")
	case "taskItem":
		status := "incomplete"
		if n.str("state") == "DONE" {
			status = "complete"
		}
		id := ""
		if local := n.str("localId"); isDigits(local) {
			id = "<ac:task-id>" + local + "</ac:task-id>"
		} else if local != "" {
			id = "<ac:task-uuid>" + EscapeText(local) + "</ac:task-uuid>"
		}
		return w.around("<ac:task>"+id+"<ac:task-status>"+status+"</ac:task-status><ac:task-body>", n, depth, "</ac:task-body></ac:task>")
	case "hardBreak":
		w.b.WriteString("<br />")
	case "rule":
		w.b.WriteString("<hr />")
	case "codeBlock":
		w.code(n)
	case "panel":
		name := map[string]string{"info": "info", "note": "note", "error": "warning", "warning": "note", "success": "tip", "custom": "panel"}[n.str("panelType")]
		if name == "" {
			return fmt.Errorf("panelType %q is not known", n.str("panelType"))
		}
		return w.macro(name, "", n, depth)
	case "expand", "nestedExpand":
		return w.macro("expand", adfParam("title", n.str("title")), n, depth)
	case "extension", "inlineExtension", "bodiedExtension":
		return w.extension(n, depth)
	default:
		return w.leaf(n)
	}
	return nil
}

func (w *adfWriter) leaf(n *adfNode) error {
	switch n.Type {
	case "mention":
		w.b.WriteString(`<ac:link><ri:user ri:account-id="` + EscapeAttr(n.str("id")) + `" /></ac:link>`)
	case "emoji":
		w.b.WriteString(`<ac:emoticon ac:emoji-shortname="` + EscapeAttr(n.str("shortName")) + `" ac:emoji-fallback="` + EscapeAttr(n.str("text")) + `" />`)
	case "status":
		w.b.WriteString(`<ac:structured-macro ac:name="status">` + adfParam("title", n.str("text")) + adfParam("colour", n.str("color")) + "</ac:structured-macro>")
	case "date":
		ms, err := strconv.ParseInt(n.str("timestamp"), 10, 64)
		if err != nil {
			return fmt.Errorf("date timestamp must be milliseconds, got %q", n.str("timestamp"))
		}
		w.b.WriteString(`<time datetime="` + time.UnixMilli(ms).UTC().Format(time.DateOnly) + `" />`)
	case "inlineCard", "blockCard":
		w.b.WriteString(`<a href="` + EscapeAttr(n.str("url")) + `" data-card-appearance="` + strings.TrimSuffix(n.Type, "Card") + `">` + EscapeText(n.str("url")) + "</a>")
	default:
		return fmt.Errorf("atlas_doc_format node type %q is not supported", n.Type)
	}
	return nil
}

func (w *adfWriter) code(n *adfNode) {
	var text strings.Builder
	for _, c := range n.Content {
		if c != nil {
			text.WriteString(c.Text)
		}
	}
	params := ""
	if lang := n.str("language"); lang != "" {
		params = adfParam("language", lang)
	}
	w.b.WriteString(`<ac:structured-macro ac:name="code">` + params + "<ac:plain-text-body><![CDATA[" +
		strings.ReplaceAll(text.String(), "]]>", "]]]]><![CDATA[>") + "]]></ac:plain-text-body></ac:structured-macro>")
}

func (w *adfWriter) extension(n *adfNode, depth int) error {
	var params strings.Builder
	if p, ok := n.Attrs["parameters"].(map[string]any); ok {
		if mp, ok := p["macroParams"].(map[string]any); ok {
			for _, name := range sortedKeys(mp) {
				if v, ok := mp[name].(map[string]any); ok {
					params.WriteString(adfParam(name, fmt.Sprint(v["value"])))
				}
			}
		}
	}
	if n.Type == "bodiedExtension" {
		return w.macro(n.str("extensionKey"), params.String(), n, depth)
	}
	body := ""
	if t := n.str("text"); t != "" {
		body = "<ac:plain-text-body><![CDATA[" + strings.ReplaceAll(t, "]]>", "]]]]><![CDATA[>") + "]]></ac:plain-text-body>"
	}
	w.b.WriteString(`<ac:structured-macro ac:name="` + EscapeAttr(n.str("extensionKey")) + `">` + params.String() + body + "</ac:structured-macro>")
	return nil
}

func (w *adfWriter) text(n *adfNode) error {
	s := EscapeText(n.Text)
	for i := len(n.Marks) - 1; i >= 0; i-- {
		m := n.Marks[i]
		switch m.Type {
		case "strong", "em", "code":
			s = "<" + m.Type + ">" + s + "</" + m.Type + ">"
		case "underline":
			s = "<u>" + s + "</u>"
		case "strike":
			s = "<del>" + s + "</del>"
		case "subsup":
			tag := "sub"
			if m.Attrs["type"] == "sup" {
				tag = "sup"
			}
			s = "<" + tag + ">" + s + "</" + tag + ">"
		case "annotation":
			ref, _ := m.Attrs["id"].(string)
			s = "<" + markerName + ` ac:ref="` + EscapeAttr(ref) + `">` + s + "</" + markerName + ">"
		case "link":
			href, _ := m.Attrs["href"].(string)
			s = `<a href="` + EscapeAttr(href) + `">` + s + "</a>"
		case "textColor", "backgroundColor":
			color, _ := m.Attrs["color"].(string)
			s = `<span style="color: ` + EscapeAttr(color) + `;">` + s + "</span>"
		default:
			return fmt.Errorf("atlas_doc_format mark %q is not supported", m.Type)
		}
	}
	w.b.WriteString(s)
	return nil
}

func isDigits(s string) bool { return s != "" && strings.Trim(s, "0123456789") == "" }

func sortedKeys(m map[string]any) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
