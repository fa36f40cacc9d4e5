package ui

import (
	"bytes"
	"embed"
	"errors"
	"html/template"
	"log/slog"
	"mime"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/sluice-run/sluice/internal/connect"
	"github.com/sluice-run/sluice/internal/domain"
)

//go:embed pages
var files embed.FS

// Options configures the pages. Connect is required.
type Options struct {
	Connect *connect.Service
	// Origin gives the router's own address as the browser of a request knows it,
	// https://host: providers send browsers back below it. The request's Host
	// over http when nil.
	Origin func(*http.Request) string
	Logger *slog.Logger // discarded when nil
	// MaxChecks bounds the submitted forms that are checked at a time, each with
	// a call to the application; 16 when 0.
	MaxChecks int
}

const (
	maxForm    = 64 << 10
	formTime   = 15 * time.Second
	cookieName = "sluice_connect"
)

type pages struct {
	connect *connect.Service
	origin  func(*http.Request) string
	log     *slog.Logger
	html    *template.Template
	style   string // without a project's colour
	slots   chan struct{}

	mu    sync.Mutex
	users map[[2]string]int // checks in progress by project and user
}

// New gives the handler of connect links, /link/{token}, of the page that takes
// codes in their place, and of what a browser meets on its way to a provider and back: see [Serves].
func New(opts Options) http.Handler {
	if opts.Logger == nil {
		opts.Logger = slog.New(slog.DiscardHandler)
	}
	if opts.MaxChecks <= 0 {
		opts.MaxChecks = 16
	}
	if opts.Origin == nil {
		opts.Origin = func(r *http.Request) string { return "http://" + r.Host }
	}
	p := &pages{
		connect: opts.Connect, origin: opts.Origin, log: opts.Logger, style: styleSheet(),
		html:  template.Must(template.ParseFS(files, "pages/*.html")),
		slots: make(chan struct{}, opts.MaxChecks), users: map[[2]string]int{},
	}
	return http.HandlerFunc(p.route)
}

// route takes the token from the path by hand: a ServeMux would redirect what
// it finds untidy.
func (p *pages) route(w http.ResponseWriter, r *http.Request) {
	p.guard(w, "", connect.Branding{})
	switch Serves(r.URL.Path) {
	case RouteCallback:
		p.arrive(w, r)
		return
	case RouteFinish:
		p.finishRoute(w, r)
		return
	case RouteCode:
		p.code(w, r)
		return
	}
	token, ok := strings.CutPrefix(r.URL.Path, "/link/")
	token = strings.TrimSuffix(token, "/")
	switch {
	case !ok || token == "" || strings.Contains(token, "/"):
		p.notice(w, http.StatusNotFound, "This page does not exist", "Check the address, or ask for a new link.")
	case r.Method == http.MethodGet || r.Method == http.MethodHead:
		p.show(w, r, token)
	case r.Method == http.MethodPost:
		p.submit(w, r, token)
	default:
		p.notAllowed(w, "GET, HEAD, POST")
	}
}

func (p *pages) notAllowed(w http.ResponseWriter, allow string) {
	w.Header().Set("Allow", allow)
	p.notice(w, http.StatusMethodNotAllowed, "This page cannot do that", "Open the link in a browser.")
}

func (p *pages) show(w http.ResponseWriter, r *http.Request, token string) {
	form, err := p.connect.Form(r.Context(), token)
	if err != nil {
		p.refuse(w, r, err)
		return
	}
	if !form.ClaimedBy(browserOf(r)) {
		p.refuse(w, r, elsewhere())
		return
	}
	if own := p.origin(r); form.Leaves() && hostOf(own) != r.Host && r.URL.Query().Get("moved") == "" {
		// The provider sends the browser back to that host: its cookie must be there.
		http.Redirect(w, r, own+r.URL.EscapedPath()+"?moved=1", http.StatusSeeOther)
		return
	}
	p.form(w, r, http.StatusOK, form, nil, nil)
}

// form shows the form; values were typed before, e is what was wrong with them.
func (p *pages) form(w http.ResponseWriter, r *http.Request, status int, form *connect.Form, values map[string]string, e *domain.Error) {
	l := p.guard(w, form.Link.CallbackURL, form.Brand)
	p.render(w, status, "connect.html", formView(l, form, p.newCSRF(w, r), values, e))
}

func elsewhere() error {
	return domain.Errorf(domain.CodeForbidden, "This link was opened in another browser.").
		WithFix("Go on there, or ask the application or agent that sent you here for a new link.")
}

func hostOf(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return ""
	}
	return u.Host
}

func (p *pages) submit(w http.ResponseWriter, r *http.Request, token string) {
	if !p.parse(w, r) {
		return
	}
	form, err := p.connect.Form(r.Context(), token)
	if err != nil {
		p.refuse(w, r, err)
		return
	}
	if !form.ClaimedBy(browserOf(r)) {
		p.refuse(w, r, elsewhere())
		return
	}
	if !sameOrigin(r) || !goodCSRF(r) {
		p.form(w, r, http.StatusForbidden, form, nil, domain.Errorf(domain.CodeForbidden, "The form was not sent from this page.").
			WithFix("Fill it in again; cookies must be allowed for this site."))
		return
	}
	if err := p.connect.Claim(r.Context(), form, browserOf(r)); err != nil {
		p.refuse(w, r, err)
		return
	}
	leave, ok := p.enter(form)
	if !ok {
		w.Header().Set("Retry-After", "5")
		p.form(w, r, http.StatusServiceUnavailable, form, typed(form, r), tooMany())
		return
	}
	defer leave()
	if form.Leaves() {
		p.depart(w, r, form, token)
		return
	}
	account, callback, err := p.connect.Complete(r.Context(), token, submitted(form, r))
	if err != nil {
		p.again(w, r, form, err)
		return
	}
	p.log.InfoContext(r.Context(), "account connected", "account", account.ID, "toolkit", account.Toolkit)
	if callback != "" {
		http.Redirect(w, r, callback, http.StatusSeeOther)
		return
	}
	l := p.guard(w, form.Link.CallbackURL, form.Brand)
	p.render(w, http.StatusOK, "done.html", doneView(l, form, account))
}

func tooMany() *domain.Error {
	return domain.Errorf(domain.CodeUnavailable, "Too many people are connecting just now.").WithFix("Try again in a moment.")
}

// maxUserChecks bounds the checks of one user at a time: the user names the
// address that is called, and one that hangs must not hold every place.
const maxUserChecks = 2

// enter takes a place for a check; leave gives it back.
func (p *pages) enter(form *connect.Form) (leave func(), ok bool) {
	user := [2]string{form.Account.ProjectID, form.Account.UserID}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.users[user] >= maxUserChecks {
		return nil, false
	}
	select {
	case p.slots <- struct{}{}:
	default:
		return nil, false
	}
	p.users[user]++
	return func() {
		<-p.slots
		p.mu.Lock()
		defer p.mu.Unlock()
		if p.users[user]--; p.users[user] == 0 {
			delete(p.users, user)
		}
	}, true
}

// again shows the form once more with what was wrong. A link that was used up
// meanwhile has no form any more.
func (p *pages) again(w http.ResponseWriter, r *http.Request, form *connect.Form, err error) {
	e := domain.AsError(err)
	if e.Code == domain.CodeNotFound {
		p.refuse(w, r, err)
		return
	}
	p.form(w, r, p.statusOf(r, e), form, typed(form, r), e)
}

// statusOf gives the status of a page about e, and logs what is our fault.
func (p *pages) statusOf(r *http.Request, e *domain.Error) int {
	switch e.Code {
	case domain.CodeInternal:
		p.logFailure(r, e)
		return http.StatusInternalServerError
	case domain.CodeUnavailable:
		return http.StatusServiceUnavailable
	case domain.CodeRateLimited:
		return http.StatusTooManyRequests
	case domain.CodeForbidden:
		return http.StatusForbidden
	}
	return http.StatusBadRequest
}

// parse reads the form, within its size and time.
func (p *pages) parse(w http.ResponseWriter, r *http.Request) bool {
	if kind, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type")); kind != "application/x-www-form-urlencoded" {
		p.notice(w, http.StatusUnsupportedMediaType, "This page cannot read that", "Send the form from the page itself.")
		return false
	}
	conn := http.NewResponseController(w)
	_ = conn.SetReadDeadline(time.Now().Add(formTime)) // not every writer has a connection
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	err := r.ParseForm()
	if err == nil {
		_ = conn.SetReadDeadline(time.Time{}) // it would end the check too
		return true
	}
	w.Header().Set("Connection", "close") // the rest may never come
	var over *http.MaxBytesError
	if errors.As(err, &over) {
		p.notice(w, http.StatusRequestEntityTooLarge, "That is too much", "What was typed is far longer than any credential. Go back and check it.")
	} else {
		p.notice(w, http.StatusBadRequest, "The form did not arrive whole", "Go back and send it again.")
	}
	return false
}

// refuse shows why there is no form.
func (p *pages) refuse(w http.ResponseWriter, r *http.Request, err error) {
	e := domain.AsError(err)
	switch {
	case errors.Is(err, connect.ErrSpent):
		p.notice(w, http.StatusGone, e.Message, e.Fix)
	case e.Code == domain.CodeNotFound:
		p.notice(w, http.StatusNotFound, e.Message, e.Fix)
	case e.Code == domain.CodeForbidden, e.Code == domain.CodeUnsupported, e.Code == domain.CodeInvalid:
		p.notice(w, http.StatusForbidden, e.Message, e.Fix)
	default:
		p.logFailure(r, e)
		p.notice(w, http.StatusInternalServerError, "Something went wrong on our side", "Try the link again in a moment.")
	}
}

// logFailure logs the cause; never the path, which holds the link's secret.
func (p *pages) logFailure(r *http.Request, e *domain.Error) {
	p.log.ErrorContext(r.Context(), "connect page failed", "error", e.Message, "cause", errors.Unwrap(e))
}

func (p *pages) notice(w http.ResponseWriter, status int, title, text string) {
	l := p.guard(w, "", connect.Branding{})
	p.render(w, status, "notice.html", noticePage{look: l, Title: title, Text: text})
}

// render writes a page whole or not at all.
func (p *pages) render(w http.ResponseWriter, status int, name string, page any) {
	var b bytes.Buffer
	if err := p.html.ExecuteTemplate(&b, name, page); err != nil {
		p.log.Error("rendering a page failed", "page", name, "error", err)
		http.Error(w, "Something went wrong on our side.", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write(b.Bytes()) // the browser is gone when this fails
}
