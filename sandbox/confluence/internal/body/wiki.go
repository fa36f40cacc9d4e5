package body

import (
	"fmt"
	"regexp"
	"strings"
)

// FromWiki converts wiki markup to storage: headings, paragraphs, lists, tables,
// task items, code, quote, information panels and inline marks. Macros that it does not
// know become structured macros of the same name, as the server does.
func FromWiki(src string) string {
	// Characters that XML does not allow go; NUL also marks pieces set aside below.
	src = strings.Map(func(r rune) rune {
		if r < ' ' && r != '\n' && r != '\t' {
			return -1
		}
		return r
	}, src)
	w := wiki{lines: strings.Split(src, "\n")}
	for w.i < len(w.lines) {
		w.block()
	}
	return w.b.String()
}

type wiki struct {
	lines []string
	i     int
	b     strings.Builder
}

var (
	wikiHeading = regexp.MustCompile(`^h([1-6])\.\s+(.*)$`)
	wikiItem    = regexp.MustCompile(`^([*#-]+)\s+(.*)$`)
	wikiTask    = regexp.MustCompile(`^\[( |x|X)?\]\s+(.*)$`)
	wikiMacro   = regexp.MustCompile(`^\{([a-z][a-z-]*)(?::([^}]*))?\}(.*)$`)
)

var wikiRich = map[string]bool{"info": true, "note": true, "warning": true, "tip": true, "panel": true, "expand": true, "excerpt": true}

func (w *wiki) block() {
	line := strings.TrimRight(w.lines[w.i], " \t")
	trimmed := strings.TrimSpace(line)
	switch {
	case trimmed == "":
		w.i++
	case wikiHeading.MatchString(trimmed):
		m := wikiHeading.FindStringSubmatch(trimmed)
		fmt.Fprintf(&w.b, "<h%s>%s</h%s>", m[1], wikiInline(m[2]), m[1])
		w.i++
	case trimmed == "----":
		w.b.WriteString("<hr />")
		w.i++
	case strings.HasPrefix(trimmed, "bq. "):
		w.b.WriteString("<blockquote><p>" + wikiInline(trimmed[4:]) + "</p></blockquote>")
		w.i++
	case wikiMacro.MatchString(trimmed):
		w.macro(wikiMacro.FindStringSubmatch(trimmed))
	case strings.HasPrefix(trimmed, "|"):
		w.table()
	case wikiTask.MatchString(trimmed):
		w.tasks()
	case wikiItem.MatchString(trimmed):
		w.list()
	default:
		w.paragraph()
	}
}

func (w *wiki) startsBlock(line string) bool {
	return line == "" || line == "----" || wikiHeading.MatchString(line) || wikiItem.MatchString(line) ||
		wikiTask.MatchString(line) || strings.HasPrefix(line, "|") || strings.HasPrefix(line, "bq. ") || wikiMacro.MatchString(line)
}

func (w *wiki) paragraph() {
	var parts []string
	for w.i < len(w.lines) {
		line := strings.TrimSpace(w.lines[w.i])
		if len(parts) > 0 && w.startsBlock(line) {
			break
		}
		parts = append(parts, wikiInline(line))
		w.i++
	}
	w.b.WriteString("<p>" + strings.Join(parts, "<br />") + "</p>")
}

func (w *wiki) macro(m []string) {
	name, params, rest := m[1], m[2], m[3]
	w.i++
	paired := name == "code" || name == "noformat" || name == "quote" || wikiRich[name]
	if !paired {
		w.b.WriteString(`<ac:structured-macro ac:name="` + EscapeAttr(name) + `">` + wikiParams(name, params) + "</ac:structured-macro>")
		if strings.TrimSpace(rest) != "" {
			w.b.WriteString("<p>" + wikiInline(strings.TrimSpace(rest)) + "</p>")
		}
		return
	}
	end := "{" + name + "}"
	var inner []string
	if before, _, ok := strings.Cut(rest, end); ok {
		inner = []string{before}
	} else {
		if rest != "" {
			inner = append(inner, rest)
		}
		for w.i < len(w.lines) {
			before, _, ok := strings.Cut(w.lines[w.i], end)
			w.i++
			if ok {
				if strings.TrimSpace(before) != "" {
					inner = append(inner, before)
				}
				break
			}
			inner = append(inner, before)
		}
	}
	text := strings.Join(inner, "\n")
	switch {
	case name == "quote":
		w.b.WriteString("<blockquote>" + FromWiki(text) + "</blockquote>")
	case wikiRich[name]:
		w.b.WriteString(`<ac:structured-macro ac:name="` + name + `">` + wikiParams(name, params) + "<ac:rich-text-body>" + FromWiki(text) + "</ac:rich-text-body></ac:structured-macro>")
	default:
		w.b.WriteString(`<ac:structured-macro ac:name="` + name + `">` + wikiParams(name, params) +
			"<ac:plain-text-body><![CDATA[" + strings.ReplaceAll(text, "]]>", "]]]]><![CDATA[>") + "]]></ac:plain-text-body></ac:structured-macro>")
	}
}

func wikiParams(macro, params string) string {
	if params == "" {
		return ""
	}
	var b strings.Builder
	for _, p := range strings.Split(params, "|") {
		name, value, ok := strings.Cut(p, "=")
		if !ok {
			name, value = "", p
			if macro == "code" {
				name = "language"
			}
		}
		b.WriteString(`<ac:parameter ac:name="` + EscapeAttr(strings.TrimSpace(name)) + `">` + EscapeText(strings.TrimSpace(value)) + "</ac:parameter>")
	}
	return b.String()
}

func (w *wiki) table() {
	w.b.WriteString("<table><tbody>")
	for w.i < len(w.lines) {
		line := strings.TrimSpace(w.lines[w.i])
		if !strings.HasPrefix(line, "|") {
			break
		}
		w.i++
		tag, sep := "td", "|"
		if strings.HasPrefix(line, "||") {
			tag, sep = "th", "||"
		}
		line = strings.TrimSuffix(strings.TrimPrefix(line, sep), sep)
		w.b.WriteString("<tr>")
		for _, cell := range splitCells(line, sep) {
			w.b.WriteString("<" + tag + "><p>" + wikiInline(strings.TrimSpace(cell)) + "</p></" + tag + ">")
		}
		w.b.WriteString("</tr>")
	}
	w.b.WriteString("</tbody></table>")
}

// splitCells cuts a table row at sep, but not inside links and macros.
func splitCells(line, sep string) []string {
	var cells []string
	depth, from := 0, 0
	for i := 0; i < len(line); i++ {
		switch line[i] {
		case '{', '[':
			depth++
		case '}', ']':
			depth = max(0, depth-1)
		}
		if depth == 0 && strings.HasPrefix(line[i:], sep) {
			cells = append(cells, line[from:i])
			i += len(sep) - 1
			from = i + 1
		}
	}
	return append(cells, line[from:])
}

func (w *wiki) tasks() {
	w.b.WriteString("<ac:task-list>")
	for w.i < len(w.lines) {
		m := wikiTask.FindStringSubmatch(strings.TrimSpace(w.lines[w.i]))
		if m == nil {
			break
		}
		w.i++
		status := "incomplete"
		if strings.EqualFold(m[1], "x") {
			status = "complete"
		}
		w.b.WriteString("<ac:task><ac:task-status>" + status + "</ac:task-status><ac:task-body><span>" + wikiInline(m[2]) + "</span></ac:task-body></ac:task>")
	}
	w.b.WriteString("</ac:task-list>")
}

func wikiListTag(mark byte) string {
	if mark == '#' {
		return "ol"
	}
	return "ul"
}

// list keeps the open list tags on a stack; a deeper item opens lists inside the last item.
func (w *wiki) list() {
	var open []string
	closeTo := func(depth int) {
		for len(open) > depth {
			w.b.WriteString("</li></" + open[len(open)-1] + ">")
			open = open[:len(open)-1]
		}
	}
	for w.i < len(w.lines) {
		m := wikiItem.FindStringSubmatch(strings.TrimSpace(w.lines[w.i]))
		if m == nil {
			break
		}
		w.i++
		depth := min(len(m[1]), len(open)+1)
		closeTo(depth)
		if len(open) == depth {
			if tag := wikiListTag(m[1][len(m[1])-1]); open[depth-1] != tag {
				closeTo(depth - 1)
			} else {
				w.b.WriteString("</li>")
			}
		}
		if len(open) < depth {
			tag := wikiListTag(m[1][len(m[1])-1])
			w.b.WriteString("<" + tag + ">")
			open = append(open, tag)
		}
		w.b.WriteString("<li><p>" + wikiInline(m[2]) + "</p>")
	}
	closeTo(0)
}

var (
	wikiLink   = regexp.MustCompile(`\[([^\]\[\x00]+)\]`)
	wikiStatus = regexp.MustCompile(`\{status:([^}]*)\}`)
	wikiMono   = regexp.MustCompile(`\{\{(.+?)\}\}`)
	wikiStrong = regexp.MustCompile(`(^|[\s(>])\*([^\s*](?:[^*]*[^\s*])?)\*($|[\s).,;:!?<])`)
	wikiEm     = regexp.MustCompile(`(^|[\s(>])_([^\s_](?:[^_]*[^\s_])?)_($|[\s).,;:!?<])`)
)

// wikiInline converts inline marks. Finished pieces are set aside so that no later
// rule reads inside them.
func wikiInline(s string) string {
	var kept []string
	keep := func(html string) string {
		kept = append(kept, html)
		return fmt.Sprintf("\x00%d\x00", len(kept)-1)
	}
	s = wikiMono.ReplaceAllStringFunc(s, func(m string) string {
		return keep("<code>" + EscapeText(wikiMono.FindStringSubmatch(m)[1]) + "</code>")
	})
	s = wikiStatus.ReplaceAllStringFunc(s, func(m string) string {
		return keep(`<ac:structured-macro ac:name="status">` + wikiParams("status", wikiStatus.FindStringSubmatch(m)[1]) + "</ac:structured-macro>")
	})
	s = wikiLink.ReplaceAllStringFunc(s, func(m string) string { return keep(wikiLinkHTML(m[1 : len(m)-1])) })
	s = EscapeText(s)
	s = wikiStrong.ReplaceAllString(s, "$1<strong>$2</strong>$3")
	s = wikiEm.ReplaceAllString(s, "$1<em>$2</em>$3")
	for i := len(kept) - 1; i >= 0; i-- {
		s = strings.ReplaceAll(s, fmt.Sprintf("\x00%d\x00", i), kept[i])
	}
	return s
}

func wikiLinkHTML(inner string) string {
	label, target, ok := strings.Cut(inner, "|")
	if !ok {
		label, target = "", inner
	}
	if strings.HasPrefix(target, "~accountid:") {
		return `<ac:link><ri:user ri:account-id="` + EscapeAttr(strings.TrimPrefix(target, "~accountid:")) + `" /></ac:link>`
	}
	if strings.Contains(target, "://") || strings.HasPrefix(target, "mailto:") {
		if label == "" {
			label = target
		}
		return `<a href="` + EscapeAttr(target) + `">` + EscapeText(label) + "</a>"
	}
	space := ""
	if key, title, ok := strings.Cut(target, ":"); ok && key != "" && key == strings.ToUpper(key) {
		space, target = ` ri:space-key="`+EscapeAttr(key)+`"`, title
	}
	body := ""
	if label != "" {
		body = "<ac:link-body>" + EscapeText(label) + "</ac:link-body>"
	}
	return `<ac:link><ri:page ri:content-title="` + EscapeAttr(target) + `"` + space + " />" + body + "</ac:link>"
}
