package offline

import (
	"cmp"
	"html"
	"math"
	"slices"
	"strings"
	"unicode"

	xhtml "golang.org/x/net/html"
)

// paragraphs makes storage format of plain words: a paragraph a line.
func paragraphs(text string) string {
	var b strings.Builder
	for line := range strings.SplitSeq(strings.TrimSpace(text), "\n") {
		if line = strings.TrimSpace(line); line != "" {
			b.WriteString("<p>" + html.EscapeString(line) + "</p>")
		}
	}
	return b.String()
}

// block is a heading, a paragraph or a list item of a text.
type block struct {
	text    string
	heading bool
	item    bool
}

// blocks reads storage format as plain text, block by block.
func blocks(storage string) []block {
	z := xhtml.NewTokenizer(strings.NewReader(storage))
	var out []block
	cur := block{}
	flush := func() {
		if cur.text = strings.Join(strings.Fields(cur.text), " "); cur.text != "" {
			out = append(out, cur)
		}
		cur = block{}
	}
	skip := 0
	for {
		kind := z.Next()
		if kind == xhtml.ErrorToken {
			flush()
			return out
		}
		token := z.Token()
		switch kind {
		case xhtml.TextToken:
			if skip == 0 {
				cur.text += token.Data
			}
		case xhtml.StartTagToken, xhtml.EndTagToken, xhtml.SelfClosingTagToken:
			name := token.Data
			if name == "ac:parameter" { // settings of a macro are no text
				if kind == xhtml.StartTagToken {
					skip++
				} else if skip > 0 {
					skip--
				}
			}
			switch name {
			case "h1", "h2", "h3", "h4", "h5", "h6", "p", "li", "tr", "div", "ul", "ol", "table", "br", "blockquote", "pre":
				flush()
				if kind == xhtml.StartTagToken {
					cur.heading = len(name) == 2 && name[0] == 'h'
					cur.item = name == "li"
				}
			case "td", "th":
				cur.text += " "
			case "ri:page", "ri:blog-post": // a link shows the title of what it leads to
				for _, a := range token.Attr {
					if a.Key == "ri:content-title" {
						cur.text += a.Val
					}
				}
			}
		}
	}
}

// plain is a text for people, bounded.
func plain(storage string, limit int) string {
	var lines []string
	for _, b := range blocks(storage) {
		switch {
		case b.heading:
			lines = append(lines, "", "**"+b.text+"**")
		case b.item:
			lines = append(lines, "- "+b.text)
		default:
			lines = append(lines, b.text)
		}
	}
	out := strings.TrimSpace(strings.Join(lines, "\n"))
	if runes := []rune(out); len(runes) > limit {
		return string(runes[:limit]) + " … (cut; the whole text is on the page)"
	}
	return out
}

// People who were there, and links to elsewhere, are no news; what was decided
// is the most important.
var (
	notNews   = exact(`(?i)^(?:attendees|participants|present|attending|links|see also|references)\b`)
	important = exact(`(?i)\b(?:decisions?|decided|actions?|next steps|results?|outcomes?|goals?|summary|in one sentence)\b`)
)

// sentence is one statement of a text; weight is that of its section.
type sentence struct {
	text   string
	weight float64
}

// sentences of a text in its order; list items are whole.
func sentences(storage string) []sentence {
	var out []sentence
	weight := 1.0
	for _, b := range blocks(storage) {
		switch {
		case b.heading && notNews.MatchString(b.text):
			weight = 0
		case b.heading && important.MatchString(b.text):
			weight = 1.5
		case b.heading:
			weight = 1
		case weight == 0:
		case b.item:
			out = append(out, sentence{b.text, weight})
		default:
			for _, s := range splitSentences(b.text) {
				out = append(out, sentence{s, weight})
			}
		}
	}
	return out
}

func splitSentences(text string) []string {
	var out []string
	runes := []rune(text)
	start := 0
	for i, r := range runes {
		if (r == '.' || r == '!' || r == '?') && i+2 < len(runes) && runes[i+1] == ' ' && unicode.IsUpper(runes[i+2]) && i-start > 20 {
			out = append(out, strings.TrimSpace(string(runes[start:i+1])))
			start = i + 1
		}
	}
	if rest := strings.TrimSpace(string(runes[start:])); rest != "" {
		out = append(out, rest)
	}
	return out
}

// summarise picks the sentences that say most, in their own order: those whose
// words are frequent in the text, with a bonus for the beginning. Nothing is
// worded anew.
func summarise(storage string, most int) []string {
	all := sentences(storage)
	if len(all) <= most {
		return texts(all)
	}
	freq := map[string]int{}
	for _, s := range all {
		for _, w := range significant(s.text) {
			freq[w]++
		}
	}
	type scored struct {
		at    int
		score float64
	}
	var ranked []scored
	for i, s := range all {
		words := significant(s.text)
		sum := 0.0
		for _, w := range words {
			sum += float64(freq[w])
		}
		score := s.weight * sum / math.Sqrt(float64(len(words)+1))
		if i == 0 {
			score *= 1.5
		}
		ranked = append(ranked, scored{i, score})
	}
	slices.SortStableFunc(ranked, func(a, b scored) int { return cmp.Compare(b.score, a.score) })
	ranked = ranked[:most]
	slices.SortFunc(ranked, func(a, b scored) int { return cmp.Compare(a.at, b.at) })
	var out []string
	for _, r := range ranked {
		out = append(out, all[r.at].text)
	}
	return out
}

func texts(all []sentence) []string {
	var out []string
	for _, b := range all {
		out = append(out, b.text)
	}
	return out
}

// about gives the sentences that hold all significant words of a topic, and
// those under a heading that does.
func about(storage, topic string) []string {
	var out []string
	want := significant(topic)
	under := false
	for _, b := range blocks(storage) {
		if b.heading {
			under = len(want) > 0 && holdsAll(significant(b.text), want)
			continue
		}
		parts := []string{b.text}
		if !b.item {
			parts = splitSentences(b.text)
		}
		for _, s := range parts {
			if len(want) > 0 && (under || holdsAll(significant(s), want)) {
				out = append(out, s)
			}
		}
	}
	return out
}

var stopWords = map[string]bool{
	"the": true, "a": true, "an": true, "of": true, "for": true, "to": true, "in": true, "on": true, "and": true,
	"or": true, "is": true, "are": true, "was": true, "were": true, "be": true, "with": true, "by": true, "at": true,
	"from": true, "our": true, "my": true, "we": true, "it": true, "this": true, "that": true, "as": true, "s": true,
}

// significant words of a text, lower case, simple plurals cut.
func significant(text string) []string {
	var out []string
	for _, w := range strings.FieldsFunc(strings.ToLower(text), func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsNumber(r) }) {
		if !stopWords[w] {
			out = append(out, stem(w))
		}
	}
	return out
}

func stem(w string) string {
	if len(w) > 3 && strings.HasSuffix(w, "s") && !strings.HasSuffix(w, "ss") {
		return strings.TrimSuffix(w, "s")
	}
	return w
}

func holdsAll(have, want []string) bool {
	for _, w := range want {
		if !slices.Contains(have, w) {
			return false
		}
	}
	return true
}

// same compares titles as people do: without case, articles, punctuation.
func same(a, b string) bool {
	return slices.Equal(significant(a), significant(b)) && len(significant(a)) > 0
}

// titleCase makes a title of words: small words stay small, what has capitals
// already stays as it is.
func titleCase(s string) string {
	words := strings.Fields(s)
	for i, w := range words {
		if w != strings.ToLower(w) || (i > 0 && stopWords[w]) {
			continue
		}
		r := []rune(w)
		r[0] = unicode.ToUpper(r[0])
		words[i] = string(r)
	}
	return strings.Join(words, " ")
}
