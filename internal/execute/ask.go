package execute

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"maps"
	"strconv"
	"strings"
	"time"

	"github.com/sluice-run/sluice/internal/domain"
	"github.com/sluice-run/sluice/toolkit"
)

const (
	// stateTTL is how long a person may take to answer.
	stateTTL = 10 * time.Minute
	// maxState bounds a tool's own state, and all that travels, in bytes.
	maxState  = 16 << 10
	maxSealed = 64 << 10
)

// sealedState is what travels through the client while a person answers.
type sealedState struct {
	Tool json.RawMessage `json:"t,omitempty"`
	// Answers are those of earlier rounds: a client sends only the last ones.
	Answers map[string]toolkit.Answer `json:"a,omitempty"`
	Expires int64                     `json:"e"` // Unix seconds
	// Asking is the approval that a question is about, Approved what a person has
	// allowed in this call: see permission.key.
	Asking   string `json:"q,omitempty"`
	Approved string `json:"y,omitempty"`
}

// ask makes the answer of a tool that puts a question to the person. A caller
// that cannot show it gets a failed call that says what is asked.
func (r *run) ask(ctx context.Context, ask *toolkit.Ask) (*Answer, error) {
	if url, ok := r.showable(ask); !ok {
		a := r.failed(ask.Error(), domain.CodeUnsupported, failureData{Message: ask.Error(), URL: url})
		if url != "" { // it may be good for who has it, and records are kept
			r.record.Error = strings.ReplaceAll(r.record.Error, url, "[address]")
		}
		return a, nil
	}
	if r.s.opts.Sealer == nil {
		return nil, domain.Internal("keeping a question's state", errNoSealer)
	}
	if len(ask.State) > maxState {
		return nil, domain.Internal("keeping a question's state", errLargeState)
	}
	plain, err := json.Marshal(sealedState{
		Tool: ask.State, Answers: r.req.Interact.Answers, Expires: r.s.opts.Now().Add(stateTTL).Unix(),
		Asking: r.asking, Approved: r.approved,
	})
	if err != nil {
		return nil, domain.Internal("keeping a question's state", err)
	}
	if len(plain) > maxSealed {
		return nil, domain.Errorf(domain.CodeTooLarge, "the answers to this tool's questions are larger than %d KiB together", maxSealed>>10)
	}
	state, err := r.s.opts.Sealer.SealState(ctx, r.stateAAD(), plain)
	if err != nil {
		return nil, domain.Internal("keeping a question's state", err)
	}
	r.record.Outcome = domain.OutcomeAsked
	return &Answer{AccountID: r.record.AccountID, Data: json.RawMessage("{}"), Ask: ask, State: state}, nil
}

// showable says whether the caller can show every question; url is an address
// that a person could open otherwise.
func (r *run) showable(ask *toolkit.Ask) (url string, ok bool) {
	ok = len(ask.Questions) > 0
	for _, q := range ask.Questions {
		if q.URL != "" {
			url = q.URL
			ok = ok && r.req.Interact.CanAsk.URL
		} else {
			ok = ok && r.req.Interact.CanAsk.Form
		}
	}
	return url, ok
}

// openState gives the tool's own state back and adds the answers of earlier
// rounds to those that came. Answers count only together with the state of their
// question: it binds them to the call that asked.
func (r *run) openState(ctx context.Context) (json.RawMessage, error) {
	in := &r.req.Interact
	if in.State == "" {
		if len(in.Answers) > 0 {
			return nil, badState("The answers came without the state of their question.")
		}
		return nil, nil
	}
	if r.s.opts.Sealer == nil {
		return nil, domain.Internal("opening a question's state", errNoSealer)
	}
	plain, err := r.s.opts.Sealer.OpenState(ctx, r.stateAAD(), in.State)
	if err != nil {
		return nil, badState("The state does not belong to this call: same user, session, tool and arguments are needed.").WithCause(err)
	}
	var st sealedState
	if err := json.Unmarshal(plain, &st); err != nil {
		return nil, badState("The state is damaged.").WithCause(err)
	}
	if r.s.opts.Now().Unix() >= st.Expires {
		return nil, badState("The question has expired: it was open for 10 minutes.")
	}
	r.spent, r.spentEnd = sha256.Sum256([]byte(in.State)), time.Unix(st.Expires, 0)
	r.asking, r.approved = st.Asking, st.Approved
	answers := maps.Clone(st.Answers)
	if answers == nil {
		answers = map[string]toolkit.Answer{}
	}
	maps.Copy(answers, in.Answers)
	in.Answers = answers
	return st.Tool, nil
}

// spend takes the state that came with the call, if any, for good: a state comes
// back once. It is noted before anything is done, and for all replicas.
func (r *run) spend(ctx context.Context) error {
	if r.spentEnd.IsZero() {
		return nil
	}
	first, err := r.s.opts.Store.SpendState(ctx, r.req.Principal.ProjectID, r.spent, r.spentEnd)
	if err != nil {
		return err
	}
	if !first {
		return badState("The state was used already: each answer counts once.")
	}
	return nil
}

func badState(message string) *domain.Error {
	return domain.Invalid("state", "%s", message).WithFix("Call the tool again from the start.")
}

// stateAAD says what a state belongs to. Each part follows its own length, so
// that no two are spelled alike.
func (r *run) stateAAD() string {
	session := ""
	if r.req.Session != nil {
		session = r.req.Session.ID
	}
	aad := "v1"
	for _, part := range []string{
		r.req.Principal.ProjectID, session, r.req.UserID, r.record.Tool, r.req.Account,
		hex.EncodeToString(r.record.ArgsDigest[:]),
	} {
		aad += "/" + strconv.Itoa(len(part)) + ":" + part
	}
	return aad
}
