package api

import (
	"context"
	"errors"
	"net/http"

	"github.com/sluice-run/sluice/internal/connect"
	"github.com/sluice-run/sluice/internal/domain"
)

// headlessRoutes are for programs without a browser at hand, such as a terminal.
func (s *server) headlessRoutes() {
	const consents = ownPrefix + "/consents"
	handle(s, operation{
		id: "beginConsent", method: http.MethodPost, path: consents, tag: "connected accounts", status: http.StatusCreated,
		summary: "Begin a sign-in at a provider whose answer the user carries back by hand",
	}, s.beginConsent)
	handle(s, operation{
		id: "answerConsent", method: http.MethodPost, path: consents + "/answer", tag: "connected accounts",
		summary: "Take the address on which the provider left the user",
	}, s.answerConsent)
	handle(s, operation{
		id: "finishConsent", method: http.MethodPost, path: consents + "/finish", tag: "connected accounts",
		summary: "Choose the site of a sign-in, with what was granted there",
	}, s.finishConsent)
	handle(s, operation{
		id: "createConnectCode", method: http.MethodPost, path: ownPrefix + "/connect_codes", tag: "connected accounts", status: http.StatusCreated,
		summary: "Give a short code for a link, to be typed on the router's page on any device",
	}, s.createConnectCode)
}

type beginConsentIn struct {
	Body struct {
		LinkToken string `json:"link_token" minLength:"1" doc:"Of a link that nobody has begun with; it is bound to this sign-in"`
		Data      object `json:"connection_data,omitempty" doc:"Public values that the page would ask for, such as subdomain"`
	}
}

type consentBegun struct {
	Flow         string `json:"flow" doc:"Names the sign-in"`
	Secret       string `json:"secret" doc:"Shown once: whoever holds it may answer"`
	AuthorizeURL string `json:"authorize_url" doc:"The provider's page, for any browser of the user"`
	RedirectURI  string `json:"redirect_uri" doc:"Where the provider leaves the user; it need not load"`
	ExpiresAt    string `json:"expires_at"`
}

func (s *server) beginConsent(ctx context.Context, in *beginConsentIn) (consentBegun, error) {
	values, err := connectionData(in.Body.Data)
	if err != nil {
		return consentBegun{}, err
	}
	c := callerOf(ctx)
	d, err := s.Connect.DepartByHand(ctx, c.principal.ProjectID, in.Body.LinkToken, c.origin, values)
	if err != nil {
		return consentBegun{}, err
	}
	return consentBegun{Flow: d.Flow, Secret: d.Browser, AuthorizeURL: d.URL, RedirectURI: d.RedirectURI, ExpiresAt: wireTime(d.ExpiresAt)}, nil
}

type answerConsentIn struct {
	Body struct {
		Flow    string `json:"flow" minLength:"1"`
		Secret  string `json:"secret" minLength:"1"`
		Address string `json:"address" minLength:"1" doc:"All of it, with code and state"`
	}
}

type finishConsentIn struct {
	Body struct {
		Flow   string `json:"flow" minLength:"1"`
		Secret string `json:"secret" minLength:"1"`
		Site   string `json:"site" doc:"The id of one of the sites that were asked about"`
	}
}

const (
	consentConnected = "connected"
	consentQuestion  = "question"
	consentFailed    = "failed"
)

type consentOut struct {
	Status    string        `json:"status" enum:"connected,question,failed"`
	AccountID string        `json:"connected_account_id"`
	Sites     []consentSite `json:"sites,omitempty" doc:"To choose one of; one alone: whether what was granted will do"`
	Message   *string       `json:"message" doc:"Why it failed; the sign-in is over"`
	Fix       *string       `json:"suggested_fix"`
}

type consentSite struct {
	ID      string   `json:"id"`
	Name    string   `json:"name"`
	URL     string   `json:"url"`
	Missing []string `json:"missing_scopes" doc:"Asked for and not granted there"`
	Lost    []string `json:"lost_tools" doc:"Tools that will not work for want of them"`
	Of      int      `json:"tools" doc:"How many would have worked"`
}

func (s *server) answerConsent(ctx context.Context, in *answerConsentIn) (consentOut, error) {
	done, pending, err := s.Connect.ArriveByHand(ctx, callerOf(ctx).principal.ProjectID, in.Body.Flow, in.Body.Secret, in.Body.Address)
	return consentResult(done, pending, err)
}

func (s *server) finishConsent(ctx context.Context, in *finishConsentIn) (consentOut, error) {
	done, pending, err := s.Connect.FinishByHand(ctx, callerOf(ctx).principal.ProjectID, in.Body.Flow, in.Body.Secret, in.Body.Site)
	return consentResult(done, pending, err)
}

// consentResult writes where a sign-in has led. That the person or the provider
// said no is an outcome; an error is a request that cannot be understood.
func consentResult(done *connect.Connected, pending *connect.Pending, err error) (consentOut, error) {
	var failed *connect.FlowError
	switch {
	case errors.As(err, &failed) && failed.Err.Code != domain.CodeInternal:
		return consentOut{
			Status: consentFailed, AccountID: failed.Form.Account.ID, Message: optional(failed.Err.Message), Fix: optional(failed.Err.Fix),
		}, nil
	case err != nil:
		return consentOut{}, err
	case pending != nil:
		out := consentOut{Status: consentQuestion, AccountID: pending.Form.Account.ID}
		for _, site := range pending.Sites {
			out.Sites = append(out.Sites, consentSite{
				ID: site.ID, Name: site.Name, URL: site.URL, Missing: texts(site.Missing), Lost: texts(site.Tools), Of: site.Of,
			})
		}
		return out, nil
	}
	return consentOut{Status: consentConnected, AccountID: done.Account.ID}, nil
}

type connectCodeIn struct {
	Body struct {
		LinkToken string `json:"link_token" minLength:"1" doc:"Of a link that nobody has begun with; only the code leads to it from then on"`
	}
}

type connectCodeOut struct {
	Code      string `json:"code" doc:"Eight letters, such as BCDF-GHJK; for one use"`
	PageURL   string `json:"page_url" doc:"Where it is typed"`
	ExpiresAt string `json:"expires_at"`
}

func (s *server) createConnectCode(ctx context.Context, in *connectCodeIn) (connectCodeOut, error) {
	c := callerOf(ctx)
	code, err := s.Connect.NewCode(ctx, c.principal.ProjectID, in.Body.LinkToken)
	if err != nil {
		return connectCodeOut{}, err
	}
	return connectCodeOut{Code: code.Text, PageURL: c.origin + connect.CodePath, ExpiresAt: wireTime(code.ExpiresAt)}, nil
}
