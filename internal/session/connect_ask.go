package session

import (
	"context"
	"encoding/json"
	"maps"
	"slices"

	"github.com/sluice-run/sluice/internal/domain"
	"github.com/sluice-run/sluice/toolkit"
)

const (
	// maxAsked bounds the addresses that one call puts to the person; the rest
	// are in the answer as ever.
	maxAsked = 5
	// maxAskState leaves room within what may travel with a question.
	maxAskState = 12 << 10
)

// manageAsking is manage for a client that can show its person an address: the
// links go to the person as well as into the answer, and what the person said of
// each is told with it. The answer so far travels with the question, so that the
// links stay the same.
func (s *Service) manageAsking(ctx context.Context, h *Handle, in manageInput, call *toolkit.Call) (*manageOutput, error) {
	if len(call.State) == 0 {
		out, err := s.manage(ctx, h, in)
		if err != nil || !call.CanAsk.URL {
			return out, err
		}
		if ask := questionsOf(out); ask != nil {
			return nil, ask
		}
		return out, nil
	}
	var out manageOutput
	if err := json.Unmarshal(call.State, &out); err != nil {
		return nil, domain.Internal("reading a question's state", err)
	}
	for _, slug := range slices.Sorted(maps.Keys(out.Results)) {
		answer, asked := call.Answers[slug]
		if !asked {
			continue
		}
		st, why, err := s.stateOf(ctx, h, slug)
		if err != nil {
			return nil, err
		}
		out.Results[slug] = answered(out.Results[slug], &st, why, answer)
	}
	out.sum()
	return &out, nil
}

// questionsOf puts the links of an answer to the person; nil when there are none,
// or more than can travel.
func questionsOf(out *manageOutput) error {
	questions := map[string]toolkit.Question{}
	for _, slug := range slices.Sorted(maps.Keys(out.Results)) {
		r := out.Results[slug]
		if r.RedirectURL == "" || len(questions) == maxAsked {
			continue
		}
		questions[slug] = toolkit.Question{Message: "Connect your " + r.name + " account on this page.", URL: r.RedirectURL}
	}
	if len(questions) == 0 {
		return nil
	}
	state, err := json.Marshal(out)
	if err != nil {
		return domain.Internal("keeping a question's state", err)
	}
	if len(state) > maxAskState {
		return nil
	}
	return &toolkit.Ask{Questions: questions, State: state}
}

// answered is a toolkit's result after its person has seen the link. To accept
// is to open the page, not to have connected: that is looked up.
func answered(r manageResult, st *ToolkitState, why string, answer toolkit.Answer) manageResult {
	switch {
	case why != "":
		r.Status, r.ErrorMessage, r.RedirectURL, r.Instruction = "failed", why, "", ""
	case st.Connected() && st.Account.ID == r.AccountID:
		r.Status, r.HasActive, r.RedirectURL = "active", true, ""
		r.UserInfo, r.AccountType = st.Account.Identity, "PRIVATE"
		r.Instruction = "Connected: use the toolkit's tools."
	case answer.Action == "accept":
		r.Instruction = "The user was shown the link and is connecting: wait for it with COMPOSIO_WAIT_FOR_CONNECTIONS where it is offered, else ask. " + r.Instruction
	default:
		r.Instruction = "The user was shown the link and did not open it: ask before going on. " + r.Instruction
	}
	return r
}
