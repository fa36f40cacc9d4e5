package connect

import (
	"context"
	"net/http"
	"net/url"
	"sync"
	"time"

	"github.com/sluice-run/sluice/internal/domain"
	"github.com/sluice-run/sluice/toolkit"
)

// Probe is what the toolkit's check call found on an account.
type Probe struct {
	// Site is the host that the account's calls go to.
	Site string
	// Answered says whether the site answered at all, whatever it said.
	Answered bool
	// Skew is how far this machine's clock is ahead of the site's; HasDate says
	// whether the site told its time. It is good to a second or two.
	Skew    time.Duration
	HasDate bool
	// Identity is whom the credentials belong to, as the site says now.
	Identity toolkit.Identity
}

// Probe makes the toolkit's check call with the account's credentials. Nothing
// is changed by it but tokens that are renewed on the way. An error says what is
// wrong with the connection; the Probe holds what was found before.
func (s *Service) Probe(ctx context.Context, account *domain.ConnectedAccount) (Probe, error) {
	var found Probe
	tk, err := s.opts.Catalog.Toolkit(ctx, account.ProjectID, account.Toolkit)
	if err != nil {
		return found, err
	}
	call, err := s.Prepare(ctx, tk, account, nil)
	if err != nil {
		return found, err
	}
	if u, err := url.Parse(call.BaseURL); err == nil {
		found.Site = u.Host
	}
	if tk.Check == nil {
		return found, nil
	}
	watch := &watcher{next: call.HTTP.Transport, now: s.opts.Now}
	client := *call.HTTP
	client.Transport = watch
	call.HTTP = &client
	ctx, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	found.Identity, err = tk.Check(ctx, call)
	watch.mu.Lock()
	found.Answered, found.Skew, found.HasDate = watch.answered, watch.skew, watch.dated
	watch.mu.Unlock()
	if err == nil {
		return found, nil
	}
	secrets, serr := s.openSecrets(context.WithoutCancel(ctx), account) // should the message repeat one
	if serr != nil {
		return found, serr
	}
	return found, checkError(tk, authOf(tk, account.Scheme), secrets, err)
}

// watcher reads the time off the answers that pass.
type watcher struct {
	next http.RoundTripper
	now  func() time.Time

	mu              sync.Mutex
	answered, dated bool
	skew            time.Duration
}

func (w *watcher) RoundTrip(r *http.Request) (*http.Response, error) {
	sent := w.now()
	res, err := w.next.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.answered = true
	if at, err := http.ParseTime(res.Header.Get("Date")); err == nil {
		// In the middle of sending and answering; the header has whole seconds.
		back := w.now()
		w.skew, w.dated = sent.Add(back.Sub(sent)/2).Sub(at.Add(time.Second/2)), true
	}
	return res, nil
}
