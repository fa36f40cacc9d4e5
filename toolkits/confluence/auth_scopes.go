package confluence

import (
	"slices"
	"strings"
)

// scopeVerbs and scopeThings say in plain words what scopes are about; order is
// that of the page.
var scopeVerbs = []struct{ verb, words string }{
	{"read", "See"}, {"search", "See"}, {"write", "Create and change"}, {"delete", "Delete"},
}

var scopeThings = map[string]string{
	"analytics.content": "how often content is viewed", "attachment": "files", "audit-log": "the audit log",
	"blogpost": "blog posts", "comment": "comments", "content": "content", "content-details": "content and who you are",
	"content.metadata": "details of content", "content.property": "properties of content", "content.restriction": "who may see and edit content",
	"group": "groups", "hierarchical-content": "how content is nested", "inlinetask": "tasks", "label": "labels", "page": "pages",
	"space": "spaces", "space-details": "details of spaces", "space.permission": "who may use spaces", "space.property": "properties of spaces",
	"task": "tasks", "template": "templates", "user": "people", "watcher": "what you watch", "whiteboard": "whiteboards",
	// Classic ones, the verb cut off.
	"confluence-content": "content", "confluence-content.all": "content", "confluence-content.summary": "summaries of content",
	"confluence-content.permission": "who may see content", "confluence-file": "files", "confluence-groups": "groups",
	"confluence-props": "properties of content", "confluence-space": "spaces", "confluence-space.summary": "summaries of spaces",
	"confluence-user": "people", "confluence": "content by searching",
}

// explainScopes says what scopes allow, one line a verb.
func explainScopes(scopes []string) []string {
	things := map[string][]string{}
	var others []string
	stay := false
	for _, scope := range scopes {
		if scope == "offline_access" {
			stay = true
			continue
		}
		verb, thing, _ := strings.Cut(scope, ":")
		words, known := scopeThings[strings.TrimSuffix(thing, ":confluence")]
		i := slices.IndexFunc(scopeVerbs, func(v struct{ verb, words string }) bool { return v.verb == verb })
		switch {
		case i < 0 || !known:
			others = append(others, scope)
		case !slices.Contains(things[scopeVerbs[i].words], words):
			things[scopeVerbs[i].words] = append(things[scopeVerbs[i].words], words)
		}
	}
	var lines []string
	for _, v := range scopeVerbs {
		if list := things[v.words]; len(list) > 0 {
			lines = append(lines, v.words+" "+inSentence(list))
			delete(things, v.words)
		}
	}
	if len(others) > 0 {
		lines = append(lines, "Use "+inSentence(others))
	}
	if stay {
		lines = append(lines, "Do this while you are away, until you disconnect")
	}
	return lines
}

func inSentence(list []string) string {
	if len(list) < 2 {
		return strings.Join(list, "")
	}
	return strings.Join(list[:len(list)-1], ", ") + " and " + list[len(list)-1]
}
