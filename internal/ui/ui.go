package ui

import (
	"bytes"
	"crypto/rand"
	"crypto/subtle"
	"embed"
	"errors"
	"html/template"
	"log/slog"
	"mime"
	"net/http"
	"net/url"
	"regexp"
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
	Logger  *slog.Logger // discarded when nil
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
	log     *slog.Logger
	html    *template.Template
	style   template.CSS
	styleIs string // CSP source of the style
	slots   chan struct{}

	mu    sync.Mutex
	users map[[2]string]int // checks in progress by project and user
}

// New gives the handler of /link/{token}.
func New(opts Options) http.Handler {
	if opts.Logger == nil {
		opts.Logger = slog.New(slog.DiscardHandler)
	}
	if opts.MaxChecks <= 0 {
		opts.MaxChecks = 16
	}
	style, hash := styleSheet()
	p := &pages{
		connect: opts.Connect, log: opts.Logger, style: style, styleIs: hash,
		html:  template.Must(template.ParseFS(files, "pages/*.html")),
		slots: make(chan struct{}, opts.MaxChecks), users: map[[2]string]int{},
	}
	return http.HandlerFunc(p.route)
}

// route takes the token from the path by hand: a ServeMux would redirect what
// it finds untidy.
func (p *pages) route(w http.ResponseWriter, r *http.Request) {
	p.guard(w, "")
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
		w.Header().Set("Allow", "GET, HEAD, POST")
		p.notice(w, http.StatusMethodNotAllowed, "This page cannot do that", "Open the link in a browser.")
	}
}

// guard sets the headers of every page: no scripts, no frames, no referrer (the
// address holds the link's secret), nothing kept. Browsers hold the redirect
// after a form to form-action as well, so the callback's origin is in it.
func (p *pages) guard(w http.ResponseWriter, callback string) {
	action := "'self'"
	if u, err := url.Parse(callback); err == nil && plainHost.MatchString(u.Host) {
		action += " " + u.Scheme + "://" + u.Host
	}
	h := w.Header()
	h.Set("Content-Security-Policy", "default-src 'none'; style-src "+p.styleIs+"; img-src data:; form-action "+action+
		"; base-uri 'none'; frame-ancestors 'none'")
	h.Set("X-Frame-Options", "DENY")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Robots-Tag", "noindex")
}

// plainHost keeps a callback from adding to the policy: Go's URLs may have ";"
// in their host.
var plainHost = regexp.MustCompile(`^[A-Za-z0-9.:\[\]-]+$`)

func (p *pages) show(w http.ResponseWriter, r *http.Request, token string) {
	form, err := p.connect.Form(r.Context(), token)
	if err != nil {
		p.refuse(w, r, err)
		return
	}
	p.guard(w, form.Link.CallbackURL)
	p.render(w, http.StatusOK, "connect.html", p.formPage(form, newCSRF(w, r), nil, nil))
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
	p.guard(w, form.Link.CallbackURL)
	if !sameOrigin(r) || !goodCSRF(r) {
		p.render(w, http.StatusForbidden, "connect.html", p.formPage(form, newCSRF(w, r), nil,
			domain.Errorf(domain.CodeForbidden, "The form was not sent from this page.").
				WithFix("Fill it in again; cookies must be allowed for this site.")))
		return
	}
	leave, ok := p.enter(form)
	if !ok {
		w.Header().Set("Retry-After", "5")
		p.render(w, http.StatusServiceUnavailable, "connect.html", p.formPage(form, newCSRF(w, r), typed(form, r),
			domain.Errorf(domain.CodeUnavailable, "Too many people are connecting just now.").WithFix("Try again in a moment.")))
		return
	}
	defer leave()
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
	p.render(w, http.StatusOK, "done.html", p.donePage(form, account))
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
	status := http.StatusBadRequest
	switch e.Code {
	case domain.CodeNotFound:
		p.refuse(w, r, err)
		return
	case domain.CodeInternal:
		status = http.StatusInternalServerError
		p.logFailure(r, e)
	case domain.CodeUnavailable:
		status = http.StatusServiceUnavailable
	case domain.CodeRateLimited:
		status = http.StatusTooManyRequests
	}
	p.render(w, status, "connect.html", p.formPage(form, newCSRF(w, r), typed(form, r), e))
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
	if e.Code == domain.CodeNotFound {
		p.notice(w, http.StatusNotFound, e.Message, e.Fix)
		return
	}
	p.logFailure(r, e)
	p.notice(w, http.StatusInternalServerError, "Something went wrong on our side", "Try the link again in a moment.")
}

// logFailure logs the cause; never the path, which holds the link's secret.
func (p *pages) logFailure(r *http.Request, e *domain.Error) {
	p.log.ErrorContext(r.Context(), "connect page failed", "error", e.Message, "cause", errors.Unwrap(e))
}

func (p *pages) notice(w http.ResponseWriter, status int, title, text string) {
	p.render(w, status, "notice.html", noticePage{Style: p.style, Title: title, Text: text})
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

// sameOrigin says whether the form comes from our own page, as far as the
// browser tells. Old browsers send no Sec-Fetch-Site, and an Origin of "null"
// under our referrer policy: then the cookie alone decides.
func sameOrigin(r *http.Request) bool {
	if site := r.Header.Get("Sec-Fetch-Site"); site != "" {
		return site == "same-origin" || site == "none"
	}
	origin := r.Header.Get("Origin")
	if origin == "" || origin == "null" {
		return true
	}
	u, err := url.Parse(origin)
	return err == nil && u.Host == r.Host
}

// newCSRF gives the browser's form token: the one that its cookie has already,
// so that two open pages do not disturb each other, or a new one.
func newCSRF(w http.ResponseWriter, r *http.Request) string {
	if c, err := r.Cookie(cookieName); err == nil && len(c.Value) == csrfLength {
		return c.Value
	}
	token := rand.Text()
	http.SetCookie(w, &http.Cookie{
		Name: cookieName, Value: token, Path: "/link/", HttpOnly: true, SameSite: http.SameSiteStrictMode,
		// A header that anyone may set only ever makes the cookie stricter.
		Secure: r.TLS != nil || r.Header.Get("X-Forwarded-Proto") == "https",
	})
	return token
}

const csrfLength = 26 // of rand.Text

func goodCSRF(r *http.Request) bool {
	c, err := r.Cookie(cookieName)
	return err == nil && len(c.Value) == csrfLength &&
		subtle.ConstantTimeCompare([]byte(c.Value), []byte(r.PostForm.Get("csrf"))) == 1
}
