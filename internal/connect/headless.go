package connect

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/sluice-run/sluice/internal/domain"
	"github.com/sluice-run/sluice/internal/store"
)

// Ways to connect for a person whose browser cannot come to the link by itself.
//
// By hand: a program walks in the browser's place. It holds the secret that a
// browser would have in its cookie ([Service.DepartByHand]), and the person
// carries the address on which the provider left them back to it
// ([Service.ArriveByHand]), though no page may have answered there. Single use,
// times and binding are those of the browser's walk.
//
// By code: the person types a short code on the router's own page, on any device
// that reaches it, and is at the link ([Service.NewCode], [Service.Redeem]).

// maxCarried bounds an address that a person carries, in bytes.
const maxCarried = 8 << 10

// DepartByHand begins the walk of a project's link for a program. The link is
// bound to it, as to a browser: nobody else can use it from then on. values add
// to what the link knows already.
func (s *Service) DepartByHand(ctx context.Context, projectID, token, origin string, values map[string]string) (*Departure, error) {
	form, err := s.unclaimed(ctx, projectID, token)
	if err != nil {
		return nil, err
	}
	if !form.Leaves() {
		return nil, domain.Invalid("link_token", "%s is connected here with what is typed, not by consent on a page of its own", form.Toolkit.Name).
			WithFix("Have the user open the link, or give the values with POST /connected_accounts.")
	}
	all := map[string]string{}
	for _, from := range []map[string]string{form.Account.Fields, values} {
		for name, v := range from {
			all[name] = v
		}
	}
	d, err := s.Depart(ctx, token, origin, all)
	if err != nil {
		return nil, err
	}
	// Of two who begin at once one fails here, and gets no secret.
	return d, s.Claim(ctx, form, d.Browser)
}

// unclaimed gives the page of a project's link that nobody has begun with.
func (s *Service) unclaimed(ctx context.Context, projectID, token string) (*Form, error) {
	form, err := s.Form(ctx, token)
	switch {
	case err != nil:
		return nil, err
	case form.Link.ProjectID != projectID:
		return nil, badLink("This link is not valid.")
	case form.Link.BrowserHash != [32]byte{}:
		return nil, badLink("This link was begun with already.").WithCause(ErrSpent)
	}
	return form, nil
}

// ArriveByHand takes the address that the person carried back from the provider.
// One that cannot be the answer to this walk changes nothing; other failures are
// a *FlowError. It is not repeated in any error: it holds the provider's code.
func (s *Service) ArriveByHand(ctx context.Context, projectID, flowID, secret, address string) (*Connected, *Pending, error) {
	flow, err := s.flowByHand(ctx, projectID, flowID, secret)
	if err != nil {
		return nil, nil, err
	}
	in, err := carried(flow, address)
	if err != nil {
		return nil, nil, err
	}
	in.Browser = secret
	done, pending, err := s.Arrive(ctx, in)
	return done, pending, remedy(err)
}

// FinishByHand is [Service.Finish] for a walk by hand.
func (s *Service) FinishByHand(ctx context.Context, projectID, flowID, secret, siteID string) (*Connected, *Pending, error) {
	if _, err := s.flowByHand(ctx, projectID, flowID, secret); err != nil {
		return nil, nil, err
	}
	done, pending, err := s.Finish(ctx, flowID, secret, siteID)
	return done, pending, remedy(err)
}

func (s *Service) flowByHand(ctx context.Context, projectID, flowID, secret string) (*domain.OAuthFlow, error) {
	flow, err := s.flow(ctx, flowID, secret)
	switch {
	case domain.CodeOf(err) == domain.CodeForbidden:
		return nil, remedy(domain.Errorf(domain.CodeForbidden, "This sign-in was begun with another secret."))
	case err != nil:
		return nil, remedy(err)
	case flow.ProjectID != projectID:
		return nil, remedy(lostFlow())
	}
	return flow, nil
}

// remedy puts the remedy of a lost walk in words for whoever has no link at hand.
func remedy(err error) error {
	if _, failed := err.(*FlowError); err == nil || failed { //nolint:errorlint // it is never wrapped
		return err
	}
	e := domain.AsError(err)
	if e.Code != domain.CodeNotFound && e.Code != domain.CodeForbidden {
		return err
	}
	return e.WithFix("Nothing was connected. Begin again.")
}

// carried reads the address on which a provider left the person. It has to be
// the walk's own redirect URI, or one of ours to which that one passes on.
func carried(flow *domain.OAuthFlow, address string) (Arrived, error) {
	var none Arrived
	if len(address) > maxCarried {
		return none, domain.Invalid("address", "That is longer than any that a provider sends people back to (%d bytes are allowed)", maxCarried)
	}
	want, err := url.Parse(flow.RedirectURI)
	if err != nil {
		return none, domain.Internal("reading a redirect URI", err)
	}
	u, err := url.Parse(strings.TrimSpace(address))
	if err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" {
		return none, notCarried(flow, "This is no address of a page.")
	}
	q := u.Query()
	home := u.Scheme == want.Scheme && strings.EqualFold(u.Host, want.Host) && u.Path == want.Path
	ours := slices.Contains(CallbackPaths(), u.Path) || strings.HasPrefix(u.Path, CallbackPath+"/")
	switch {
	case q.Get("client_id") != "" && q.Get("redirect_uri") != "":
		return none, notCarried(flow, "This is the address to open, not the one on which you ended.")
	case !home && !ours:
		return none, notCarried(flow, "This is not where you are sent back to.")
	case q.Get("state") == "" || q.Get("code") == "" && q.Get("error") == "":
		return none, notCarried(flow, "Its end is missing.")
	case FlowOf(q.Get("state")) != flowID(flow):
		return none, domain.Invalid("address", "This is the answer to another sign-in than the one that was begun here.").
			WithFix("Open the address that was given last, decide there, and copy the address on which you end.")
	}
	return Arrived{
		Path: u.Path, Carried: home, State: q.Get("state"), Code: q.Get("code"), Error: q.Get("error"),
		Description: q.Get("error_description"), Issuer: q.Get("iss"),
	}, nil
}

func notCarried(flow *domain.OAuthFlow, sentence string) error {
	return domain.Invalid("address", "%s", sentence).
		WithFix("Copy all of the address on which the browser ended after you decided: it begins with %s?", flow.RedirectURI)
}

const (
	// codeLetters are those of RFC 8628, 6.1: no vowels, so that no code is a
	// word, and none that looks like a digit.
	codeLetters = "BCDFGHJKLMNPQRSTVWXZ"
	codeLength  = 8
	// codeTTL bounds a code's life; its link may end it before.
	codeTTL = 10 * time.Minute

	// Wrong codes that are looked at: at first, and then per minute. There are
	// 20^8 = 2.6e10 codes. A process looks at no more than 120 wrong ones while a
	// code lives, so that one given code is found with a chance of 1 in 213
	// million, and somebody who tries for a whole year, with one code alive all
	// the time, finds one with 1 in 4900. Who holds the page up by guessing stops
	// codes only; links still work.
	codeBurst     = 20
	codePerMinute = 10
)

// Code is what leads to a link when it is typed on [CodePath].
type Code struct {
	Text      string // XXXX-XXXX
	ExpiresAt time.Time
}

// CodePath is where codes are typed, below the public address.
const CodePath = "/connect"

// NewCode gives a code for a project's link and takes the link's own way away:
// only the code leads there from then on, once. It is kept as the hash of a link
// that no token opens.
func (s *Service) NewCode(ctx context.Context, projectID, token string) (*Code, error) {
	form, err := s.unclaimed(ctx, projectID, token)
	if err != nil {
		return nil, err
	}
	if err := s.Claim(ctx, form, domain.NewSecret("")); err != nil {
		return nil, err
	}
	now := s.now()
	l := domain.ConnectLink{
		ProjectID: projectID, AccountID: form.Link.AccountID, CallbackURL: form.Link.CallbackURL,
		CreatedAt: now, ExpiresAt: now.Add(codeTTL),
	}
	if form.Link.ExpiresAt.Before(l.ExpiresAt) {
		l.ExpiresAt = form.Link.ExpiresAt
	}
	for range maxNames { // two of the same at a time are all but impossible
		text := newCode()
		l.TokenHash = codeHash(text)
		if err = s.opts.Store.CreateLink(ctx, l); domain.CodeOf(err) != domain.CodeConflict {
			return &Code{Text: text[:codeLength/2] + "-" + text[codeLength/2:], ExpiresAt: l.ExpiresAt}, err
		}
	}
	return nil, err
}

func newCode() string {
	out := make([]byte, 0, codeLength)
	var b [1]byte
	for len(out) < codeLength {
		_, _ = rand.Read(b[:])                                    // never fails (Go 1.24)
		if fair := 256 - 256%len(codeLetters); int(b[0]) < fair { // every letter as often
			out = append(out, codeLetters[int(b[0])%len(codeLetters)])
		}
	}
	return string(out)
}

// codeHash is of another kind than a token's, so that neither opens the other.
func codeHash(text string) [32]byte { return sha256.Sum256([]byte("connect code " + text)) }

// readCode takes a code as people type it; "" when it is none.
func readCode(typed string) string {
	if len(typed) > 64 {
		return ""
	}
	text := strings.Map(func(r rune) rune {
		switch r {
		case ' ', '\t', '-', '–', '—', '.', '_':
			return -1
		}
		return r
	}, strings.ToUpper(typed))
	if len(text) != codeLength || strings.Trim(text, codeLetters) != "" {
		return ""
	}
	return text
}

// Redeem uses a code up and gives a new link to its account, which lives as long
// as the code would have. Wrong ones are CodeInvalid, ErrSpent is the cause
// where it was good once; too many of them CodeRateLimited.
func (s *Service) Redeem(ctx context.Context, typed string) (*Initiated, error) {
	text := readCode(typed)
	if text == "" {
		return nil, domain.Invalid("code", "A code has %d letters, such as BCDF-GHJK.", codeLength).
			WithFix("Type it as the terminal shows it. There are no vowels and no digits in it.")
	}
	if wait := s.guesses.take(s.opts.Now()); wait > 0 {
		e := domain.Errorf(domain.CodeRateLimited, "Too many wrong codes were typed.").WithFix("Try again in a minute.")
		e.RetryAfter = wait
		return nil, e
	}
	link, err := s.opts.Store.LinkByHash(ctx, codeHash(text))
	switch {
	case domain.CodeOf(err) == domain.CodeNotFound:
		return nil, domain.Invalid("code", "This code is not known here.").WithFix("Compare it with the one that the terminal shows, letter by letter.")
	case err != nil:
		return nil, err
	case !link.UsedAt.IsZero():
		return nil, spentCode("This code was used already.")
	case !s.now().Before(link.ExpiresAt):
		return nil, spentCode("This code has expired: it was good for " + inWords(link.ExpiresAt.Sub(link.CreatedAt).Round(time.Minute)) + ".")
	}
	form, err := s.formOf(ctx, &link)
	if err != nil {
		return nil, err
	}
	token := domain.NewSecret(domain.PrefixLink)
	next := link
	next.TokenHash, next.CreatedAt = sha256.Sum256([]byte(token)), s.now()
	err = s.opts.Store.InTx(ctx, func(tx store.Tx) error {
		used, err := tx.UseLink(ctx, link.ProjectID, link.TokenHash, next.CreatedAt)
		if err != nil {
			return err
		}
		if !used {
			return spentCode("This code was used already.")
		}
		return tx.CreateLink(ctx, next)
	})
	if err != nil {
		return nil, err
	}
	s.guesses.giveBack()
	return &Initiated{Account: form.Account, Token: token, ExpiresAt: next.ExpiresAt}, nil
}

func spentCode(sentence string) error {
	return domain.Invalid("code", "%s", sentence).WithCause(ErrSpent).WithFix("Run the command in the terminal again for a new one.")
}

// guesses bounds the codes that are looked up: each costs one, a right one gives
// it back.
type guesses struct {
	mu   sync.Mutex
	left float64
	at   time.Time // when left was right; zero before the first
}

// take gives how long to wait; 0 when the code may be looked up.
func (g *guesses) take(now time.Time) time.Duration {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.at.IsZero() {
		g.left = codeBurst
	} else if gone := now.Sub(g.at); gone > 0 {
		g.left = min(codeBurst, g.left+gone.Minutes()*codePerMinute)
	}
	g.at = now
	if g.left < 1 {
		return time.Duration((1 - g.left) / codePerMinute * float64(time.Minute))
	}
	g.left--
	return 0
}

func (g *guesses) giveBack() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.left = min(codeBurst, g.left+1)
}
