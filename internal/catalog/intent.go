package catalog

import (
	"strings"

	"github.com/sluice-run/sluice/internal/bm25"
)

// intent is what a use case, or a tool, does to things.
type intent int

const (
	unclear intent = iota
	reads
	creates
	updates
	removes
)

// verbs are the words by which people say what is to be done. Words that mean
// two of these, such as "write" and "put", are left out.
var verbs = map[intent]string{
	reads: "get list show read find search look view open display fetch see check tell what which who whom whose " +
		"where when how is are was were did does do has have can any everything all browse count summarize summarise download locate",
	creates: "create make new start publish post announce begin compose draft found launch send forward reply answer comment",
	updates: "update change edit modify revise rewrite replace rename fix correct reword amend adjust move refresh rework",
	removes: "delete remove trash bin discard drop erase destroy scrap purge",
}

// intents is verbs by word.
var intents = func() map[string]intent {
	m := map[string]intent{}
	for i, words := range verbs {
		for _, w := range strings.Fields(words) {
			m[w] = i
		}
	}
	return m
}()

// intentOf reads the first telling word of a use case.
func intentOf(useCase string) intent {
	for i, w := range strings.Fields(strings.ToLower(useCase)) {
		if found := intents[strings.Trim(w, `.,:;!?"'`)]; found != unclear {
			return found
		}
		if i == 7 {
			break
		}
	}
	return unclear
}

// toolIntent is what a tool does, from its hints and its name.
func toolIntent(t *Tool) intent {
	if t.Hints.ReadOnly {
		return reads
	}
	first, _, _ := strings.Cut(strings.ToLower(t.Name), " ")
	switch found := intents[first]; {
	case found == removes || found == updates || found == creates:
		return found
	case first == "add":
		return creates
	}
	return unclear
}

// The factors by which a tool's score changes. They are mild: words decide, and
// intent and coverage settle what words leave open.
const (
	rightIntent   = 1.3
	wrongIntent   = 0.8
	leastCoverage = 0.7
	perCovered    = 0.05 // and more for each thing spoken of, so that the more special tool wins
)

// fitIntent scales a score by whether the tool does what is asked for.
func fitIntent(want, have intent) float64 {
	switch {
	case want == unclear || have == unclear:
		return 1
	case want == have:
		return rightIntent
	}
	return wrongIntent
}

// things are the words of a tool's name that say what it is about, each with
// the terms that stand for it.
func things(t *Tool) []map[string]bool {
	var list []map[string]bool
	words := strings.Fields(strings.ToLower(t.Name))
	for i, w := range words {
		if i == 0 && len(words) > 1 { // the verb
			continue
		}
		terms := map[string]bool{}
		for _, term := range bm25.Tokens(w + " " + strings.Join(t.Toolkit.Synonyms[w], " ")) {
			terms[term] = true
		}
		if len(terms) > 0 {
			list = append(list, terms)
		}
	}
	return list
}

// coverage scales a score by how much of what the tool is about the use case
// speaks of: comments on a page are not what "read a page" asks for.
func coverage(things []map[string]bool, query map[string]bool) float64 {
	if len(things) == 0 {
		return 1
	}
	covered := 0
	for _, terms := range things {
		for term := range terms {
			if query[term] {
				covered++
				break
			}
		}
	}
	return leastCoverage + (1-leastCoverage)*float64(covered)/float64(len(things)) + perCovered*float64(covered)
}
