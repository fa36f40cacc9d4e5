package offline

import (
	"strings"
)

// intent is one thing the user wants. Words are as the user wrote them.
type intent struct {
	Do     string   `json:"do"` // see do.go
	Kind   string   `json:"kind,omitempty"`
	Title  string   `json:"title,omitempty"`
	Loose  bool     `json:"loose,omitempty"`  // the title was not quoted: its tail may name a space
	Space  string   `json:"space,omitempty"`  // as the user named it
	Parent string   `json:"parent,omitempty"` // a title
	Text   string   `json:"text,omitempty"`
	Labels []string `json:"labels,omitempty"`
	Target *target  `json:"target,omitempty"` // what to act on or to read from
	Query  string   `json:"query,omitempty"`
	Draft  bool     `json:"draft,omitempty"`
}

// target is a page or blog post as the user names it.
type target struct {
	Title string `json:"title,omitempty"`
	Kind  string `json:"kind,omitempty"`
	Space string `json:"space,omitempty"`
	Focus bool   `json:"focus,omitempty"` // "it", "that page"
	Loose bool   `json:"loose,omitempty"`
	Exact *item  `json:"exact,omitempty"` // chosen by the user
}

// What an intent does.
const (
	doPage     = "create page"
	doBlog     = "create blog post"
	doLabel    = "label"
	doComment  = "comment"
	doRead     = "read"
	doSummary  = "summarise"
	doAbout    = "read about"
	doSpaces   = "list spaces"
	doPages    = "list pages"
	doChildren = "list children"
	doBlogs    = "list blog posts"
	doComments = "list comments"
	doLabels   = "list labels"
	doLabelled = "list labelled"
	doSearch   = "search"
	doMe       = "who am i"
)

const (
	notUnderstood = "I did not understand that. I am the offline model: a set of rules, not a language model. " +
		"I can create a page in a space, add labels, comment, publish a blog post (also the summary of a page), and list, search and read; " +
		"put titles and texts in quotation marks. " +
		"For a real model set OPENAI_API_KEY, or OPENAI_BASE_URL or OLLAMA_HOST for a compatible server, or choose one with --model."
	hello = "Hello. I am the offline model: a set of rules, not a language model. " +
		"Try: create a page called \"Launch plan\" in the Marketing space; add the label urgent to a page; search for onboarding; list the spaces. " +
		"For a real model set OPENAI_API_KEY, or OPENAI_BASE_URL or OLLAMA_HOST for a compatible server, or choose one with --model."
)

var (
	greeting = exact(`(?i)^(?:hi|hello|hey|help|good (?:morning|afternoon|evening)|what can you do|who are you|how can you help(?: me)?)(?: there)?[.!?]*$`)
	thanking = exact(`(?i)^(?:thanks?|thank you|great|perfect|cool|nice|ok|okay|awesome)(?: (?:a lot|so much|very much|you|job|work))*[.!]*$`)
	giveUp   = exact(`(?i)^(?:no|nope|cancel|stop|never ?mind|forget it|nothing|none|none of (?:them|these|those)|neither)(?: thanks| thank you)?[.!]*$`)
)

// read makes intents of what was said, or the reply where nothing is to be
// done.
func (t *turn) read() ([]intent, string) {
	said := strings.TrimSpace(t.said)
	if len(said) > maxSaid {
		return nil, notUnderstood
	}
	waiting := t.notes.Asked != "" && len(t.notes.Open) > 0
	switch {
	case greeting.MatchString(said):
		return nil, hello
	case waiting && giveUp.MatchString(said):
		return nil, "All right, I have done nothing more."
	case thanking.MatchString(said) && !waiting:
		return nil, "You are welcome."
	}
	if intents, ok := parse(said); ok {
		return intents, ""
	}
	if in, ok := parseReading(said); ok {
		return []intent{in}, ""
	}
	if waiting {
		if intents, ok := t.fillSlot(said); ok {
			return intents, ""
		}
	}
	return nil, notUnderstood
}

// parse reads a request; ok only when every part of it is understood.
func parse(said string) ([]intent, bool) {
	w := &words{}
	s := w.hide(said)
	if len(w.quotes) >= maxQuotes || len(s) > maxRead {
		return nil, false
	}
	s = tidy(s)
	s = addText.ReplaceAllString(targetLast(spaceLast(s)), " with the text")
	s = callIt.ReplaceAllString(s, " called $1")
	s, last, ok := w.cutBareText(s)
	if !ok {
		return nil, false
	}
	var out []intent
	parts := clauses(s)
	for i, c := range parts {
		c, text := w.cutText(tidy(c))
		if i == len(parts)-1 && last != "" {
			if text != "" {
				return nil, false
			}
			text = last + endMarks(said, last)
		}
		in, ok := w.clause(tidy(c), &text)
		if !ok || text != "" { // a text that the clause has no place for
			return nil, false
		}
		out = append(out, in)
	}
	out = joined(out)
	return out, len(out) > 0 && len(out) <= 5
}

// endMarks gives the marks that tidy took off the end of an unquoted text: to
// what is to be written they belong.
func endMarks(said, text string) string {
	trimmed := strings.TrimRight(said, ".!? ")
	if !strings.HasSuffix(trimmed, text) {
		return ""
	}
	return strings.TrimSpace(said[len(trimmed):])
}

// joined makes one intent of "summarise X and publish it as a blog post".
func joined(all []intent) []intent {
	var out []intent
	for _, in := range all {
		if n := len(out); n > 0 && out[n-1].Do == doSummary && in.Do == doBlog && in.Target != nil && in.Target.Focus {
			in.Target, in.Query = out[n-1].Target, "summary"
			out[n-1] = in
			continue
		}
		out = append(out, in)
	}
	return out
}

// parseReading reads a request whose title looks like two clauses ("Holidays
// and leave"); only when it changes nothing.
func parseReading(said string) (intent, bool) {
	w := &words{}
	s := w.hide(said)
	if len(s) > maxRead {
		return intent{}, false
	}
	return w.reading(tidy(s))
}

var (
	// A text that is named as such, quoted: the rest of the clause goes on.
	quotedText = exact(`(?i)[,\s]+(?:and\s+)?(?:with|containing|having|using|including)?\s*(?:the |this |a |following |some )*` +
		`(?:text|contents?|body|words|message|paragraph)(?: (?:of|is|being|as))?\s*[:,]?\s*(` + qt + `)`)
	saying = exact(`(?i)(?:[,\s]+(?:and\s+)?(?:(?:that|which|and)\s+)?(?:saying|says?|reads?|reading|stating|states)|` +
		`[,.;\s]+(?:and\s+)?(?:it|the page|the post|the text|the comment)\s+(?:(?:should|must)\s+(?:say|read)|says|reads))(?: that)?\s*[:,]?\s*(` + qt + `)`)
	afterColon = exact(`\s*[:—–]\s*(` + qt + `)\s*$`)
	bareText   = exact(`(?i)[,\s]+(?:and\s+)?(?:with|containing)\s+(?:the |this |following )*(?:text|contents?|body|words|message)(?: (?:of|is|being))?\s*:?\s+(.+)$`)
	bareSaying = exact(`(?i)[,\s]+(?:(?:that|which)\s+)?(?:saying|says|reads|reading|stating)(?: that)?\s*:?\s+(.+)$`)
	colonText  = exact(`\s*:\s+(.+)$`)
	addText    = exact(`(?i),?\s+and\s+(?:add|put|write|include|insert|use)\s+(?:the |this |following )*(?:text|contents?|body)\b`)
	callIt     = exact(`(?i)(?:,?\s+and\s+(?:call|name|title)\s+it|[.;,?!]\s*(?:its|the)?\s*(?:name|title)\s+(?:is|should be))\s*:?\s+(` + qt + `)`)
	replyIn    = exact(`(?i)^(?:(?:sorry|no|oh|actually|i mean|i meant),?\s+)*(?:in|into|to|use|put it in|it belongs in|create it in)\s+`)
	replyCall  = exact(`(?i)^(?:call it|name it|title it|the title is|it is called|titled?:?)\s+`)
	namesColon = exact(`(?i)\b(?:titled?|called|named?|labels?|tags?)$`)
	writes     = exact(`(?i)^(?:create|make|add|write|publish|post|comment|leave|put|start|prepare|generate|set up|drop|blog|in |on |under )`)
)

// cutText takes the quoted text of a page, post or comment out of a clause.
func (w *words) cutText(c string) (rest, text string) {
	if !writes.MatchString(c) {
		return c, ""
	}
	for _, re := range []*pattern{quotedText, saying, afterColon} {
		if m := re.FindStringSubmatchIndex(c); m != nil {
			return strings.TrimSpace(c[:m[0]] + " " + c[m[1]:]), w.show(c[m[2]:m[3]])
		}
	}
	return c, ""
}

// cutBareText takes an unquoted text off the end of a request. When it may
// hold another wish, nothing is understood.
func (w *words) cutBareText(s string) (rest, text string, ok bool) {
	if !writes.MatchString(s) || quotedText.MatchString(s) || saying.MatchString(s) || afterColon.MatchString(s) {
		return s, "", true
	}
	for _, re := range []*pattern{bareText, bareSaying, colonText} {
		m := re.FindStringSubmatchIndex(s)
		if m == nil || re == colonText && namesColon.MatchString(s[:m[0]]) { // title: X
			continue
		}
		text = w.show(s[m[2]:m[3]])
		if anyClause.MatchString(s[m[2]:m[3]]) || strings.Contains(strings.ToLower(text), " space") {
			return "", "", false
		}
		return strings.TrimSpace(s[:m[0]]), text, true
	}
	return s, "", true
}

// fillSlot reads a short reply to the question that was asked.
func (t *turn) fillSlot(said string) ([]intent, bool) {
	w := &words{}
	s := w.show(strings.TrimRight(tidy(w.hide(said)), ".!"))
	open := append([]intent(nil), t.notes.Open...)
	in := &open[0]
	long := len(strings.Fields(s)) > 12
	switch t.notes.Asked {
	case "space":
		s = replyIn.ReplaceAllString(s, "")
		in.Space = spaceName(s)
		return open, !long && in.Space != ""
	case "title":
		in.Title = replyCall.ReplaceAllString(s, "")
		in.Title, in.Loose = w.unquote(in.Title), false
		return open, !long && in.Title != ""
	case "text":
		in.Text = strings.Trim(strings.TrimSpace(said), `"“”`)
		return open, in.Text != ""
	case "target":
		if it, ok := choose(t.notes.Choices, s); ok {
			in.Target = &target{Exact: &it}
			return open, true
		}
		tg, ok := w.target(w.hide(said))
		in.Target = &tg
		return open, ok && !long && len(t.notes.Choices) == 0
	}
	return nil, false
}

func (w *words) unquote(s string) string { return strings.Trim(strings.TrimSpace(s), `"“”'`) }
