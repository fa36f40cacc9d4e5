package execute_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sluice-run/sluice/internal/connect/connecttest"
	"github.com/sluice-run/sluice/internal/domain"
	"github.com/sluice-run/sluice/internal/execute"
	"github.com/sluice-run/sluice/internal/policy"
	"github.com/sluice-run/sluice/toolkit"
)

type fixture struct {
	*connecttest.World
	*execute.Service
	logs *lockedBuffer
}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func setup(t testing.TB, edit func(*execute.Options)) *fixture {
	w := connecttest.New(t)
	f := &fixture{World: w, logs: &lockedBuffer{}}
	opts := execute.Options{
		Catalog: w.Catalog, Connect: w.Connect, Store: w.DB, Sealer: execute.NewSealer(w.Vault), Now: w.Clock.Now,
		Logger: slog.New(slog.NewTextHandler(f.logs, nil)),
	}
	if edit != nil {
		edit(&opts)
	}
	f.Service = execute.New(opts)
	return f
}

func request(tool, args string) execute.Request {
	return execute.Request{
		Principal: connecttest.Principal, UserID: "ann", Tool: tool, Arguments: json.RawMessage(args),
		Door: execute.DoorREST, RequestID: "req_1",
	}
}

// last gives the newest record and checks that it is id's.
func (f *fixture) last(t *testing.T, id string) domain.Execution {
	t.Helper()
	rec, err := f.DB.Execution(context.WithoutCancel(t.Context()), connecttest.Project, id)
	if err != nil {
		t.Fatalf("record %q: %v", id, err)
	}
	return rec
}

func TestRun(t *testing.T) {
	t.Parallel()
	f := setup(t, nil)
	a := f.Account(t, connecttest.Project, "ann", "ann@x.test", "")
	answer, err := f.Run(t.Context(), request("notes_whoami", `{}`))
	if err != nil {
		t.Fatal(err)
	}
	if got := string(answer.Envelope()); got != `{"data":{"email":"ann@x.test"},"error":null,"log_id":"`+answer.LogID+`","connected_account_id":"`+a.ID+`","successful":true}` {
		t.Errorf("envelope %s", got)
	}
	rec := f.last(t, answer.LogID)
	want := domain.Execution{
		ID: answer.LogID, ProjectID: connecttest.Project, KeyID: "key_main", UserID: "ann", Toolkit: "notes", Tool: "NOTES_WHOAMI",
		Version: "20261122_00", AccountID: a.ID, Door: "rest", RequestID: "req_1", Outcome: domain.OutcomeOK,
		AuthConfigID: a.AuthConfigID, UpstreamStatus: 200,
		ArgsSize: 2, ResultSize: len(answer.Data), UpstreamCalls: 1, StartedAt: rec.StartedAt, ArgsDigest: rec.ArgsDigest,
	}
	if diff := cmp.Diff(want, rec); diff != "" {
		t.Error(diff)
	}
	if answer, err := f.Run(t.Context(), request("ABACUS_ADD", `{"a":1,"b":2}`)); err != nil || string(answer.Data) != `{"total":3}` || answer.AccountID != "" {
		t.Errorf("without auth: %+v, %v", answer, err)
	}
}

// Every way to be refused gives an error with its code and leaves its record.
func TestRefused(t *testing.T) {
	t.Parallel()
	f := setup(t, nil)
	f.Account(t, connecttest.Project, "ann", "ann@x.test", "")
	readOnly := policy.Compile(domain.SessionConfig{Tags: &domain.TagRule{Enable: []string{"readOnlyHint"}}})
	with := func(r execute.Request, edit func(*execute.Request)) execute.Request { edit(&r); return r }
	tests := []struct {
		name  string
		req   execute.Request
		code  domain.Code
		field string
		says  string
	}{
		{"unknown tool", request("NOTES_WHOAMY", ""), domain.CodeNotFound, "", "NOTES_WHOAMY"},
		{"unknown version", with(request("NOTES_WHOAMI", ""), func(r *execute.Request) { r.Version = "20200101_00" }), domain.CodeNotFound, "", "version"},
		{"rules", with(request("NOTES_CREATE_NOTE", `{"text":"x"}`), func(r *execute.Request) { r.Rules = readOnly }), domain.CodeForbidden, "", "NOTES_CREATE_NOTE"},
		{"missing argument", request("NOTES_CREATE_NOTE", `{}`), domain.CodeInvalid, "text", "text"},
		{"mistyped argument", request("NOTES_EXPORT", `{"size":"big"}`), domain.CodeInvalid, "size", "size"},
		{"unknown argument", request("NOTES_CREATE_NOTE", `{"text":"x","colour":1}`), domain.CodeInvalid, "colour", "colour"},
		{"broken JSON", request("NOTES_CREATE_NOTE", `{"text":`), domain.CodeInvalid, "", "JSON"},
		{"no account", with(request("NOTES_WHOAMI", ""), func(r *execute.Request) { r.UserID = "bob" }), domain.CodeNoConnection, "", "No active connected account found for toolkit: notes"},
		{"no user", with(request("NOTES_WHOAMI", ""), func(r *execute.Request) { r.UserID = "" }), domain.CodeInvalid, "user_id", "user_id"},
		{"meta tool", request("COMPOSIO_SEARCH_TOOLS", `{"queries":[]}`), domain.CodeNotFound, "", ""},
		{"answers without state", with(request("NOTES_WHOAMI", ""), func(r *execute.Request) {
			r.Interact.Answers = map[string]toolkit.Answer{"sure": {Action: "accept"}}
		}), domain.CodeInvalid, "state", "state"},
		{"session of another project", with(request("ABACUS_ADD", `{"a":1,"b":1}`), func(r *execute.Request) {
			r.Session = &domain.Session{ID: "trs_1", ProjectID: connecttest.Other, UserID: "ann"}
		}), domain.CodeNotFound, "", "session"},
		{"session without rules is not free", with(request("NOTES_CREATE_NOTE", `{"text":"x"}`), func(r *execute.Request) {
			r.Session = &domain.Session{
				ID: "trs_1", ProjectID: connecttest.Project, UserID: "ann",
				Config: domain.SessionConfig{Toolkits: &domain.Selection{Disable: []string{"notes"}}},
			}
		}), domain.CodeForbidden, "", ""},
	}
	seen := len(f.Upstream.Seen())
	for _, tt := range tests {
		answer, err := f.Run(t.Context(), tt.req)
		e := domain.AsError(err)
		if answer != nil || e == nil || e.Code != tt.code || e.Field != tt.field || !strings.Contains(e.Message, tt.says) {
			t.Errorf("%s: answer %v, error %v (%+v)", tt.name, answer, err, e)
			continue
		}
		id := execute.LogID(err)
		rec := f.last(t, id)
		if rec.Outcome != domain.OutcomeRefused || rec.ErrorCode != tt.code || rec.Error != e.Message || rec.ArgsSize != len(tt.req.Arguments) {
			t.Errorf("%s: record %+v", tt.name, rec)
		}
	}
	if n := len(f.Upstream.Seen()) - seen; n != 0 {
		t.Errorf("%d refused calls reached upstream", n)
	}
}

// Who calls decides whose token goes upstream, over users and projects.
func TestIsolation(t *testing.T) {
	t.Parallel()
	f := setup(t, nil)
	ids := map[string]string{}
	for _, project := range []string{connecttest.Project, connecttest.Other} {
		for _, user := range []string{"ann", "bob"} {
			who := user + "@" + project + ".test"
			ids[who] = f.Account(t, project, user, who, "").ID
		}
	}
	for _, project := range []string{connecttest.Project, connecttest.Other} {
		for _, user := range []string{"ann", "bob"} {
			own := user + "@" + project + ".test"
			req := request("NOTES_WHOAMI", "")
			req.Principal.ProjectID, req.UserID = project, user
			answer, err := f.Run(t.Context(), req)
			if err != nil || !strings.Contains(string(answer.Data), own) {
				t.Errorf("%s ran as %v (%v)", own, answer, err)
			}
			for who, id := range ids {
				req.Account = id
				answer, err := f.Run(t.Context(), req)
				switch {
				case who == own && err != nil:
					t.Errorf("%s with its own account: %v", own, err)
				case who != own && (err == nil || domain.CodeOf(err) != domain.CodeNotFound):
					t.Errorf("%s with %s's account: %v, %v", own, who, answer, err)
				}
			}
		}
	}
}

func TestFailures(t *testing.T) {
	t.Parallel()
	f := setup(t, func(o *execute.Options) { o.MaxResult = 1000 })
	a := f.Account(t, connecttest.Project, "ann", "ann@x.test", "")
	tests := []struct {
		name, tool, args string
		code             domain.Code
		says             []string
		data             string
	}{
		{
			"toolkit error", "NOTES_DELETE_NOTE", `{"note_id":"7"}`, domain.CodeNotFound,
			[]string{"404 page not found", "Try another."},
			`{"status_code":404,"message":"404 page not found","fix":"Try another.","kind":"not_found"}`,
		},
		{"panic", "NOTES_PANIC", `{}`, domain.CodeInternal, []string{"unexpected", "log_"}, ""},
		{"unexplained", "NOTES_BREAK", `{}`, domain.CodeInternal, []string{"unexpected", "log_"}, ""},
		{"too large", "NOTES_EXPORT", `{"size":2000}`, domain.CodeTooLarge, []string{"2011 bytes; at most 1000", "smaller or narrower limit"}, ""},
	}
	for _, tt := range tests {
		answer, err := f.Run(t.Context(), request(tt.tool, tt.args))
		if err != nil {
			t.Errorf("%s: %v", tt.name, err)
			continue
		}
		if answer.Successful || answer.Error == "" || answer.AccountID != a.ID {
			t.Errorf("%s: %+v", tt.name, answer)
		}
		all := string(answer.Envelope())
		for _, s := range tt.says {
			if !strings.Contains(all, s) {
				t.Errorf("%s: %s does not say %q", tt.name, all, s)
			}
		}
		if strings.Contains(all, "secret inside") || strings.Contains(all, "10.0.0.1") || strings.Contains(all, "goroutine") {
			t.Errorf("%s: the answer tells the cause: %s", tt.name, all)
		}
		if !json.Valid(answer.Envelope()) {
			t.Errorf("%s: not JSON: %s", tt.name, all)
		}
		if tt.data != "" && string(answer.Data) != tt.data {
			t.Errorf("%s: data %s", tt.name, answer.Data)
		}
		if rec := f.last(t, answer.LogID); rec.Outcome != domain.OutcomeFailed || rec.ErrorCode != tt.code || rec.Error != answer.Error {
			t.Errorf("%s: record %+v", tt.name, rec)
		}
		if tt.code == domain.CodeInternal && !strings.Contains(f.logs.String(), answer.LogID) {
			t.Errorf("%s: the log does not have %s", tt.name, answer.LogID)
		}
	}
	if !strings.Contains(f.logs.String(), "secret inside") || !strings.Contains(f.logs.String(), "error.stack=") {
		t.Error("the log does not have the cause")
	}
}

// A toolkit that breaks down outside its tool's run leaves its record too.
func TestPanicBeforeTheTool(t *testing.T) {
	t.Parallel()
	f := setup(t, nil)
	a := f.Account(t, connecttest.Project, "ann", "ann@x.test", "")
	a.Fields = map[string]string{"site": "panic"}
	if err := f.DB.UpdateAccount(t.Context(), connecttest.Project, *a); err != nil {
		t.Fatal(err)
	}
	_, err := f.Run(t.Context(), request("NOTES_WHOAMI", ""))
	if domain.CodeOf(err) != domain.CodeInternal || strings.Contains(err.Error(), "secret") {
		t.Errorf("error %v", err)
	}
	if rec := f.last(t, execute.LogID(err)); rec.Outcome != domain.OutcomeRefused || rec.ErrorCode != domain.CodeInternal {
		t.Errorf("record %+v", rec)
	}
	if !strings.Contains(f.logs.String(), "secret inside") {
		t.Error("the log does not have the cause")
	}
}

func TestCancellationReachesUpstream(t *testing.T) {
	t.Parallel()
	f := setup(t, nil)
	f.Account(t, connecttest.Project, "ann", "ann@x.test", "")
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		_, err := f.Run(ctx, request("NOTES_HANG", ""))
		done <- err
	}()
	<-f.Upstream.Hanging
	cancel()
	<-f.Upstream.Gone
	err := <-done
	if domain.CodeOf(err) != domain.CodeCanceled {
		t.Errorf("error %v", err)
	}
	if rec := f.last(t, execute.LogID(err)); rec.Outcome != domain.OutcomeCanceled || rec.UpstreamCalls != 1 {
		t.Errorf("record %+v", rec)
	}
}

// A cause of ours, such as a revoked key, is told to a caller who still listens.
func TestCancellationCause(t *testing.T) {
	t.Parallel()
	f := setup(t, nil)
	f.Account(t, connecttest.Project, "ann", "ann@x.test", "")
	ctx, cancel := context.WithCancelCause(t.Context())
	done := make(chan error, 1)
	go func() {
		_, err := f.Run(ctx, request("NOTES_HANG", ""))
		done <- err
	}()
	<-f.Upstream.Hanging
	cancel(domain.Errorf(domain.CodeUnauthenticated, "the key was revoked"))
	if err := <-done; domain.CodeOf(err) != domain.CodeUnauthenticated {
		t.Errorf("error %v", err)
	}
}

func TestHangingUpstreamIsStopped(t *testing.T) {
	t.Parallel()
	f := setup(t, func(o *execute.Options) { o.Timeout = 50 * time.Millisecond })
	f.Account(t, connecttest.Project, "ann", "ann@x.test", "")
	answer, err := f.Run(t.Context(), request("NOTES_HANG", ""))
	if err != nil {
		t.Fatal(err)
	}
	<-f.Upstream.Gone
	if answer.Successful || !strings.Contains(answer.Error, "longer than 50ms") {
		t.Errorf("answer %+v", answer)
	}
	if rec := f.last(t, answer.LogID); rec.Outcome != domain.OutcomeFailed || rec.ErrorCode != domain.CodeUnavailable {
		t.Errorf("record %+v", rec)
	}
}

func TestConcurrencyIsBounded(t *testing.T) {
	t.Parallel()
	f := setup(t, func(o *execute.Options) { o.MaxConcurrent, o.QueueWait = 2, 20*time.Millisecond })
	f.Account(t, connecttest.Project, "ann", "ann@x.test", "")
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var wg sync.WaitGroup
	for range 2 {
		wg.Go(func() { _, _ = f.Run(ctx, request("NOTES_HANG", "")) })
	}
	<-f.Upstream.Hanging
	<-f.Upstream.Hanging
	// The third call of the project waits for its turn, another project's does not.
	other := request("ABACUS_ADD", `{"a":1,"b":1}`)
	other.Principal.ProjectID = connecttest.Other
	if _, err := f.Run(t.Context(), other); err != nil {
		t.Errorf("another project: %v", err)
	}
	_, err := f.Run(t.Context(), request("ABACUS_ADD", `{"a":1,"b":1}`))
	e := domain.AsError(err)
	if e == nil || e.Code != domain.CodeRateLimited || e.RetryAfter <= 0 || !strings.Contains(e.Message, "already runs 2") {
		t.Errorf("error %v", err)
	}
	if rec := f.last(t, execute.LogID(err)); rec.Outcome != domain.OutcomeRefused {
		t.Errorf("record %+v", rec)
	}
	cancel()
	wg.Wait()
	if _, err := f.Run(t.Context(), request("ABACUS_ADD", `{"a":1,"b":1}`)); err != nil {
		t.Errorf("after the others left: %v", err)
	}
}

func TestDigestIsOfTheMeaning(t *testing.T) {
	t.Parallel()
	f := setup(t, nil)
	digests := map[[32]byte]bool{}
	for _, args := range []string{`{"a":1,"b":12345678901234567890}`, `{ "b" : 12345678901234567890, "a":1 }`} {
		_, err := f.Run(t.Context(), request("ABACUS_SUBTRACT", args))
		digests[f.last(t, execute.LogID(err)).ArgsDigest] = true
	}
	if len(digests) != 1 {
		t.Errorf("%d digests of the same arguments", len(digests))
	}
	for _, args := range []string{`{"a":1,"b":12345678901234567891}`, `{"a":"1"}`, ``, `{"a":`, `{"a":1}{"a":1}`} {
		_, err := f.Run(t.Context(), request("ABACUS_SUBTRACT", args))
		digests[f.last(t, execute.LogID(err)).ArgsDigest] = true
	}
	if len(digests) != 6 {
		t.Errorf("%d digests, want 6", len(digests))
	}
}

// lossy is a store that is full: records cannot be written.
type lossy struct{ execute.Store }

func (lossy) RecordExecution(context.Context, domain.Execution) error { return errors.New("disk full") }

func TestLostRecordDoesNotHideAnAnswer(t *testing.T) {
	t.Parallel()
	f := setup(t, func(o *execute.Options) { o.Store = lossy{o.Store} })
	answer, err := f.Run(t.Context(), request("ABACUS_ADD", `{"a":1,"b":2}`))
	if err != nil || !answer.Successful {
		t.Errorf("answer %+v, error %v", answer, err)
	}
	if logs := f.logs.String(); !strings.Contains(logs, "level=ERROR") || !strings.Contains(logs, "disk full") || !strings.Contains(logs, answer.LogID) {
		t.Errorf("logs: %s", logs)
	}
}

func TestVerbatim(t *testing.T) {
	t.Parallel()
	f := setup(t, nil)
	f.Account(t, connecttest.Project, "ann", "ann@x.test", "")
	answer, err := f.Run(t.Context(), request("NOTES_VERBATIM", ""))
	if err != nil || !answer.Verbatim || !answer.Successful || string(answer.Structured) != `{"n":1}` || answer.Content[0].Text != "as it is" || string(answer.Data) != "{}" {
		t.Errorf("answer %+v, error %v", answer, err)
	}
	answer, err = f.Run(t.Context(), request("NOTES_VERBATIM", `{"fail":true}`))
	if err != nil || answer.Successful || answer.Error != "as it is" || answer.Content[0].Text != "as it is" {
		t.Errorf("failed answer %+v, error %v", answer, err)
	}
	if rec := f.last(t, answer.LogID); rec.Outcome != domain.OutcomeFailed {
		t.Errorf("record %+v", rec)
	}
}

func TestObserve(t *testing.T) {
	t.Parallel()
	var got []string
	f := setup(t, func(o *execute.Options) {
		o.Observe = func(tk, tool string, outcome domain.Outcome, _ time.Duration) {
			got = append(got, tk+" "+tool+" "+string(outcome))
		}
	})
	_, _ = f.Run(t.Context(), request("ABACUS_ADD", `{"a":1,"b":2}`))
	_, _ = f.Run(t.Context(), request("ABACUS_ADD", `{"a":1}`))
	_ = f.Refuse(t.Context(), request("X", ""), domain.Errorf(domain.CodeUnsupported, "no"))
	want := []string{"abacus ABACUS_ADD ok", "abacus ABACUS_ADD refused", "  refused"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// Doors without content blocks, REST and multi-execute, lose no answer of a tool
// that gives content.
func TestObject(t *testing.T) {
	t.Parallel()
	f := setup(t, nil)
	f.Account(t, connecttest.Project, "ann", "ann@x.test", "")
	ran, err := f.Run(t.Context(), request("NOTES_VERBATIM", ""))
	if err != nil {
		t.Fatal(err)
	}
	raw := func(s string) json.RawMessage { return json.RawMessage(s) }
	text := []toolkit.Content{{Text: "one"}, {Blob: []byte{1}, MIME: "image/png"}, {Text: "two"}}
	for want, a := range map[string]*execute.Answer{
		`{"n":1}`:                   ran,
		`{"id":"1"}`:                {Data: raw(`{"id":"1"}`), Content: text},
		`{"s":2}`:                   {Data: raw(`{}`), Structured: raw(`{"s":2}`), Content: text},
		`{"result":[1]}`:            {Data: raw(`{}`), Structured: raw(`[1]`)},
		`{"content":["one","two"]}`: {Data: raw(`{}`), Content: text},
		`{}`:                        {},
	} {
		if got := string(a.Object()); got != want {
			t.Errorf("%s, want %s", got, want)
		}
		if got := string(a.Envelope()); !strings.HasPrefix(got, `{"data":`+want+`,"error":`) {
			t.Errorf("envelope %s, want %s in it", got, want)
		}
	}
}
