package confluence

import (
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/sluice-run/sluice/sandbox/confluence/internal/body"
)

// indexed is what search knows of a content: its words by number, in order.
type indexed struct {
	title, body []uint32
	text        string // the body as a reader sees it
	macros      []string
	mentions    []string
	at          time.Time
}

// vocabulary numbers words. Words with one stem stand together.
type vocabulary struct {
	ids   map[string]uint32
	words []string
	stems map[string][]uint32
}

func newVocabulary() vocabulary {
	return vocabulary{ids: map[string]uint32{}, stems: map[string][]uint32{}}
}

func (v *vocabulary) intern(word string) uint32 {
	if id, ok := v.ids[word]; ok {
		return id
	}
	id := uint32(len(v.words))
	word = strings.Clone(word)
	v.words = append(v.words, word)
	v.ids[word] = id
	st := stem(word)
	v.stems[st] = append(v.stems[st], id)
	return id
}

func (v *vocabulary) tokens(text string) []uint32 {
	var out []uint32
	eachWord(text, func(word string, _, _ int) { out = append(out, v.intern(word)) })
	return out
}

func (st *store) reindex(x *content, doc *body.Node) {
	v := x.current()
	text := body.Text(doc)
	if v.file != nil {
		text = v.file.text()
	}
	x.index = indexed{title: st.words.tokens(v.title), body: st.words.tokens(text), text: text, at: v.at}
	x.index.macros, x.index.mentions = body.Names(doc)
	st.syncTodos(x, doc)
}

// eachWord calls f with each word in lower case and its byte range in text.
func eachWord(text string, f func(word string, start, end int)) {
	start := -1
	for i := 0; i <= len(text); {
		r, size := utf8.RuneError, 1
		if i < len(text) {
			r, size = utf8.DecodeRuneInString(text[i:])
		}
		inside := i < len(text) && (unicode.IsLetter(r) || unicode.IsDigit(r) || unicode.Is(unicode.Mn, r))
		if inside && start < 0 {
			start = i
		}
		if !inside && start >= 0 {
			f(strings.ToLower(text[start:i]), start, i)
			start = -1
		}
		i += size
	}
}

const vowels = "aeiouy"

// stem cuts English endings; it is deliberately simple. The same cut is made on
// text and on queries, so it need not give a dictionary word.
func stem(w string) string {
	if len(w) < 4 {
		return w
	}
	switch {
	case strings.HasSuffix(w, "ies") && len(w) > 4:
		return w[:len(w)-3] + "y"
	case strings.HasSuffix(w, "sses"), strings.HasSuffix(w, "xes"), strings.HasSuffix(w, "ches"), strings.HasSuffix(w, "shes"):
		w = w[:len(w)-2]
	case strings.HasSuffix(w, "s") && !strings.HasSuffix(w, "ss") && !strings.HasSuffix(w, "us") && !strings.HasSuffix(w, "is"):
		w = w[:len(w)-1]
	}
	for _, end := range []string{"ing", "ed"} {
		if base, ok := strings.CutSuffix(w, end); ok && len(base) >= 3 && strings.ContainsAny(base, vowels) {
			if n := len(base); base[n-1] == base[n-2] && !strings.ContainsRune("lsz", rune(base[n-1])) {
				return base[:n-1]
			}
			return strings.TrimSuffix(base, "e")
		}
	}
	if len(w) > 4 {
		w = strings.TrimSuffix(w, "e")
	}
	return w
}

// termSet is the words that one term of a query stands for.
type termSet map[uint32]bool

// textQuery is a text value: every item must occur; an item is one term or
// several in a row.
type textQuery struct {
	items [][]termSet
}

// parseText reads a text value: words are ANDed, "…" is a phrase, * and ? are
// wildcards (not leading), a trailing ~ is fuzzy.
func (v *vocabulary) parseText(s string) (textQuery, *apiError) {
	var q textQuery
	parts := strings.Split(s, `"`)
	for i, part := range parts {
		if i%2 == 1 {
			if ts := v.phrase(part); len(ts) > 0 {
				q.items = append(q.items, ts)
			}
			continue
		}
		for _, w := range strings.Fields(part) {
			if w == "AND" {
				continue
			}
			if w[0] == '*' || w[0] == '?' {
				return q, badRequest("Could not parse cql : '*' or '?' not allowed as first character in a text search: %s", w)
			}
			if ts := v.word(w); len(ts) > 0 {
				q.items = append(q.items, ts)
			}
		}
	}
	return q, nil
}

func (v *vocabulary) phrase(s string) []termSet {
	var out []termSet
	eachWord(s, func(w string, _, _ int) { out = append(out, v.stemmed(w)) })
	return out
}

func (v *vocabulary) stemmed(w string) termSet {
	set := termSet{}
	for _, id := range v.stems[stem(w)] {
		set[id] = true
	}
	return set
}

func (v *vocabulary) word(w string) []termSet {
	low := strings.ToLower(w)
	if fuzzy, ok := strings.CutSuffix(low, "~"); ok && fuzzy != "" {
		return []termSet{v.matching(func(x string) bool { return distance(fuzzy, x, 2) <= 2 })}
	}
	if strings.ContainsAny(low, "*?") {
		return []termSet{v.matching(func(x string) bool { return glob(low, x) })}
	}
	return v.phrase(low)
}

func (v *vocabulary) matching(keep func(string) bool) termSet {
	set := termSet{}
	for id, w := range v.words {
		if keep(w) {
			set[uint32(id)] = true
		}
	}
	return set
}

// glob matches * and ? in pattern against the whole of s.
func glob(pattern, s string) bool {
	p, i, star, mark := 0, 0, -1, 0
	for i < len(s) {
		switch {
		case p < len(pattern) && (pattern[p] == '?' || pattern[p] == s[i]):
			p, i = p+1, i+1
		case p < len(pattern) && pattern[p] == '*':
			star, mark = p, i
			p++
		case star >= 0:
			mark++
			p, i = star+1, mark
		default:
			return false
		}
	}
	return strings.Trim(pattern[p:], "*") == ""
}

// distance is the edit distance of a and b, or more than limit when it is more.
func distance(a, b string, limit int) int {
	if d := len(a) - len(b); d > limit || -d > limit {
		return limit + 1
	}
	prev := make([]int, len(b)+1)
	for j := range prev {
		prev[j] = j
	}
	cur := make([]int, len(b)+1)
	for i := 1; i <= len(a); i++ {
		cur[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			cur[j] = min(prev[j]+1, cur[j-1]+1, prev[j-1]+cost)
		}
		prev, cur = cur, prev
	}
	return prev[len(b)]
}

func (q textQuery) empty() bool { return len(q.items) == 0 }

// occurrences counts how often an item occurs in tokens.
func occurrences(item []termSet, tokens []uint32) int {
	n := 0
	for i := 0; i+len(item) <= len(tokens); i++ {
		hit := true
		for j, set := range item {
			if !set[tokens[i+j]] {
				hit = false
				break
			}
		}
		if hit {
			n++
		}
	}
	return n
}

// in says whether every item occurs in one of the token lists.
func (q textQuery) in(lists ...[]uint32) bool {
	if q.empty() {
		return false
	}
	for _, item := range q.items {
		found := false
		for _, l := range lists {
			if occurrences(item, l) > 0 {
				found = true
				break
			}
		}
		if !found {
			return false
		}
	}
	return true
}

// score ranks a content: words in a short title count most, then how often the
// words occur in the body.
func (q textQuery) score(x *content) float64 {
	s := 0.0
	titled := 0
	for _, item := range q.items {
		if n := occurrences(item, x.index.title); n > 0 {
			s += 20
			titled += len(item)
		}
		s += float64(min(occurrences(item, x.index.body), 8))
	}
	if titled > 0 && len(x.index.title) > 0 {
		s += 30 * float64(titled) / float64(max(len(x.index.title), titled))
	}
	if x.typ == typeComment {
		s /= 2
	}
	return s
}
