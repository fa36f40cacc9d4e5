package api

import (
	"context"
	"net/http"
	"slices"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"github.com/sluice-run/sluice/internal/domain"
	"github.com/sluice-run/sluice/internal/store"
)

// ownPrefix is where operations lie that the contract does not have.
const ownPrefix = "/sluice"

func (s *server) ownRoutes() {
	handle(s, operation{
		id: "getBranding", method: http.MethodGet, path: ownPrefix + "/branding", tag: "project",
		summary: "Get how the project's connect pages look",
	}, s.getBranding)
	handle(s, operation{
		id: "setBranding", method: http.MethodPatch, path: ownPrefix + "/branding", tag: "project",
		summary: "Change how the project's connect pages look; what is not named stays",
	}, s.setBranding)
	handle(s, operation{
		id: "listAccountEvents", method: http.MethodGet, path: ownPrefix + "/account_events", tag: "connected accounts",
		summary: "List what became of accounts: expiring, expired, recovered, revoked; newest first",
		query: paged(
			param{"connected_account_id", huma.TypeString, "Only of this account"},
			param{"types", huma.TypeArray, "Only expiring, expired, recovered or revoked"},
		),
	}, s.listAccountEvents)
}

type brandingOut struct {
	Name  string `json:"name"`
	Logo  string `json:"logo"`
	Color string `json:"color"`
}

type brandingIn struct {
	Body struct {
		Name  *string `json:"name,omitempty" doc:"Of the application, as its users know it; empty: the project's own name"`
		Logo  *string `json:"logo,omitempty" doc:"https address or data: URI of a picture; empty: none"`
		Color *string `json:"color,omitempty" doc:"#rrggbb, of buttons; empty: the usual"`
	}
}

func (s *server) getBranding(ctx context.Context, _ *struct{}) (brandingOut, error) {
	b, err := s.Connect.Branding(ctx, callerOf(ctx).principal.ProjectID)
	return brandingOut(b), err
}

func (s *server) setBranding(ctx context.Context, in *brandingIn) (brandingOut, error) {
	project := callerOf(ctx).principal.ProjectID
	b, err := s.Connect.Branding(ctx, project)
	if err != nil {
		return brandingOut{}, err
	}
	for _, f := range []struct{ to, from *string }{{&b.Name, in.Body.Name}, {&b.Logo, in.Body.Logo}, {&b.Color, in.Body.Color}} {
		if f.from != nil {
			*f.to = *f.from
		}
	}
	b, err = s.Connect.SetBranding(ctx, project, b)
	return brandingOut(b), err
}

type accountEventOut struct {
	ID        string                  `json:"id" doc:"Stays the same however often the event is told"`
	Type      domain.AccountEventType `json:"type" enum:"expiring,expired,recovered,revoked"`
	AccountID string                  `json:"connected_account_id"`
	UserID    string                  `json:"user_id"`
	Toolkit   slugOut                 `json:"toolkit"`
	Reason    *string                 `json:"reason"`
	CreatedAt string                  `json:"created_at"`
}

var eventTypes = []string{
	string(domain.AccountEventExpiring), string(domain.AccountEventExpired),
	string(domain.AccountEventRecovered), string(domain.AccountEventRevoked),
}

func (s *server) listAccountEvents(ctx context.Context, in *listQuery) (page[accountEventOut], error) {
	var none page[accountEventOut]
	w, err := in.window(defaultPage, maxTools)
	if err != nil {
		return none, err
	}
	f := store.AccountEventFilter{AccountID: in.text("connected_account_id")}
	for _, t := range in.list("types") {
		if !slices.Contains(eventTypes, t) {
			return none, domain.Invalid("types", "types: expected any of %s", strings.Join(eventTypes, ", "))
		}
		f.Types = append(f.Types, domain.AccountEventType(t))
	}
	list, total, err := s.Connect.Events(ctx, callerOf(ctx).principal.ProjectID, f, w.store())
	if err != nil {
		return none, err
	}
	items := make([]accountEventOut, 0, len(list))
	for _, e := range list {
		items = append(items, accountEventOut{
			ID: e.ID, Type: e.Type, AccountID: e.AccountID, UserID: e.UserID, Toolkit: slugOut{Slug: e.Toolkit},
			Reason: optional(e.Reason), CreatedAt: wireTime(e.At),
		})
	}
	return pageOf(w, items, total), nil
}
