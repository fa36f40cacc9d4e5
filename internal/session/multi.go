package session

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/sluice-run/sluice/internal/domain"
	"github.com/sluice-run/sluice/internal/execute"
	"github.com/sluice-run/sluice/internal/policy"
	"github.com/sluice-run/sluice/toolkit"
)

// maxParallel bounds how many tools of one multi-execute run at a time.
const maxParallel = 8

type multiInput struct {
	Tools     []multiItem `json:"tools"`
	SessionID string      `json:"session_id"`
}

type multiItem struct {
	ToolSlug  string          `json:"tool_slug"`
	Arguments json.RawMessage `json:"arguments"`
	Account   string          `json:"account"`
}

type multiOutput struct {
	Results      []multiResult `json:"results"`
	TotalCount   int           `json:"total_count"`
	SuccessCount int           `json:"success_count"`
	ErrorCount   int           `json:"error_count"`
	Session      *workflow     `json:"session,omitempty"`
}

type multiResult struct {
	ToolSlug string          `json:"tool_slug"`
	Index    int             `json:"index"` // from 0
	Response json.RawMessage `json:"response"`
	Error    *string         `json:"error"`

	successful bool
}

// multi runs several tools. Each goes through execute by itself, with a record
// of its own; a failed or refused one leaves the others alone.
func (s *Service) multi(ctx context.Context, h *Handle, c Call, in multiInput, call *toolkit.Call) (*multiOutput, error) {
	if h.Rules.Restricted() && call.CanAsk.Form {
		if err := s.permits(ctx, h, c, in, call); err != nil {
			return nil, err
		}
	}
	out := &multiOutput{Results: make([]multiResult, len(in.Tools)), TotalCount: len(in.Tools), Session: echo(in.SessionID)}
	var (
		wg   sync.WaitGroup
		next atomic.Int64
		mu   sync.Mutex // progress only grows
		done float64
	)
	links := &offers{s: s, h: h}
	for range min(maxParallel, len(in.Tools)) {
		wg.Go(func() {
			for {
				i := int(next.Add(1)) - 1
				if i >= len(in.Tools) {
					return
				}
				out.Results[i] = s.one(ctx, links, c, i, in.Tools[i])
				mu.Lock()
				done++
				call.Progress(done, float64(len(in.Tools)), in.Tools[i].ToolSlug)
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	if err := ctx.Err(); errors.Is(err, context.Canceled) {
		return nil, err // when only the time is over, what is done is worth telling
	}
	for i := range out.Results {
		if out.Results[i].successful {
			out.SuccessCount++
		}
	}
	out.ErrorCount = out.TotalCount - out.SuccessCount
	return out, nil
}

// one runs one item. Every item is tried even after the caller has gone, so
// that each leaves its record; execute refuses it then.
func (s *Service) one(ctx context.Context, links *offers, c Call, index int, item multiItem) (res multiResult) {
	res = multiResult{ToolSlug: item.ToolSlug, Index: index}
	defer func() { // execute catches what a tool does; this is a goroutine of ours
		if p := recover(); p != nil {
			res.Error, res.successful = refusalText(domain.Internal("running a tool", fmt.Errorf("panic: %v", p))), false
		}
	}()
	req := s.itemRequest(links.h, c, item)
	req.ParentID, req.ParentTool = c.logID, policy.MultiExecute
	answer, err := s.runOne(ctx, req)
	if err != nil {
		err = links.offer(ctx, err)
		res.Error = refusalText(err)
		if e := domain.AsError(err); e.RetryAfter > 0 { // what says when, says it in numbers
			refused := execute.Answer{LogID: execute.LogID(err), Data: execute.RefusalData(e), Error: *res.Error}
			res.Response = refused.Envelope()
		}
		return res
	}
	res.Response, res.successful = answer.Envelope(), answer.Successful
	if !answer.Successful {
		res.Error = &answer.Error
	}
	return res
}

func (s *Service) itemRequest(h *Handle, c Call, item multiItem) execute.Request {
	account := item.Account
	if account == "" {
		account = c.Account
	}
	req := s.request(h, Call{
		Tool: item.ToolSlug, Arguments: item.Arguments, Account: account,
		Door: execute.DoorMulti, RequestID: c.RequestID,
	})
	req.Interact.Header = c.Interact.Header
	return req
}

// permits asks the person for all items that need their word before any of them
// runs, by an error that is a *toolkit.Ask; when the answers have come it notes
// them. The items find them where any call does.
func (s *Service) permits(ctx context.Context, h *Handle, c Call, in multiInput, call *toolkit.Call) error {
	var asked []string
	if len(call.State) > 0 {
		if err := json.Unmarshal(call.State, &asked); err != nil {
			return domain.Internal("reading a question's state", err)
		}
		for _, id := range asked {
			if err := s.opts.Execute.DecideAsked(ctx, h.Principal, h.ID, id, call.Answers[id]); err != nil {
				return err
			}
		}
		return nil
	}
	questions := map[string]toolkit.Question{}
	for _, item := range in.Tools {
		q, err := s.opts.Execute.Permit(ctx, s.itemRequest(h, c, item), asked)
		if err != nil {
			return err
		}
		if q != nil {
			asked = append(asked, q.ApprovalID)
			questions[q.ApprovalID] = toolkit.Question{Message: q.Message}
		}
	}
	if len(asked) == 0 {
		return nil
	}
	state, err := json.Marshal(asked)
	if err != nil {
		return domain.Internal("keeping a question's state", err)
	}
	return &toolkit.Ask{Questions: questions, State: state}
}

func (s *Service) runOne(ctx context.Context, req execute.Request) (*execute.Answer, error) {
	if slug := strings.ToUpper(req.Tool); s.metas.bySlug[slug] != nil || notOffered[slug] != "" {
		err := domain.Invalid("tool_slug", "%s is a meta tool: it cannot run inside a multi-execute", slug).
			WithFix("Call it by itself.")
		return nil, s.opts.Execute.Refuse(ctx, req, err)
	}
	return s.opts.Execute.Run(ctx, req)
}

// refusalText is a refusal as a model reads it.
func refusalText(err error) *string {
	e := domain.AsError(err)
	text := e.Message
	if e.Fix != "" {
		text = strings.TrimRight(text, ". ") + ". " + e.Fix
	}
	if id := execute.LogID(err); id != "" && e.Code == domain.CodeInternal {
		text = fmt.Sprintf("%s (%s)", text, id)
	}
	return &text
}
