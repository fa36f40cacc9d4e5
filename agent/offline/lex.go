package offline

import (
	"strings"
)

// A quoted text is one rune while the grammar reads: firstQuote plus its
// number, out of the private use area. So no rule can cut into it.
const (
	firstQuote = '\uE000'
	maxQuotes  = 200
	// maxSaid bounds what is read at all, maxRead what is read outside of
	// quotation marks, in bytes: a longer request is beyond these rules.
	maxSaid = 128 << 10
	maxRead = 4 << 10
	qt      = `[\x{E000}-\x{E0FF}]`
)

// words is a request on its way through the grammar.
type words struct{ quotes []string }

var quoted = exact("\"([^\"]+)\"|“([^”]+)”|«([^»]+)»|`([^`]+)`|(^|[\\s(:,])['‘]([^\\n]+?)['’]([\\s.,;:!?)]|$)")

// hide replaces what stands in quotation marks by single runes. Two quoted
// texts may share the space between them, hence the second pass.
func (w *words) hide(s string) string {
	s = strings.Map(func(r rune) rune {
		if r >= firstQuote && r < firstQuote+256 {
			return ' ' // nobody writes these; they are our marks
		}
		return r
	}, s)
	for range 2 {
		s = quoted.ReplaceAllStringFunc(s, w.hideOne)
	}
	return s
}

func (w *words) hideOne(found string) string {
	if len(w.quotes) >= maxQuotes {
		return found
	}
	m := quoted.FindStringSubmatch(found)
	body := strings.TrimSpace(m[1] + m[2] + m[3] + m[4] + m[6])
	if body == "" {
		return found
	}
	w.quotes = append(w.quotes, body)
	return m[5] + string(firstQuote+rune(len(w.quotes)-1)) + m[7]
}

// show gives the text back: a lone quoted rune is its content, one inside
// other words gets its marks again.
func (w *words) show(s string) string {
	s = strings.TrimSpace(s)
	if isQuote(s) {
		return w.quotes[[]rune(s)[0]-firstQuote]
	}
	var b strings.Builder
	for _, r := range s {
		if n := int(r - firstQuote); n >= 0 && n < len(w.quotes) {
			b.WriteString(`"` + w.quotes[n] + `"`)
		} else {
			b.WriteRune(r)
		}
	}
	return b.String()
}

// isQuote: nothing but one quoted text.
func isQuote(s string) bool {
	r := []rune(strings.TrimSpace(s))
	return len(r) == 1 && r[0] >= firstQuote && r[0] < firstQuote+maxQuotes
}

func hasQuote(s string) bool {
	return strings.ContainsFunc(s, func(r rune) bool { return r >= firstQuote && r < firstQuote+maxQuotes })
}

var (
	spaces = exact(`[ \t\r\n]+`)
	polite = exact(`(?i)^(?:please|pls|plz|kindly|hey|hi|hello|ok|okay|so|now|also|then|just|well|great|thanks|thank you|perfect|and|` +
		`i(?:'d| would) be grateful if you could|i(?:'d| would) appreciate it if you could|i (?:need|want) to know|i(?:'d| would) like to know|` +
		`can (?:yo)?u|could (?:yo)?u|would you|will you|can i|could i|may i|i(?:'d| would) like you to|i(?:'d| would) like to|i want you to|i want to|` +
		`i need you to|i need to|we need to|we want to|let's|lets|let us|go ahead and|help me to|help me|be so kind (?:as )?to|would you mind|` +
		`i(?:'d| would) love to|you should|you can)\b[,!:]?\s+`)
	trailing = exact(`(?i)[,\s]+(?:please|pls|plz|thanks|thank you|for me|for us|asap|right away|right now|now|if you can|if possible|would you|will you|ok|okay)$`)
	thing    = exact(`(?i)^(?:(?:(?:i|we) )?(?:need|want|would like)|(?:i|we)'d like) (?:to have )?(a|an|another|a new)\s`)
	bareNew  = exact(`(?i)^(?:a )?new (?:page|blog ?post)\b`)
)

// tidy takes politeness and end marks off a clause.
func tidy(s string) string {
	s = strings.TrimSpace(spaces.ReplaceAllString(s, " "))
	for {
		before := s
		s = strings.TrimSpace(strings.TrimRight(s, ".!?;, "))
		s = trailing.ReplaceAllString(s, "")
		s = polite.ReplaceAllString(s, "")
		if m := thing.FindStringSubmatch(s); m != nil {
			s = "create " + m[1] + " " + strings.TrimSpace(s[len(m[0]):])
		}
		if bareNew.MatchString(s) {
			s = "create a " + strings.TrimPrefix(s, "a ")
		}
		if s == before {
			return s
		}
	}
}

// otherVerbs begin a clause that the grammar has no rule for; they are listed
// so that such a clause is never taken for a part of a title.
const otherVerbs = `email|e-mail|mail|notify|send|share|tell|move|delete|remove|update|edit|change|replace|assign|ping|link|pin|watch|` +
	`invite|ask|set|mention|copy|duplicate|archive|restrict|translate|schedule|remind|upload|export|download|rename|append|insert|` +
	`unlabel|untag|like|star|restore|undo|close|approve|convert|merge|attach|make sure|let|check|use|include|keep|fill|format|say|call`

const ownVerbs = `create|make|add|write|put|label|tag|mark|flag|comment|leave|publish|post|read|show|list|search|find|open|` +
	`summari[sz]e|turn|give|apply|draft|prepare|generate|build|start|reply|respond|answer|blog`

var (
	nextClause = exact(`(?i)(?:[,;.!]?\s+(?:and then|and also|and|then|plus|after that|afterwards|finally|next)[,]?\s+(?:please\s+|also\s+|then\s+)?|[.;!,]\s+)(` +
		ownVerbs + `|` + otherVerbs + `)\b`)
	anyClause = exact(`(?i)\band\s+(?:then\s+|also\s+)?(?:label|tag|mark|flag|comment|publish|create|delete|remove|move|email|notify|send|share|update)\b`)
)

// clauses cuts a request where a new imperative begins.
func clauses(s string) []string {
	var out []string
	for {
		m := nextClause.FindStringSubmatchIndex(s)
		if m == nil {
			return append(out, s)
		}
		out = append(out, s[:m[0]])
		s = s[m[2]:]
	}
}

// doubtful words in an unquoted title, text or target may mean that more is
// wanted than the grammar sees.
var doubtful = exact(`(?i)\b(?:but|unless|except|instead|not|don't|doesn't|never|if|then|please|because|so that|until|which|who|whose|every|each|` +
	`both|any|using|via|same|similar|like|it|them|they|me|you|your)\b|\ball(?:\s|$)|[,;:?!]|\.\s`)

// sure: quoted, or without a word that makes it doubtful.
func sure(s string) bool { return isQuote(s) || (s != "" && !doubtful.MatchString(s)) }
