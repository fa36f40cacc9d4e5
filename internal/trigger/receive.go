package trigger

import (
	"cmp"
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/sluice-run/sluice/internal/connect"
	"github.com/sluice-run/sluice/internal/domain"
	"github.com/sluice-run/sluice/internal/jobs"
	"github.com/sluice-run/sluice/internal/policy"
	"github.com/sluice-run/sluice/internal/store"
	"github.com/sluice-run/sluice/toolkit"
)

// SecretHeader is the header in which an application sends an endpoint's secret.
const SecretHeader = "X-Webhook-Secret"

const (
	// MaxReceived bounds the body of a webhook in bytes.
	MaxReceived = 64 << 10

	maxReceivedHeader = 8 << 10 // of the headers that are kept, in bytes
	maxWaiting        = 1000    // webhooks of one endpoint that wait to be looked into
	maxHearers        = 1000    // polls that hear of one webhook
	hearAtOnce        = 4       // of them at a time
	hearFor           = 4 * time.Minute
	hearWithin        = time.Hour // after that it is left to the polls
	keepReceived      = 24 * time.Hour
	// An instance does not hear of what happened so long before it was made.
	beforeMade = 10 * time.Minute
	// An endpoint takes so many webhooks a second, and so many at once.
	receiveRate, receiveBurst = 20, 100
)

// ReceiveQueue is the queue that received webhooks wait in.
const ReceiveQueue = "received"

type receiveArgs struct {
	ProjectID string `json:"project_id"`
	ID        string `json:"id"`
}

var receiveKind = jobs.Kind[receiveArgs]{Name: "receive_webhook", Queue: ReceiveQueue, Timeout: 5 * time.Minute, Tries: 5}

// errNoEndpoint is the answer to a wrong address and to a wrong secret alike: who
// guesses learns nothing.
func errNoEndpoint() error {
	return domain.Errorf(domain.CodeUnauthenticated, "the address or the secret is wrong").
		WithFix("Send the endpoint's secret in the header %s; sluice webhooks endpoints rotate gives a new one.", SecretHeader)
}

// Receive takes a webhook for the endpoint with the id. Once it returns nil the
// webhook is kept, and is looked into by a job: what it tells of becomes events of
// the instances that a poll would tell. A wrong id and a wrong secret are both
// CodeUnauthenticated, too much at a time is CodeRateLimited.
func (s *Service) Receive(ctx context.Context, id, secret string, header http.Header, body []byte) error {
	e, err := s.authenticate(ctx, id, secret)
	if err != nil {
		return err
	}
	if len(body) > MaxReceived {
		return domain.Errorf(domain.CodeTooLarge, "the body has %d bytes; at most %d are taken", len(body), MaxReceived)
	}
	now := s.now()
	if wait := s.pace.take(e.ID, now); wait > 0 {
		return crowded(wait, "the endpoint takes %d webhooks a second", receiveRate)
	}
	n, err := s.opts.Store.CountInbound(ctx, e.ProjectID, e.ID)
	if err != nil {
		return err
	}
	if n >= maxWaiting {
		return crowded(30*time.Second, "%d webhooks of the endpoint wait to be looked into", n)
	}
	if s.queue == nil {
		return domain.Internal("receiving a webhook", errors.New("trigger: there is no queue"))
	}
	w := domain.InboundWebhook{
		ID: domain.NewID(domain.PrefixInbound), ProjectID: e.ProjectID, EndpointID: e.ID, At: now, Header: keptHeader(header), Body: body,
	}
	return s.opts.Store.InTx(ctx, func(tx store.Tx) error {
		if err := tx.AddInbound(ctx, w); err != nil {
			return err
		}
		if err := tx.NoteReceived(ctx, e.ProjectID, e.ID, now); err != nil {
			return err
		}
		return s.queue.Enqueue(ctx, tx, receiveKind.Job(receiveArgs{ProjectID: w.ProjectID, ID: w.ID}))
	})
}

func crowded(wait time.Duration, format string, args ...any) error {
	err := domain.Errorf(domain.CodeRateLimited, format, args...)
	err.RetryAfter = wait
	return err
}

// authenticate finds the endpoint whose id and secret these are.
func (s *Service) authenticate(ctx context.Context, id, secret string) (*domain.WebhookEndpoint, error) {
	if !domain.HasPrefix(id, domain.PrefixEndpoint) || len(id) > 64 || secret == "" || len(secret) > maxSecret {
		return nil, errNoEndpoint()
	}
	e, err := s.opts.Store.EndpointByID(ctx, id)
	switch code := domain.CodeOf(err); {
	case code == domain.CodeNotFound, code == domain.CodeInvalid: // of an id that no database takes
		return nil, errNoEndpoint()
	case err != nil:
		return nil, err
	}
	good, err := s.secrets(ctx, &e)
	if err != nil {
		return nil, err
	}
	// Digests are of one length, so that the time tells nothing of the secret's.
	given, fits := sha256.Sum256([]byte(secret)), 0
	for _, g := range good {
		want := sha256.Sum256(g)
		fits |= subtle.ConstantTimeCompare(given[:], want[:])
		clear(g)
	}
	if fits != 1 {
		return nil, errNoEndpoint()
	}
	return &e, nil
}

// credential fits headers that may hold one.
var credential = regexp.MustCompile(`(?i)secret|token|key|auth|pass|cookie|session|forwarded`)

// keptHeader gives the headers in which an application may say what happened: never
// credentials.
func keptHeader(h http.Header) map[string][]string {
	out := map[string][]string{}
	size := 0
	for _, name := range slices.Sorted(maps.Keys(h)) {
		if credential.MatchString(name) || name != "Content-Type" && name != "User-Agent" && !strings.HasPrefix(name, "X-") {
			continue
		}
		for _, v := range h[name] {
			if !utf8.ValidString(v) {
				continue
			}
			if size += len(name) + len(v); size > maxReceivedHeader {
				return out
			}
			out[name] = append(out[name], v)
		}
	}
	return out
}

// received is the job that looks into a webhook.
func (s *Service) received(ctx context.Context, a receiveArgs) error {
	w, err := s.opts.Store.Inbound(ctx, a.ProjectID, a.ID)
	if err != nil {
		return gone(err)
	}
	e, err := s.opts.Store.Endpoint(ctx, a.ProjectID, w.EndpointID)
	if err != nil {
		return gone(err)
	}
	problem := ""
	if w.Polls == nil {
		if w.Polls, problem, err = s.hearers(ctx, &e); err != nil {
			return err
		}
	}
	h := s.hear(ctx, &w)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	age := s.now().Sub(w.At)
	if len(h.left) > 0 && age < hearWithin {
		if err := s.opts.Store.UpdateInbound(ctx, w.ProjectID, w.ID, h.left); err != nil {
			return gone(err)
		}
		return jobs.Later(max(h.wait, 2*time.Second+age/2+rand.N(time.Second)))
	}
	if len(h.left) > 0 {
		s.log.WarnContext(ctx, "a webhook is left to the polls: the application did not answer", "endpoint", e.ID, "project", e.ProjectID, "polls", len(h.left))
	}
	return gone(s.opts.Store.InTx(ctx, func(tx store.Tx) error {
		if err := tx.NoteOutcome(ctx, e.ProjectID, e.ID, clip(cmp.Or(h.problem, problem))); err != nil {
			return err
		}
		return tx.DropInbound(ctx, w.ProjectID, w.ID)
	}))
}

// hearers gives the polls whose instances are to hear of what the endpoint receives.
func (s *Service) hearers(ctx context.Context, e *domain.WebhookEndpoint) (polls []string, problem string, err error) {
	f := store.PollFilter{Toolkit: e.Toolkit, Triggers: s.receivers(ctx, e.ProjectID, e.Toolkit)}
	if e.ClientID != "" {
		if f.AuthConfigIDs, err = s.clientConfigs(ctx, e); err != nil {
			return nil, "", err
		}
		if len(f.AuthConfigIDs) == 0 {
			return []string{}, "no auth config of the project has the endpoint's client_id", nil
		}
	}
	polls, err = s.opts.Store.LivePolls(ctx, e.ProjectID, f, maxHearers+1)
	switch {
	case err != nil:
		return nil, "", err
	case len(polls) == 0:
		return []string{}, "no trigger of the project can be told by webhooks", nil
	case len(polls) > maxHearers:
		polls, problem = polls[:maxHearers], fmt.Sprintf("only the first %d polls are told; the others find it by themselves", maxHearers)
	}
	return polls, problem, nil
}

// heard is what came of telling polls of a webhook.
type heard struct {
	mu      sync.Mutex
	left    []string      // polls that could not look now
	wait    time.Duration // which the application asked for
	problem string
}

// hear tells the polls of a webhook, a few at a time.
func (s *Service) hear(ctx context.Context, w *domain.InboundWebhook) *heard {
	h := &heard{}
	work, cancel := context.WithTimeout(ctx, hearFor)
	defer cancel()
	next := make(chan string)
	var all sync.WaitGroup
	for range min(hearAtOnce, len(w.Polls)) {
		all.Go(func() {
			for id := range next {
				err := work.Err()
				if err == nil {
					err = s.hearOne(work, w, id)
				}
				h.note(ctx, s, w, id, err)
			}
		})
	}
	for _, id := range w.Polls {
		next <- id
	}
	close(next)
	all.Wait()
	return h
}

// note keeps what came of one poll.
func (h *heard) note(ctx context.Context, s *Service, w *domain.InboundWebhook, id string, err error) {
	if err == nil || ctx.Err() != nil {
		return
	}
	f := judge(err)
	s.log.DebugContext(ctx, "a webhook was not understood, or could not be looked into", "endpoint", w.EndpointID, "poll", id, "error", err)
	h.mu.Lock()
	defer h.mu.Unlock()
	h.problem = f.text
	if !f.refused {
		h.left = append(h.left, id)
		h.wait = max(h.wait, min(f.retryAfter, maxRetryAfter))
	}
}

// hearOne looks into a webhook as a poll's account, and tells its instances.
func (s *Service) hearOne(ctx context.Context, w *domain.InboundWebhook, pollID string) error {
	ctx, cancel := context.WithTimeout(ctx, s.opts.Timeout)
	defer cancel()
	p, err := s.opts.Store.Poll(ctx, w.ProjectID, pollID)
	if err != nil || p.NextAt.IsZero() {
		return gone(err)
	}
	kind, call, err := s.callOf(ctx, &p)
	if err != nil {
		return err
	}
	in := toolkit.Inbound{Header: http.Header(w.Header).Clone(), Body: slices.Clone(w.Body)}
	events, err := guarded(func() ([]toolkit.RawEvent, error) { return kind.Receive(ctx, call, p.Config, in) })
	if err != nil || len(events) == 0 {
		return err
	}
	var told tally
	err = s.opts.Store.InTx(ctx, func(tx store.Tx) error {
		told = tally{}
		_, err := s.publish(ctx, tx, &p, events, beforeMade, &told)
		return err
	})
	if err == nil {
		told.tell(s, p.Trigger, SourceWebhook)
	}
	return err
}

// callOf gives the type of a poll, and a call as its account.
func (s *Service) callOf(ctx context.Context, p *domain.TriggerPoll) (*toolkit.Trigger, *toolkit.Call, error) {
	a, err := s.opts.Store.Account(ctx, p.ProjectID, p.AccountID)
	if err != nil {
		return nil, nil, err
	}
	chosen, err := s.opts.Connect.Select(ctx, connect.Choice{
		ProjectID: p.ProjectID, UserID: a.UserID, Toolkit: p.Toolkit, Account: p.AccountID,
	})
	if err != nil {
		return nil, nil, err
	}
	if chosen == nil {
		return nil, nil, domain.Errorf(domain.CodeUnsupported, "toolkit %s has no accounts any more", p.Toolkit)
	}
	kind, err := s.opts.Catalog.Trigger(ctx, p.ProjectID, p.Trigger, "")
	if err != nil {
		return nil, nil, err
	}
	if err := policy.TriggerScopes(kind, &chosen.ConnectedAccount); err != nil {
		return nil, nil, err
	}
	call, err := s.opts.Connect.Prepare(ctx, kind.Toolkit, &chosen.ConnectedAccount, nil)
	return kind.Trigger, call, err
}

// DropReceived removes webhooks that were never looked into to their end, and says
// how many.
func (s *Service) DropReceived(ctx context.Context, limit int) (int, error) {
	return s.opts.Store.DropInbounds(ctx, s.now().Add(-keepReceived), limit)
}
