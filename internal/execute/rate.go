package execute

import (
	"encoding/json"

	"github.com/sluice-run/sluice/internal/domain"
	"github.com/sluice-run/sluice/internal/policy"
)

// rated counts the call against the rates of its user and of its toolkit, once. It
// comes after the rules, so that a refusal tells nothing of hidden tools, and before
// all that costs: a model, a slot, a credential. The user is the session's or the
// request's, else the account's.
//
// The user comes first: who is over theirs takes nothing from the others of the
// project. What the toolkit refuses is given back to the user. A call that goes on
// with a person's answer was counted when it asked: its state is good, and good once.
func (r *run) rated() error {
	if r.counted || r.dry || !r.spentEnd.IsZero() {
		return nil
	}
	r.counted = true
	project, user := r.req.Principal.ProjectID, r.req.UserID
	if user == "" {
		user = r.record.UserID
	}
	o := &r.s.opts
	if v := o.RateUser.Take(project, user); v.Refused {
		return v.Err("this user", "tool calls")
	}
	if v := o.RateToolkit.Take(project, r.record.Toolkit); v.Refused {
		o.RateUser.Return(project, user)
		return v.Err("toolkit "+r.record.Toolkit+" in this project", "tool calls")
	}
	return nil
}

// ratedEarly is rated where the user is known before the account is, and no state
// is to be opened first.
func (r *run) ratedEarly() error {
	if r.req.UserID == "" || r.req.Interact.State != "" {
		return nil
	}
	return r.rated()
}

// RefusalData is the data of an answer that tells of a refused call: when to come
// again and what kind of refusal it was, where the error says when, else {}.
func RefusalData(e *domain.Error) json.RawMessage {
	if e.RetryAfter <= 0 {
		return json.RawMessage("{}")
	}
	data, err := json.Marshal(failureData{
		Message: e.Message, Field: e.Field, Fix: e.Fix, Kind: string(kindOf(e.Code)), RetryAfter: policy.Seconds(e.RetryAfter),
	})
	if err != nil { // strings and numbers always marshal
		return json.RawMessage("{}")
	}
	return data
}
