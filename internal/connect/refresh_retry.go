package connect

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"

	"github.com/sluice-run/sluice/internal/domain"
	"github.com/sluice-run/sluice/toolkit"
)

// renewing repeats a request of a call once, with new tokens, when the account's
// own origin answers 401: a token may end before its time. What was refused has
// not been done, so a write may be repeated too, if its body can be had again.
type renewing struct {
	next http.RoundTripper
	s    *Service
	base *url.URL

	mu      sync.Mutex
	account domain.ConnectedAccount
	secrets toolkit.Secrets
	tried   bool // without success
}

// peekBytes is how much of a refusal is read to see what it is about.
const peekBytes = 4 << 10

// now gives the secrets to send, and which generation they are of.
func (r *renewing) now() (toolkit.Secrets, int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.secrets, r.account.Generation
}

// RoundTrip sends the request, and once more after a 401 that new tokens may mend.
func (r *renewing) RoundTrip(req *http.Request) (*http.Response, error) {
	_, sent := r.now()
	res, err := r.next.RoundTrip(req)
	if err != nil || res.StatusCode != http.StatusUnauthorized || !r.own(req) || !replayable(req) ||
		aboutScope(res) || !r.renew(req.Context(), sent) {
		return res, err
	}
	again := req.Clone(req.Context())
	if req.GetBody != nil {
		body, err := req.GetBody()
		if err != nil {
			_ = res.Body.Close() // the error weighs more
			return nil, fmt.Errorf("sending a request again: %w", err)
		}
		again.Body = body
	}
	_, _ = io.CopyN(io.Discard, res.Body, peekBytes) // so that the connection can be used again
	_ = res.Body.Close()
	return r.next.RoundTrip(again)
}

// renew says whether there are newer tokens than those of the generation.
func (r *renewing) renew(ctx context.Context, sent int64) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.account.Generation != sent {
		return true
	}
	if r.tried {
		return false
	}
	r.tried = true
	a, err := r.s.renewGrant(ctx, &r.account, causeRefused)
	if err != nil || a.Generation == sent || !a.Usable() {
		return false
	}
	secrets, err := r.s.openForCall(ctx, a)
	if err != nil {
		return false
	}
	r.account, r.secrets = *a, secrets
	return true
}

// own says whether the request goes to the account's origin, and no redirect on
// its way came from elsewhere: only there credentials were sent.
func (r *renewing) own(req *http.Request) bool {
	for {
		if req.URL.Scheme != r.base.Scheme || !strings.EqualFold(req.URL.Host, r.base.Host) {
			return false
		}
		if req.Response == nil || req.Response.Request == nil {
			return true
		}
		req = req.Response.Request
	}
}

func replayable(req *http.Request) bool {
	return req.Body == nil || req.Body == http.NoBody || req.GetBody != nil
}

// aboutScope says whether a refusal is about what the token may do, which new
// tokens do not change. The body can be read again afterwards.
func aboutScope(res *http.Response) bool {
	if strings.Contains(res.Header.Get("WWW-Authenticate"), "insufficient_scope") {
		return true
	}
	head, err := io.ReadAll(io.LimitReader(res.Body, peekBytes))
	rest := io.Reader(res.Body)
	if err != nil {
		rest = failing{err}
	}
	res.Body = struct {
		io.Reader
		io.Closer
	}{io.MultiReader(bytes.NewReader(head), rest), res.Body}
	return bytes.Contains(bytes.ToLower(head), []byte("scope"))
}

type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }
