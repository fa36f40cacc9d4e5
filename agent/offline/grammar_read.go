package offline

const (
	showVerb = `(?:(?:list|show|get|give|display|fetch|see|read|tell|print|view|which|what|what are|which are|what's|let me see|are there|do we have)(?: me| us)?)`
	quant    = `(?:(?:all|the|my|our|of|any|available|existing|a list of|every|list of|confluence|wiki|current)\s+)*`
	thereAre = `(?:\s+(?:are there|do (?:i|we|you) have|exist|can (?:i|you) see|are available|i have|we have|there are|that exist|you can see|have we got))?`
	things   = `(?:pages?|blog ?posts?|content|docs?|documents?|anything|something|posts?|articles?|info|information|stuff|notes)`
	contents = `(?:pages?|content|docs?|documents?|things|everything)`
)

var (
	listSpaces = re(`^` + showVerb + `?\s*` + quant + `spaces` + thereAre + `(?:\s+(?:in|on)\s+(?:confluence|the wiki|this site))?$`)
	listPagesQ = re(`^` + showVerb + `\s+` + quant + contents + `\s+(?:are\s+|is\s+|exist\s+|do we have\s+|does\s+|live\s+)?(?:there\s+)?(?:in|inside|from|within)\s+(?:the |our |my )?(.+?)(?:\s+space)?$`)
	listPagesO = re(`^` + showVerb + `\s+` + quant + contents + `\s+of\s+(?:the |our |my )?(.+?)\s+space$`)
	listPagesB = re(`^(?:what(?:'s| is)|what do we have)\s+in\s+(?:the |our |my )?(?:(.+?)\s+space|space\s+(\S+))$`)
	pagesHas   = re(`^(?:what|which)\s+pages\s+does\s+(?:the |our )?(.+?)\s+space\s+(?:have|contain)$`)
	spacePages = re(`^` + showVerb + `\s+` + quant + `(\S+(?:\s\S+){0,2}?)\s+(?:space\s+)?pages$`)
	allPages   = re(`^` + showVerb + `\s+` + quant + `pages` + thereAre + `$`)
	listBlogs  = re(`^(?:` + showVerb + `\s+)?` + quant + `(?:most\s+)?(?:recent|latest|newest|last|new)?\s*` + `blog ?posts` + thereAre + `(?:\s+(?:are\s+)?(?:there\s+)?(?:in|from|of)\s+(?:the |our |my )?(.+?)(?:\s+space)?)?$`)
	children   = re(`^(?:` + showVerb + `\s+)?` + quant + `(?:child|sub)[ -]?pages\s+(?:of|under|does|are under|below)\s+(.+?)(?:\s+have)?$`)
	pagesUnder = re(`^` + showVerb + `\s+` + quant + `pages\s+(?:are\s+)?(?:under|below|beneath)\s+(.+)$`)

	commentsOf = re(`^(?:` + showVerb + `\s+)?` + quant + `(?:footer )?comments?\s+(?:are there\s+|are\s+|there are\s+)?(?:on|of|for|under|about)\s+(.+)$`)
	commentsIs = re(`^(?:are there|does)\s+(?:any\s+)?(?:comments\s+on\s+)?(.+?)\s+(?:have\s+(?:any\s+)?comments)$`)
	commentsDo = re(`^(?:what|which)\s+comments\s+(?:does|has)\s+(.+?)(?:\s+(?:have|got))?$`)
	peopleSay  = re(`^what\s+(?:do|did)\s+(?:people|others|they|everyone)\s+say\s+(?:about|on)\s+(.+)$`)
	labelsOf   = re(`^(?:` + showVerb + `\s+)?` + quant + `(?:labels?|tags?)\s+(?:are\s+|is\s+)?(?:on|of|for|attached to|set on)\s+(.+)$`)
	labelsHas  = re(`^(?:what|which)\s+(?:labels|tags)\s+(?:does|has)\s+(.+?)(?:\s+(?:have|got|carry))?$`)
	labelledAs = re(`^how\s+is\s+(.+?)\s+(?:labell?ed|tagged)$`)
	allLabels  = re(`^` + showVerb + `\s+` + quant + `(?:labels|tags)` + thereAre + `(?:\s+(?:of|on|in)\s+(?:the|this)\s+(?:whole\s+)?(?:site|wiki))?$`)
	labelled   = re(`^(?:(?:find|search(?: for)?|list|show|get|give|which|what|display)(?: me| us)?\s+)` + quant + `(?:` + things + `|is|what is)\s*(?:are\s+|is\s+)?(?:that are\s+|which are\s+|that have\s+|which have\s+|have\s+|with\s+)?(?:labell?ed|tagged|(?:the\s+)?(?:label|tag))(?:\s+(?:as|with))?\s+(` + labelOne + `)(?:\s+(?:in|from)\s+(?:the |our )?(.+?)(?:\s+space)?)?$`)
	withLabel  = re(`^(?:(?:find|list|show|which|what)(?: me| us)?\s+)` + quant + things + `\s+(?:have|has|with|carry)\s+(?:the\s+)?(` + labelOne + `)\s+(?:label|tag)$`)
	whoAmI     = re(`^(?:who am i(?: logged in as)?|which (?:account|user)(?: (?:is this|am i(?: using| logged in as)?|is connected))?|whose account is (?:this|connected|it)|what(?:'s| is) my (?:name|account|user ?name|e-?mail)(?: in confluence)?|show my profile)$`)

	searchFor  = re(`^(?:search|look|query|find)\s*(?:(?:in\s+)?(?:confluence|the wiki|everything|everywhere)\s*)?(?:for|up)\s+(?:` + things + `\s+)?(?:(?:about|on|mentioning|containing|with|regarding|related to|that mention|which mention)\s+)?(.+)$`)
	findAbout  = re(`^(?:find|search|show|list|get|give)(?: me| us)?\s+` + quant + things + `\s+(?:about|on|mentioning|containing|regarding|related to|relating to|that (?:mention|contain|talk about)s?|which (?:mention|contain|talk about)s?|matching)\s+(.+)$`)
	haveAny    = re(`^(?:(?:do (?:we|you|i) have|is there|are there|have we got)\s+(?:(?:any|a|an|some)\s+)?|any\s+)` + things + `\s+(?:about|on|for|mentioning|regarding|that mentions?|which mentions?|that contains?)\s+(.+)$`)
	whichAbout = re(`^(?:which|what)\s+` + things + `\s+(?:mentions?|contains?|talks? about|are about|is about|covers?|discuss(?:es)?)\s+(.+)$`)
	readAbout  = re(`^(?:show|open|read|display|get|give|pull up)(?: me| us)?\s+(?:the|that|our)\s+(page|doc|document|blog ?post|post|article)\s+(?:about|on)\s+(.+)$`)
	whereIs    = re(`^(?:where\s+(?:is|are|can i find|do i find)|find(?: me)?|search|look up)\s+(.+)$`)

	saysAbout = re(`^what\s+does\s+(.+?)\s+say\s+(?:about|on)\s+(.+)$`)
	whatSays  = re(`^(?:what\s+does\s+(.+?)\s+(?:say|contain)|what(?:'s| is)\s+(?:written\s+)?(?:in|on)\s+(.+)|tell me what\s+(.+?)\s+says|let me (?:see|read)\s+(.+)|what(?:'s| is)\s+the\s+(?:text|content)s?\s+of\s+(.+))$`)
	summaryOf = re(`^(?:(?:summari[sz]e|sum up|tl;?dr|recap)(?: for)?(?: me| us)?:?|(?:give|show|get|write|make)(?: me| us)?\s+(?:a\s+)?(?:(?:short|quick|brief)\s+)?(?:summary|recap) of|what are the (?:main|key) points (?:of|in))\s+(.+)$`)
	readIt    = re(`^(?:read|open|show|display|get|fetch|view|print|pull up|bring up|load|see|give)(?: me| us)?(?: out)?\s+(?:the\s+)?(?:full\s+|whole\s+)?(?:(?:text|contents?|body)\s+(?:of|from)\s+)?(.+)$`)
)

// reading reads a clause that changes nothing.
func (w *words) reading(c string) (intent, bool) {
	for _, rule := range []func(string) (intent, bool, bool){w.listing, w.aboutTarget, w.searching, w.opening} {
		if in, ok, mine := rule(c); mine {
			return in, ok
		}
	}
	return intent{}, false
}

// listing: lists of things and of what belongs to a space.
func (w *words) listing(c string) (in intent, ok, mine bool) {
	switch {
	case listSpaces.MatchString(c):
		return intent{Do: doSpaces}, true, true
	case whoAmI.MatchString(c):
		return intent{Do: doMe}, true, true
	case allPages.MatchString(c):
		return intent{Do: doPages}, true, true
	case allLabels.MatchString(c):
		return intent{Do: doLabels}, true, true
	}
	for _, r := range []*pattern{labelled, withLabel} {
		if m := r.FindStringSubmatch(c); m != nil {
			in = intent{Do: doLabelled, Labels: w.labels(m[1])}
			if len(m) > 2 && m[2] != "" {
				in.Space = spaceName(w.show(m[2]))
			}
			return in, len(in.Labels) == 1, true
		}
	}
	if m := listBlogs.FindStringSubmatch(c); m != nil {
		return intent{Do: doBlogs, Space: spaceName(w.show(m[1]))}, true, true
	}
	for _, r := range []*pattern{pagesHas, listPagesQ, listPagesO, listPagesB} {
		if m := r.FindStringSubmatch(c); m != nil {
			name := m[1]
			if len(m) > 2 && name == "" {
				name = m[2]
			}
			return intent{Do: doPages, Space: spaceName(w.show(name))}, sure(name), true
		}
	}
	return in, false, false
}

// aboutTarget: what belongs to one page or blog post.
func (w *words) aboutTarget(c string) (in intent, ok, mine bool) {
	for _, rule := range []struct {
		re *pattern
		do string
	}{
		{children, doChildren},
		{pagesUnder, doChildren},
		{commentsOf, doComments},
		{commentsIs, doComments},
		{commentsDo, doComments},
		{peopleSay, doComments},
		{labelsOf, doLabels},
		{labelsHas, doLabels},
		{labelledAs, doLabels},
		{summaryOf, doSummary},
	} {
		if m := rule.re.FindStringSubmatch(c); m != nil {
			tg, good := w.target(m[1])
			return intent{Do: rule.do, Target: &tg}, good, true
		}
	}
	if m := saysAbout.FindStringSubmatch(c); m != nil && !nobody.MatchString(m[1]) {
		tg, good := w.target(m[1])
		return intent{Do: doAbout, Target: &tg, Query: article.ReplaceAllString(w.show(m[2]), "")}, good, true
	}
	if m := whatSays.FindStringSubmatch(c); m != nil {
		for _, name := range m[1:] {
			if name != "" {
				tg, good := w.target(name)
				return intent{Do: doRead, Target: &tg}, good, true
			}
		}
	}
	return in, false, false
}

func (w *words) searching(c string) (in intent, ok, mine bool) {
	if m := spacePages.FindStringSubmatch(c); m != nil && !noSpace.MatchString(m[1]) {
		return intent{Do: doPages, Space: spaceName(w.show(m[1]))}, sure(m[1]), true
	}
	if m := readAbout.FindStringSubmatch(c); m != nil {
		in, ok, mine = w.search(m[2])
		in.Kind = kindOf(m[1])
		return in, ok, mine
	}
	for _, r := range []*pattern{findAbout, haveAny, whichAbout, searchFor} {
		if m := r.FindStringSubmatch(c); m != nil {
			return w.search(m[1])
		}
	}
	if m := whereIs.FindStringSubmatch(c); m != nil {
		tg, good := w.target(m[1])
		if tg.Focus {
			return intent{Do: doRead, Target: &tg}, good, true
		}
		return intent{Do: doSearch, Query: tg.Title, Space: tg.Space}, good, true
	}
	return in, false, false
}

func (w *words) search(query string) (in intent, ok, mine bool) {
	in.Do = doSearch
	for _, r := range []*pattern{targetSpace, targetSpOf} {
		if m := r.FindStringSubmatch(query); m != nil {
			query, in.Space = m[1], spaceName(w.show(m[2]))
			break
		}
	}
	in.Query = article.ReplaceAllString(w.show(query), "")
	return in, sure(query), true
}

func (w *words) opening(c string) (in intent, ok, mine bool) {
	m := readIt.FindStringSubmatch(c)
	if m == nil {
		return in, false, false
	}
	tg, good := w.target(m[1])
	return intent{Do: doRead, Target: &tg}, good, true
}

// Small patterns of the rules above.
var (
	nobody  = re(`^(?:people|anyone|everyone|the wiki|confluence)$`)
	noSpace = re(`^(?:recent|latest|newest|my|new|related)$`)
)
