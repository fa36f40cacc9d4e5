package agent

import (
	"fmt"
	"slices"
)

// interruptedText is the content of a result that had to be made up.
const interruptedText = "The run ended before this call was answered; it may or may not have taken effect."

// Repair returns the history in a form that every model provider accepts: each
// tool call is answered exactly once, in the message right after it and in
// order; calls without an answer are answered as interrupted; answers without
// a call, empty messages and unknown roles are dropped; neighbours of one role
// are merged. It is deterministic and idempotent, and does not change its
// argument.
func Repair(h History) History {
	var out History
	for i := 0; i < len(h); i++ {
		m := Message{Role: h[i].Role, Parts: keepParts(h[i])}
		if len(m.Parts) == 0 {
			continue
		}
		out = merge(out, m)
		calls := m.Calls()
		if len(calls) == 0 {
			continue
		}
		// All tool messages up to the next speaker may hold the answers.
		var answers []Part
		for i+1 < len(h) && (h[i+1].Role == RoleTool || len(keepParts(h[i+1])) == 0) {
			i++
			answers = append(answers, h[i].Parts...)
		}
		out = append(out, Message{Role: RoleTool, Parts: pairResults(calls, answers)})
	}
	return out.Clone()
}

// Validate reports the first thing in the history that a provider could
// refuse. A repaired history is always valid.
func Validate(h History) error {
	var open []Part
	for i, m := range h {
		switch {
		case len(keepParts(m)) != len(m.Parts) && m.Role != RoleTool:
			return fmt.Errorf("message %d: a part that does not belong to role %q", i, m.Role)
		case len(m.Parts) == 0:
			return fmt.Errorf("message %d is empty", i)
		case i > 0 && h[i-1].Role == m.Role:
			return fmt.Errorf("message %d has the role of the one before it, %q", i, m.Role)
		case len(open) > 0 && m.Role != RoleTool:
			return fmt.Errorf("message %d: call %q is not answered", i, open[0].CallID)
		case m.Role == RoleTool && !answersAll(open, m.Parts):
			return fmt.Errorf("message %d does not answer exactly the calls before it", i)
		}
		open = nil
		if m.Role == RoleAssistant {
			open = m.Calls()
		}
	}
	if len(open) > 0 {
		return fmt.Errorf("call %q is not answered", open[0].CallID)
	}
	return nil
}

func answersAll(calls, results []Part) bool {
	return len(calls) > 0 && slices.EqualFunc(calls, results, func(c, r Part) bool {
		return r.Kind == KindToolResult && c.CallID == r.CallID && c.Tool == r.Tool && r.Outcome != ""
	})
}

// keepParts returns the parts that make sense in a message of this role. Tool
// messages have none of their own: they are rebuilt from the calls.
func keepParts(m Message) []Part {
	seen := map[string]bool{}
	var kept []Part
	for _, p := range m.Parts {
		ok := false
		switch m.Role {
		case RoleUser:
			ok = (p.Kind == KindText || p.Kind == KindRetry) && p.Text != ""
		case RoleAssistant:
			switch p.Kind {
			case KindText:
				ok = p.Text != ""
			case KindThinking:
				ok = p.Text != "" || len(p.Meta) > 0
			case KindToolCall:
				ok = p.CallID != "" && p.Tool != "" && !seen[p.CallID]
				seen[p.CallID] = true
			}
		}
		if ok {
			kept = append(kept, p)
		}
	}
	return kept
}

// merge appends m, or joins it to the last message when that has its role and
// no calls wait for answers in between (there never are: answers follow at
// once).
func merge(out History, m Message) History {
	if n := len(out); n > 0 && out[n-1].Role == m.Role {
		out[n-1].Parts = append(out[n-1].Parts, m.Parts...)
		return out
	}
	return append(out, m)
}

func pairResults(calls, answers []Part) []Part {
	results := make([]Part, 0, len(calls))
	for _, c := range calls {
		r := Part{Kind: KindToolResult, CallID: c.CallID, Tool: c.Tool, Outcome: OutcomeInterrupted, Text: interruptedText}
		for _, a := range answers {
			if a.Kind == KindToolResult && a.CallID == c.CallID {
				r.Text, r.Outcome, r.Meta = a.Text, a.Outcome, a.Meta
				if r.Outcome == "" {
					r.Outcome = OutcomeOK
				}
				break
			}
		}
		results = append(results, r)
	}
	return results
}
