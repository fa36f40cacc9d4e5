package execute

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"sync"

	"github.com/sluice-run/sluice/internal/domain"
	"github.com/sluice-run/sluice/internal/httpx"
)

var (
	errNoSealer   = errors.New("execute: a tool asked a question, but Options.Sealer is nil")
	errLargeState = errors.New("execute: the tool's state is too large")
)

// finish writes the record and gives the call's outcome its log id.
func (r *run) finish(ctx context.Context, answer *Answer, err error) (*Answer, error) {
	rec := &r.record
	rec.Duration = r.s.opts.Now().UTC().Sub(rec.StartedAt)
	rec.UpstreamCalls = int(r.calls.Load())
	if err != nil {
		err = r.refused(ctx, err)
	}
	rec.Error = clip(rec.Error, 1000)
	r.upstream.note(rec)
	r.write(ctx)
	r.observe()
	if err != nil {
		return nil, &refusal{err: err, logID: rec.ID}
	}
	answer.LogID = rec.ID
	return answer, nil
}

// observe tells metrics of the call. What a caller made up is no name for one:
// there would be no end of them.
func (r *run) observe() {
	if r.s.opts.Observe == nil {
		return
	}
	tool := r.record.Tool
	if r.record.Toolkit == "" {
		tool = ""
	}
	r.s.opts.Observe(r.record.Toolkit, tool, r.record.Outcome, r.record.Duration)
}

// refused notes a call that did not get its answer. Causes that are not for the
// caller are logged here.
func (r *run) refused(ctx context.Context, err error) error {
	if ctx.Err() != nil && domain.CodeOf(err) == domain.CodeInternal {
		err = canceled(ctx) // the caller's going made a dependency fail
	}
	e := domain.AsError(err)
	r.record.Outcome, r.record.ErrorCode, r.record.Error = domain.OutcomeRefused, e.Code, e.Message
	switch {
	case e.Code == domain.CodeCanceled, r.started && ctx.Err() != nil:
		r.record.Outcome = domain.OutcomeCanceled
	case r.started:
		r.record.Outcome = domain.OutcomeFailed
	}
	if e.Code == domain.CodeInternal {
		r.s.opts.Logger.ErrorContext(ctx, "a call failed", "log_id", r.record.ID, "tool", r.record.Tool, "message", e.Message, "error", shown(errors.Unwrap(e)))
	}
	return e
}

// write stores the record, whether or not the caller still waits.
func (r *run) write(ctx context.Context) {
	wctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), recordTimeout)
	defer cancel()
	r.keepArgs(wctx)
	if err := r.s.opts.Store.RecordExecution(wctx, r.record); err != nil {
		r.s.opts.Logger.ErrorContext(ctx, "the record of a call was lost",
			"log_id", r.record.ID, "project", r.record.ProjectID, "tool", r.record.Tool, "outcome", r.record.Outcome, "error", err)
	}
}

// shown is an error as a log may have it: without the secrets that a URL can
// hold, and with the stack of a panic.
func shown(err error) any {
	if err == nil {
		return nil
	}
	var p *panicked
	if errors.As(err, &p) {
		return slog.GroupValue(slog.String("message", p.Error()), slog.String("stack", string(p.stack)))
	}
	return httpx.RedactError(err)
}

var emptyDigest = sha256.Sum256([]byte("{}"))

// decode reads arguments and gives their digest: the SHA-256 of the arguments
// with sorted keys and without spaces, so that the same arguments have the same
// digest however they are spelled. What is no JSON is taken as it is, and gives
// no value.
func decode(args json.RawMessage) (any, [32]byte) {
	args = bytes.TrimSpace(args)
	if len(args) == 0 || string(args) == "{}" || string(args) == "null" {
		return nil, emptyDigest
	}
	dec := json.NewDecoder(bytes.NewReader(args))
	dec.UseNumber() // large numbers stay as they are
	var v any
	if err := dec.Decode(&v); err != nil {
		return nil, sha256.Sum256(args)
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return nil, sha256.Sum256(args)
	}
	canonical, err := json.Marshal(v)
	if err != nil {
		return nil, sha256.Sum256(args)
	}
	return v, sha256.Sum256(canonical)
}

// digest is the digest of arguments.
func digest(args json.RawMessage) [32]byte {
	_, sum := decode(args)
	return sum
}

// keepArgs seals what is kept of the arguments.
func (r *run) keepArgs(ctx context.Context) {
	s := r.s
	if r.args == nil || s.opts.Sealer == nil || s.opts.Keep == KeepNone {
		return
	}
	kept := redact(s.opts.Keep, r.args, s.shapes.get(r.tool))
	if kept == nil {
		return
	}
	sealed, err := s.opts.Sealer.SealState(ctx, argsAAD(&r.record), kept)
	if err != nil {
		s.opts.Logger.ErrorContext(ctx, "the arguments of a call were not kept", "log_id", r.record.ID, "error", err)
		return
	}
	r.record.SealedArgs = sealed
}

// argsAAD binds what is kept of arguments to their record.
func argsAAD(e *domain.Execution) string { return "arguments/" + e.ProjectID + "/" + e.ID }

// upstream notes how the application's side answered: the last answer counts.
type upstream struct {
	next http.RoundTripper
	mu   sync.Mutex
	id   string
	code int
}

// upstreamIDs are the headers by which applications name a request in their log,
// the more telling ones first.
var upstreamIDs = []string{"Atl-Traceid", "X-Request-Id", "Request-Id", "X-Arequestid", "X-Trace-Id", "X-Correlation-Id", "X-Amzn-Requestid", "Cf-Ray"}

// RoundTrip implements http.RoundTripper.
func (u *upstream) RoundTrip(req *http.Request) (*http.Response, error) {
	res, err := u.next.RoundTrip(req)
	if err != nil {
		return res, err
	}
	id := ""
	for _, name := range upstreamIDs {
		if id = printable(res.Header.Get(name)); id != "" {
			break
		}
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	u.id, u.code = id, res.StatusCode
	return res, nil
}

func (u *upstream) note(e *domain.Execution) {
	u.mu.Lock()
	defer u.mu.Unlock()
	e.UpstreamID, e.UpstreamStatus = u.id, u.code
}

// clip bounds a text in bytes and keeps it valid UTF-8.
func clip(s string, n int) string {
	if len(s) <= n {
		return s
	}
	return strings.ToValidUTF8(s[:n], "")
}
