package ui

import (
	"errors"
	"math"
	"net/http"
	"strconv"

	"github.com/sluice-run/sluice/internal/connect"
	"github.com/sluice-run/sluice/internal/domain"
)

// RouteCode is the page on which the code of a terminal is typed.
const RouteCode = connect.CodePath

// maxShownCode is as much of a wrong code as the page shows again.
const maxShownCode = 16

type codePage struct {
	look
	Code, Message, Fix string
}

// code asks for a code and leads to its link.
func (p *pages) code(w http.ResponseWriter, r *http.Request) {
	switch r.Method {
	case http.MethodGet, http.MethodHead:
		p.askCode(w, r, http.StatusOK, nil)
		return
	case http.MethodPost:
	default:
		p.notAllowed(w, "GET, HEAD, POST")
		return
	}
	if !p.parse(w, r) {
		return
	}
	// To have a code typed does no more than to have a link opened, so the form
	// needs no token; still it is not taken from other sites.
	if !sameOrigin(r) {
		p.askCode(w, r, http.StatusForbidden, domain.Errorf(domain.CodeForbidden, "The form was not sent from this page.").WithFix("Type the code here."))
		return
	}
	in, err := p.connect.Redeem(r.Context(), r.PostForm.Get("code"))
	if err == nil {
		http.Redirect(w, r, "/link/"+in.Token, http.StatusSeeOther)
		return
	}
	e := domain.AsError(err)
	status := p.statusOf(r, e)
	switch {
	case e.Code == domain.CodeNotFound: // what it leads to has ended since
		p.refuse(w, r, err)
		return
	case errors.Is(err, connect.ErrSpent):
		status = http.StatusGone
	case e.RetryAfter > 0:
		w.Header().Set("Retry-After", strconv.Itoa(int(math.Ceil(e.RetryAfter.Seconds()))))
	}
	p.askCode(w, r, status, e)
}

func (p *pages) askCode(w http.ResponseWriter, r *http.Request, status int, e *domain.Error) {
	// The link's page may send the browser on to the router's own address, and
	// browsers hold that to form-action as well.
	page := codePage{look: p.guard(w, p.origin(r), connect.Branding{})}
	if e != nil {
		page.Message, page.Fix = e.Message, e.Fix
		if typed := r.PostForm.Get("code"); e.Code == domain.CodeInvalid && len(typed) <= maxShownCode {
			page.Code = typed
		}
		if e.Code == domain.CodeInternal {
			page.Message, page.Fix = "Something went wrong on our side.", "Try again in a moment."
		}
	}
	p.render(w, status, "code.html", page)
}
