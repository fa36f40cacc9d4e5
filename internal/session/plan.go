package session

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/sluice-run/sluice/internal/catalog"
	"github.com/sluice-run/sluice/internal/policy"
)

// plan fills in what is worth knowing before the call: steps, pitfalls, a
// sentence and a level. It says only what schemas, rules and accounts show.
func (s *Service) plan(ctx context.Context, h *Handle, r *FoundResult, states []ToolkitState) {
	if len(r.Primary) == 0 {
		return
	}
	best := r.Primary[0]
	connected := true
	for i := range states {
		if states[i].Toolkit.Slug == best.Toolkit.Slug && !states[i].Connected() {
			connected = false
			r.Steps = append(r.Steps, "Connect "+best.Toolkit.Slug+": "+connectAdvice(h, best.Toolkit.Slug))
		}
	}
	missing := 0
	var need []string
	for _, arg := range required(best) {
		if !isID(arg) || knows(r.Query, arg) {
			need = append(need, arg)
			continue
		}
		missing++
		if finder := s.finder(ctx, h, best, arg); finder != nil {
			r.Steps = append(r.Steps, fmt.Sprintf("If you do not know %s yet, find it with %s; never guess an id.", arg, finder.Slug))
			r.relate(finder)
		} else {
			r.Steps = append(r.Steps, fmt.Sprintf("Get %s from the user or from an earlier result; never guess an id.", arg))
		}
		need = append(need, arg)
	}
	r.Steps = append(r.Steps, callStep(best, need))
	if best.Hints.Destructive {
		r.Steps = append(r.Steps, "This changes or removes what is there: make sure that it is the right one.")
	}
	for _, t := range append(slices.Clone(r.Primary), r.Related...) {
		for _, p := range t.Pitfalls {
			r.Pitfalls = append(r.Pitfalls, t.Slug+": "+p)
		}
	}
	r.Pitfalls = unique(r.Pitfalls)
	r.Pitfalls = r.Pitfalls[:min(len(r.Pitfalls), maxPitfalls)]
	r.Guidance = guidance(r, best)
	switch {
	case missing == 0 && connected && len(r.Primary) == 1:
		r.Level = "easy"
	case missing <= 1:
		r.Level = "medium"
	default:
		r.Level = "hard"
	}
}

// relate makes sure that a tool which the plan names is among the results, and
// so its schema is.
func (r *FoundResult) relate(t *catalog.Tool) {
	if slices.Contains(r.Primary, t) || slices.Contains(r.Related, t) {
		return
	}
	if len(r.Related) == maxRelated {
		r.Related = r.Related[:maxRelated-1]
	}
	r.Related = append(r.Related, t)
}

func callStep(t *catalog.Tool, need []string) string {
	if len(need) == 0 {
		return "Call " + t.Slug + "."
	}
	return "Call " + t.Slug + " with " + strings.Join(need, ", ") + "."
}

func guidance(r *FoundResult, best *catalog.Tool) string {
	if len(r.Primary) == 1 {
		return best.Slug + " fits best."
	}
	return best.Slug + " fits best; nearly as well: " + strings.Join(slugsOf(r.Primary[1:]), ", ") + ". Choose by their descriptions."
}

// isID says whether an argument names a thing that must be looked up.
func isID(arg string) bool {
	lower := strings.ToLower(arg)
	return lower == "id" || strings.HasSuffix(lower, "_id") || strings.HasSuffix(arg, "Id") || strings.HasSuffix(lower, "_ids")
}

// knows says whether the query gives the argument's value.
func knows(q Query, arg string) bool {
	for _, pair := range strings.FieldsFunc(q.KnownFields, func(r rune) bool { return r == ',' || r == ';' || r == '\n' }) {
		name, value, ok := strings.Cut(pair, ":")
		if ok && strings.TrimSpace(value) != "" && fold(name) == fold(arg) {
			return true
		}
	}
	return false
}

func fold(s string) string {
	return strings.ToLower(strings.Map(func(r rune) rune {
		if r == '_' || r == '-' || r == ' ' {
			return -1
		}
		return r
	}, s))
}

// finder gives the allowed tool of the same toolkit that is likeliest to find
// the thing which arg names: it reads, needs no id itself, and lists such things or
// searches.
func (s *Service) finder(ctx context.Context, h *Handle, of *catalog.Tool, arg string) *catalog.Tool {
	noun := strings.ToUpper(strings.TrimSuffix(strings.TrimSuffix(strings.TrimSuffix(strings.ToLower(arg), "s"), "id"), "_"))
	var best *catalog.Tool
	most := 0
	for _, t := range s.opts.Catalog.Tools(ctx, h.ProjectID) {
		if t.Toolkit != of.Toolkit || t.Slug == of.Slug || !t.Hints.ReadOnly {
			continue
		}
		score := 0
		words := strings.Split(t.Slug, "_")
		if slices.Contains(words, "SEARCH") || slices.Contains(words, "FIND") {
			score += 3
		}
		if noun != "" && slices.Contains(words, noun+"S") { // a list of such things
			score += 5
		}
		if score == 0 {
			continue
		}
		if slices.Contains(words, "LIST") || t.Important {
			score++
		}
		// What costs most is asked last.
		if score > most && !slices.ContainsFunc(required(t), isID) && h.allows(t) {
			best, most = t, score
		}
	}
	return best
}

// connectAdvice says how the user gets connected, with what the session has.
func connectAdvice(h *Handle, toolkitSlug string) string {
	if h.Rules.Meta(policy.ManageConnections) == nil {
		return fmt.Sprintf("call %s with toolkits [%q] and give the user its link.", policy.ManageConnections, toolkitSlug)
	}
	return "the application has to make a connect link for the user."
}

// nextSteps says what to do with the answer of a search.
func (s *Service) nextSteps(h *Handle, found *Found) []string {
	steps := []string{}
	if err := found.failures(); err != nil {
		steps = append(steps, err.Error())
	}
	if len(found.Tools) == 0 {
		return steps
	}
	for i := range found.Toolkits {
		if st := &found.Toolkits[i]; !st.Connected() {
			steps = append(steps, "Before using "+st.Toolkit.Slug+": "+connectAdvice(h, st.Toolkit.Slug))
		}
	}
	if h.Rules.Meta(policy.MultiExecute) == nil {
		steps = append(steps, "Run the tools with "+policy.MultiExecute+", with arguments that fit tool_schemas.")
	} else {
		steps = append(steps, "Call the tools by their slugs, with arguments that fit tool_schemas.")
	}
	return append(steps, "Use only tools named here, and only values that you were given or have read.")
}
