package offline

import (
	"strings"
)

const (
	makeVerb = `(?:create|make|add|write(?: up)?|publish|post|put up|set up|start|prepare|generate|build|put|open)`
	det      = `(?:(?:the|a|an|my|our|this|that|some|another|one|me|us|up|new|blank|empty|short|quick|simple|brand|brand-new|fresh|small)\s+)*`
	pageNoun = `(?:(?:confluence |wiki )?(?:sub|child )?page|(?:confluence |wiki )?doc(?:ument)?)`
	blogNoun = `(?:(?:confluence )?blog[ -]?(?:post|entry|article)|blog|news post)`
	toIn     = `(?:in|into|inside|within|to|on|under|for)`
	labelOne = `(?:#?[\pL\pN][\pL\pN_-]*|` + qt + `)`
	labelSet = labelOne + `(?:\s*(?:,\s*and|,|and|&|\+)\s*` + labelOne + `)*`
	lay      = `(?:add|put|apply|attach|set|stick|assign|append|slap|place|use)`
)

var (
	frontSpace  = re(`^` + `(?:in|inside|within|on|under)\s+(?:the |our |my )?(.+?)\s+space,?\s+(.+)$`)
	frontTarget = re(`^(?:on|under)\s+(.+?),\s*(?:please\s+)?((?:leave|add|post|write|put)\s+(?:a|the))\s+comment\b(.*)$`)
	frontKey    = re(`^` + `(?:in|inside|within)\s+(?:the )?space\s+(\S+?),?\s+(` + makeVerb + `\s.+)$`)
	makePage    = re(`^` + makeVerb + `\s+` + det + `(.*?)\s*\b` + pageNoun + `\b(.*)$`)
	makeBlog    = re(`^` + makeVerb + `\s+` + det + `(.*?)\s*\b` + blogNoun + `\b(.*)$`)
	asBlog      = re(`^(?:publish|post|share|turn|convert|make|write up|put|release|summari[sz]e|write|create|use)\s+(.+?)\s+(?:as|into|to|in|for)\s+(?:a|an|the)\s+(?:new |short )?` + blogNoun + `\b(.*)$`)
	upAsBlog    = re(`^write\s+(.+?)\s+up\s+as\s+(?:a|an)\s+(?:new )?` + blogNoun + `\b(.*)$`)
	makeNamed   = exact(`^(?i:` + makeVerb + `)\s+(?i:(?:a\s+)?new\s+)?(?i:` + pageNoun + `)\s+[A-Z]`)
	makeChild   = re(`^` + makeVerb + `\s+` + det + `(?:sub|child)[ -]?page\b`)

	labelTo    = re(`^` + lay + `\s+(?:the |a |an |these |some )?(?:new )?(?:labels?|tags?)\s*:?\s+(` + labelSet + `)\s+(?:to|on|onto|for)\s+(.+)$`)
	labelName  = re(`^` + lay + `\s+(?:the |a |an )?(?:new )?(?:label|tag)\s+(?:called|named)\s+(` + labelOne + `)\s+(?:to|on|onto|for)\s+(.+)$`)
	labelFrom  = re(`^` + lay + `\s+(?:the |a |an )?(` + labelSet + `)\s+(?:as\s+(?:a\s+)?)?(?:labels?|tags?)\s+(?:to|on|onto|for)\s+(.+)$`)
	labelColon = re(`^(?:label|tag)\s+(.+?)\s*:\s*(` + labelSet + `)$`)
	labelHash  = re(`^` + lay + `\s+(#[\pL\pN_-]+)\s+(?:to|on|onto)\s+(.+)$`)
	labelAs    = re(`^(?:label|tag|mark|flag)\s+(.+?)\s+(?:as|with)\s+(?:the\s+)?(?:labels?\s+|tags?\s+)?(` + labelSet + `)$`)
	labelIt    = re(`^(?:label|tag)\s+(.+?\b(?:page|post|doc|document)|it|that|this|` + qt + `)\s+(` + labelSet + `)$`)
	labelGive  = re(`^give\s+(.+?)\s+(?:the|a|an)\s+(?:label|tag)\s+(` + labelSet + `)$`)
	labelGive2 = re(`^give\s+(.+?)\s+(?:the|a|an)\s+(` + labelOne + `)\s+(?:label|tag)$`)
	labelNeeds = re(`^(.+?)\s+(?:needs|should (?:have|get))\s+(?:the|a|an)\s+(?:(?:label|tag)\s+(` + labelOne + `)|(` + labelOne + `)\s+(?:label|tag))$`)
	labelBe    = re(`^(.+?)\s+should be (?:labell?ed|tagged)(?: as| with)?\s+(` + labelSet + `)$`)
	labelAfter = re(`^` + lay + `\s+(?:to|on)\s+(.+?)\s+(?:the|a|an)\s+(?:label|tag)\s+(` + labelSet + `)$`)

	commentOn    = re(`^(?:add|leave|post|write|put|drop|make|create|place)\s+` + det + `(?:footer )?comment\s+(?:on|to|under|at|in|for)\s+(.+)$`)
	commentBare  = re(`^comment\s+(?:on|under)\s+(.+)$`)
	commentQuote = re(`^comment\s+(` + qt + `)\s+(?:on|to|under)\s+(.+)$`)
	commentThe   = re(`^(?:add|leave|post|write|put|drop|make|create|place)\s+` + det + `(?:footer )?comment\s*:?\s*(` + qt + `)\s+(?:on|to|under|for|in)\s+(.+)$`)
	commentAs    = re(`^(?:add|leave|post|write|put|drop)\s+(` + qt + `)\s+as\s+a\s+comment\s+(?:on|to|under)\s+(.+)$`)
	commentTail  = re(`^(.+?)\s+(?:with\s+)?(` + qt + `)$`)
	commentThat  = re(`^(.+?(?:\b(?:page|post|it|doc|document)|` + qt + `))\s+that\s+(.+)$`)
)

// noLabel are words that stand where a label should.
var noLabel = re(`^(?:an?|the|some|new|this|that|these|labels?|tags?|it|more|another|different|few|any|its|it's|done)?$`)

// statusWords are no labels after "mark … as": they mean something else.
var statusWords = re(`^(?:drafts?|deleted|archived|private|public|published|read|unread|favou?rite|done|completed?|resolved|restricted|closed|final|finished)$`)

// targetLast moves "on the X page, leave a comment …" into the usual order.
func targetLast(c string) string {
	if m := frontTarget.FindStringSubmatch(c); m != nil && !hasVerb(m[1]) {
		return m[2] + " comment on " + m[1] + m[3]
	}
	return c
}

// spaceLast moves "in the X space," from the beginning to the end.
func spaceLast(c string) string {
	if m := frontSpace.FindStringSubmatch(c); m != nil && !hasVerb(m[1]) {
		return m[2] + " in the " + m[1] + " space"
	}
	if m := frontKey.FindStringSubmatch(c); m != nil {
		return m[2] + " in the " + m[1] + " space"
	}
	return c
}

// clause reads one imperative. text is the text that goes with it, taken by
// the first clause that has a place for it.
func (w *words) clause(c string, text *string) (intent, bool) {
	for _, rule := range []func(string, *string) (intent, bool, bool){w.label, w.comment, w.blog, w.page} {
		if in, ok, mine := rule(c, text); mine {
			return in, ok
		}
	}
	return w.reading(c)
}

var anyVerb = re(`\b(?:` + ownVerbs + `)\b`)

func hasVerb(s string) bool { return anyVerb.MatchString(s) }

// label: mine says that the clause is about labels, ok that it is understood.
func (w *words) label(c string, _ *string) (in intent, ok, mine bool) {
	in.Do = doLabel
	set := func(labels, tg string) (intent, bool, bool) {
		in.Labels = w.labels(labels)
		t, good := w.target(tg)
		in.Target = &t
		return in, good && len(in.Labels) > 0, true
	}
	for _, r := range []*pattern{labelName, labelTo, labelFrom, labelHash} {
		if m := r.FindStringSubmatch(c); m != nil {
			return set(m[1], m[2])
		}
	}
	for _, r := range []*pattern{labelColon, labelAs, labelGive, labelGive2, labelBe, labelAfter, labelIt} {
		if m := r.FindStringSubmatch(c); m != nil {
			if r == labelAs && !beginsLabel.MatchString(c) && !holdsLabel.MatchString(c) && statusWords.MatchString(m[2]) {
				return in, false, true
			}
			return set(m[2], m[1])
		}
	}
	if m := labelNeeds.FindStringSubmatch(c); m != nil {
		return set(m[2]+m[3], m[1])
	}
	return in, false, false
}

func (w *words) labels(s string) []string {
	var out []string
	for _, l := range listMark.Split(s, -1) {
		if l = strings.TrimPrefix(w.show(l), "#"); noLabel.MatchString(l) {
			return nil
		}
		out = append(out, strings.ToLower(l))
	}
	return out
}

func (w *words) comment(c string, text *string) (in intent, ok, mine bool) {
	in.Do = doComment
	finish := func(tg, body string) (intent, bool, bool) {
		in.Text = body
		if body == "" {
			in.Text, *text = *text, ""
		}
		if in.Text == "" {
			if m := commentTail.FindStringSubmatch(tg); m != nil && !beforeName.MatchString(m[1]) || m != nil && endsPage.MatchString(m[1]) {
				tg, in.Text = m[1], w.show(m[2])
			} else if m := commentThat.FindStringSubmatch(tg); m != nil && !hasVerb(m[2]) {
				tg, in.Text = m[1], w.show(m[2])
			}
		}
		t, good := w.target(tg)
		in.Target = &t
		return in, good, true
	}
	for _, r := range []*pattern{commentQuote, commentThe, commentAs} {
		if m := r.FindStringSubmatch(c); m != nil {
			return finish(m[2], w.show(m[1]))
		}
	}
	for _, r := range []*pattern{commentOn, commentBare} {
		if m := r.FindStringSubmatch(c); m != nil {
			return finish(m[1], "")
		}
	}
	return in, false, false
}

func (w *words) page(c string, text *string) (in intent, ok, mine bool) {
	m := makePage.FindStringSubmatch(c)
	if m == nil || beginsOpen.MatchString(c) && !opensNew.MatchString(c) {
		return in, false, false
	}
	in = intent{Do: doPage, Kind: "page"}
	if handles.MatchString(c) && !makesNew.MatchString(c) {
		return in, false, true // "put the X page in …" is about a page that is there
	}
	switch {
	case makeChild.MatchString(c):
		m[2] = ofFirst.ReplaceAllString(m[2], " under ")
	case makeNamed.MatchString(c): // create page Harbour in …
		m[2] = " called" + m[2]
	}
	in.Text, *text = *text, ""
	if !w.modifiers(&in, m[2]) {
		return in, false, true
	}
	if strings.TrimSpace(m[1]) != "" && adds.MatchString(c) && !makesNew.MatchString(c) {
		return in, false, true // "add X page to …" may mean the one that is there
	}
	return in, w.named(&in, m[1]), true
}

// special words before the noun ask for more than a page.
var special = re(`\b(?:private|drafts?|hidden|restricted|public|templates?|personal|archived|secret|confidential|shared|locked|live|protected|` +
	`temporary|several|two|three|four|five|ten|\d+|many|multiple|couple|few|home|landing|similar|same|copy|duplicate|every|each|all)\b`)

var prepositions = re(`\b(?:to|in|into|on|from|for|with|about|under)\b`)

// named takes the words before the noun as title where none was given.
func (w *words) named(in *intent, desc string) bool {
	if special.MatchString(desc) || prepositions.MatchString(desc) && !isQuote(desc) {
		return false
	}
	desc = strings.TrimSpace(beginsCalled.ReplaceAllString(strings.TrimSpace(desc), ""))
	switch {
	case desc == "":
		return true
	case in.Title != "" || !sure(desc) || hasQuote(desc) && !isQuote(desc):
		// "a project page called X": the words before only describe it.
		return in.Title != "" && sure(desc) && len(strings.Fields(desc)) <= 4
	case isQuote(desc):
		in.Title = w.show(desc)
	default:
		in.Title = titleCase(desc)
	}
	return true
}

var (
	modLabels  = re(`^(.*?)[,\s]+(?:(?:with|and)\s+(?:the\s+|a\s+)?(?:labels?|tags?)|labell?ed(?:\s+(?:as|with))?|tagged(?:\s+(?:as|with))?)\s*:?\s+(` + labelSet + `)$`)
	modSpace   = re(`^(.*)\s` + toIn + `\s+(?:the |our |my )?(\S+(?:\s\S+){0,3}?)(?:'s)?\s+space$`)
	modSpaceOf = re(`^(.*)\s` + toIn + `\s+(?:the\s+)?space\s+(?:called\s+|named\s+)?(\S+(?:\s\S+){0,2})$`)
	modCalledQ = re(`^(.*?)[,\s]*\b(?:called|named|titled|entitled|(?:with|and)\s+(?:the\s+|a\s+)?(?:title|name)(?:\s+of)?|title|name|by the name(?:\s+of)?)\s*:?\s*(` + qt + `)$`)
	modQuote   = re(`^(\s*|.*(?:page|post|doc|document)\s*)(` + qt + `)$`)
	modParent  = re(`^(.*)\s(?:under|underneath|below|beneath|as\s+a\s+(?:child|sub-?page|child page)\s+(?:of|to|under))\s+(.+)$`)
	modIn      = re(`^(.*)\s(?:in|into|inside|within|to)\s+(?:the |our |my )?(\S+(?:\s\S+){0,3})$`)
	modCalled  = re(`^(\s*|.*\s)(?:called|named|titled|entitled|with\s+(?:the\s+|a\s+)?(?:title|name)(?:\s+of)?|title:|by the name(?:\s+of)?)\s+(.+)$`)
	modTopic   = re(`^\s*(?:about|on|for|regarding|describing|covering|of)\s+(?:the\s+|our\s+)?(.+)$`)
	modSame    = re(`^(.*)\s(?:there|in\s+(?:the\s+same|that|this)\s+space)$`)
	modSource  = re(`^(.*?)\s(?:from|based on|out of|summari[sz]ing|using|with\s+(?:a|the)\s+summary\s+of|that summari[sz]es)\s+(.+)$`)
)

// modifiers reads what stands after the noun, from the end, until nothing is
// left. What no rule reads is not understood.
func (w *words) modifiers(in *intent, rest string) bool {
	rest = " " + strings.TrimSpace(strings.TrimRight(rest, " ,.:;"))
	for range 8 {
		rest = strings.TrimRight(rest, " ,")
		if strings.TrimSpace(rest) == "" {
			return true
		}
		next, ok := w.modifier(in, rest)
		if !ok {
			return false
		}
		rest = " " + strings.TrimSpace(next)
	}
	return false
}

func (w *words) modifier(in *intent, rest string) (left string, ok bool) {
	if m := modLabels.FindStringSubmatch(rest); m != nil && len(in.Labels) == 0 {
		in.Labels = w.labels(m[2])
		return m[1], len(in.Labels) > 0
	}
	if m := modSame.FindStringSubmatch(rest); m != nil && in.Space == "" {
		in.Space = sameSpace
		return m[1], true
	}
	for _, r := range []*pattern{modSpace, modSpaceOf} {
		if m := r.FindStringSubmatch(rest); m != nil && in.Space == "" && !holdsCalled.MatchString(m[2]) {
			in.Space = spaceName(w.show(m[2]))
			return m[1], sure(m[2])
		}
	}
	if m := modCalledQ.FindStringSubmatch(rest); m != nil && in.Title == "" {
		in.Title = w.show(m[2])
		return m[1], true
	}
	if m := modQuote.FindStringSubmatch(rest); m != nil && in.Title == "" {
		in.Title = w.show(m[2])
		return m[1], true
	}
	if m := modParent.FindStringSubmatch(rest); m != nil && in.Parent == "" {
		if at := strings.LastIndex(strings.ToLower(m[2]), " in "); at > 0 && in.Space == "" {
			in.Space, m[2] = spaceName(w.show(m[2][at+4:])), m[2][:at]
		}
		tg, good := w.target(m[2])
		in.Parent = tg.Title
		if tg.Focus {
			in.Parent = focusWord
		}
		return m[1], good && in.Do == doPage && tg.Kind != "blogpost"
	}
	if in.Do == doBlog {
		if m := modSource.FindStringSubmatch(rest); m != nil && in.Target == nil {
			tg, good := w.target(m[2])
			in.Target = &tg
			return m[1], good
		}
	}
	if m := modIn.FindStringSubmatch(rest); m != nil && in.Space == "" && (!holdsTitle.MatchString(m[1]) || hasQuote(m[1])) &&
		(!hasQuote(m[2]) || isQuote(m[2])) && !holdsCalled.MatchString(m[2]) {
		in.Space = spaceName(w.show(m[2]))
		return m[1], sure(m[2])
	}
	if m := modCalled.FindStringSubmatch(rest); m != nil && in.Title == "" {
		in.Title, in.Loose = w.show(m[2]), true
		return m[1], sure(m[2]) && !hasQuote(m[2])
	}
	if m := modTopic.FindStringSubmatch(rest); m != nil && in.Title == "" {
		in.Title, in.Loose = titleCase(w.show(m[1])), !isQuote(m[1])
		return "", sure(m[1]) && (!hasQuote(m[1]) || isQuote(m[1]))
	}
	return "", false
}

const (
	sameSpace = "\x00same"
	focusWord = "\x00it"
)

// spaceName takes the words around a space's name off.
func spaceName(s string) string {
	s = strings.Trim(strings.TrimSpace(s), `"“”'.,`)
	s = aroundSpace.ReplaceAllString(s, "")
	s = afterSpace.ReplaceAllString(s, "")
	if sameWords.MatchString(s) {
		return sameSpace
	}
	return s
}

var summaryWords = re(`\b(?:summary|recap|minutes|notes|write-?up|digest|tl;?dr)\b`)

func (w *words) blog(c string, text *string) (in intent, ok, mine bool) {
	in = intent{Do: doBlog, Kind: "blogpost"}
	for _, r := range []*pattern{upAsBlog, asBlog} {
		m := r.FindStringSubmatch(c)
		if m == nil || makesBlog.MatchString(c) {
			continue
		}
		tg, good := w.target(m[1])
		if beginsSummary.MatchString(c) {
			in.Query = "summary"
		}
		if isQuote(m[1]) && *text == "" && strings.Contains(w.show(m[1]), " ") && len(strings.Fields(w.show(m[1]))) > 8 {
			in.Text = w.show(m[1]) // the quoted words are the post itself
		} else {
			in.Target = &tg
		}
		if *text != "" {
			return in, false, true // a text and a source: which one is meant?
		}
		return in, good && w.modifiers(&in, m[2]), true
	}
	m := makeBlog.FindStringSubmatch(c)
	if m == nil {
		return in, false, false
	}
	in.Text, *text = *text, ""
	if !w.modifiers(&in, m[2]) {
		return in, false, true
	}
	if desc := strings.TrimSpace(m[1]); summaryWords.MatchString(desc) && !prepositions.MatchString(desc) && in.Text == "" && in.Target == nil {
		tg, good := w.target(desc)
		in.Target = &tg
		return in, good, true
	}
	return in, w.named(&in, m[1]), true
}

var (
	focusTarget = re(`^(?:it|that|this|that one|this one|(?:the|this|that|my|our)\s+(?:new |same |last )?(page|post|blog ?post|doc|document|one)(?:\s+(?:you|we|i)(?:'ve| have)? (?:just )?(?:created|made|published|wrote|found|read))?|the new one)$`)
	targetHead  = re(`^(?:the |a |my |our |this |that )?(?:existing )?(` + pageNoun + `|` + blogNoun + `|post)\s+(?:(?:that is |which is )?(?:called|named|titled|entitled|with the title)\s+)?(.+)$`)
	targetTail  = re(`^(.+?)\s+(` + pageNoun + `|` + blogNoun + `|post)$`)
	targetSpace = re(`^(.+?)\s+(?:in|from|of)\s+(?:the |our |my )?(\S+(?:\s\S+){0,3}?)\s+space$`)
	targetSpOf  = re(`^(.+?)\s+(?:in|from)\s+(?:the\s+)?space\s+(\S+(?:\s\S+){0,2})$`)
	article     = re(`^(?:the|my|our|a|an)\s+`)
)

// target reads the name of a page or blog post.
func (w *words) target(s string) (target, bool) {
	s = strings.TrimSpace(strings.TrimRight(s, " ,.:;"))
	var t target
	if m := focusTarget.FindStringSubmatch(s); m != nil {
		t.Focus = true
		t.Kind = kindOf(m[1])
		return t, true
	}
	for _, r := range []*pattern{targetSpace, targetSpOf} {
		if m := r.FindStringSubmatch(s); m != nil {
			s, t.Space = m[1], spaceName(w.show(m[2]))
			break
		}
	}
	if m := targetHead.FindStringSubmatch(s); m != nil && !beginsPlace.MatchString(m[2]) {
		t.Kind, s = kindOf(m[1]), m[2]
	} else if m := targetTail.FindStringSubmatch(s); m != nil {
		t.Kind, s = kindOf(m[2]), m[1]
	}
	if !isQuote(s) {
		s = article.ReplaceAllString(s, "")
	}
	t.Title, t.Loose = w.show(s), !isQuote(s)
	return t, sure(s) && !hasVerb(strings.Split(s, " ")[0])
}

func kindOf(noun string) string {
	switch noun = strings.ToLower(noun); {
	case strings.Contains(noun, "blog"), strings.Contains(noun, "post"):
		return "blogpost"
	case strings.Contains(noun, "page"), strings.Contains(noun, "doc"):
		return "page"
	}
	return ""
}

// Small patterns of the rules above.
var (
	handles       = re(`^(?:put|publish|post|open|use|(?:add|start)\s+(?:the|this|that|my|our))\s`)
	adds          = re(`^(?:add|start)\s`)
	makesNew      = re(`^(?:put|publish|post|open|use|add|start)\s+(?:up\s+)?(?:me\s+|us\s+)?(?:a|an|another|new|one)\s`)
	ofFirst       = re(`^\s*of\s`)
	aroundSpace   = re(`^(?:(?:the|our|my)\s+)?(?:space\s+)?`)
	afterSpace    = re(`(?:'s)?\s+space$`)
	beginsLabel   = re(`^(?:label|tag)`)
	holdsLabel    = re(`\b(?:label|tag)`)
	listMark      = re(`\s*(?:,\s*and\b|,|\band\b|&|\+)\s*`)
	beforeName    = re(`(?:called|named|titled|page|post|on)$`)
	endsPage      = re(`page$`)
	beginsOpen    = re(`^open\s`)
	opensNew      = re(`^open\s+(?:up\s+)?(?:a|an|another)\s`)
	beginsCalled  = re(`^(?:called|named|titled)\s+`)
	holdsCalled   = re(`\b(?:called|named|titled)\b`)
	holdsTitle    = re(`\b(?:called|named|titled|title|name|about)\b`)
	sameWords     = re(`^(?:that|this|the same|same)$`)
	makesBlog     = re(`^` + makeVerb + `\s+` + det + blogNoun + `\b`)
	beginsSummary = re(`^summari[sz]e`)
	beginsPlace   = re(`^(?:about|for|in|on|of)\b`)
)
