package api

import (
	"context"
	"maps"
	"net/http"
	"slices"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/sluice-run/sluice/internal/domain"
	"github.com/sluice-run/sluice/internal/trigger"
)

func (s *server) endpointRoutes() {
	const at, tag = "/webhook_endpoints", "webhook endpoints"
	handle(s, operation{
		id: "createWebhookEndpoint", method: http.MethodPost, path: at, tag: tag, status: http.StatusCreated,
		summary: "Make the address at which an application tells of changes, or get the one that is there (200). The secret is told this once",
	}, s.createEndpoint)
	// The same body, when it was there already.
	made := s.huma.OpenAPI().Paths[prefix+at].Post
	made.Responses["200"] = made.Responses["201"]
	handle(s, operation{
		id: "listWebhookEndpoints", method: http.MethodGet, path: at, tag: tag, summary: "List the addresses at which applications tell of changes",
		query: []param{{"toolkit_slug", huma.TypeString, "Only of this toolkit"}},
	}, s.listEndpoints)
	handle(s, operation{
		id: "getWebhookEndpoint", method: http.MethodGet, path: at + "/{nano_id}", tag: tag, summary: "Get an endpoint",
	}, s.getEndpoint)
	handle(s, operation{
		id: "replaceWebhookEndpoint", method: http.MethodPost, path: at + "/{nano_id}", tag: tag,
		summary: "Replace the endpoint's data: the secret of before ends at once",
	}, s.replaceEndpoint)
	handle(s, operation{
		id: "updateWebhookEndpoint", method: http.MethodPatch, path: at + "/{nano_id}", tag: tag,
		summary: "Change the endpoint's data; what is not named stays, and the secret of before is taken for a day more",
	}, s.updateEndpoint)
	handle(s, operation{
		id: "deleteWebhookEndpoint", method: http.MethodDelete, path: at + "/{nano_id}", tag: tag, summary: "End an endpoint",
	}, s.deleteEndpoint)
	handle(s, operation{
		id: "rotateWebhookEndpointSecret", method: http.MethodPost, path: at + "/{nano_id}/rotate_secret", tag: tag,
		summary: "Give the endpoint a new secret; for a time the one of before is taken as well",
	}, s.rotateEndpoint)
}

// EndpointPath is the id of an endpoint in a path, by the contract's name.
type EndpointPath struct {
	ID string `path:"nano_id"`
}

type endpointOut struct {
	ID            string            `json:"id"`
	Toolkit       string            `json:"toolkit_slug"`
	ClientID      *string           `json:"client_id" doc:"Accounts of the auth configs with this client_id, or of the one with this id, are told; null: all of the toolkit"`
	URL           string            `json:"webhook_url" doc:"Where the application posts to"`
	Header        string            `json:"secret_header" doc:"The header in which it sends the secret"`
	Data          map[string]string `json:"data" doc:"secret: told when the router makes it, masked everywhere else"`
	PreviousUntil *string           `json:"previous_secret_valid_until"`
	ReceivedAt    *string           `json:"last_received_at"`
	LastError     *string           `json:"last_error" doc:"What was wrong with what was last looked into"`
	CreatedAt     string            `json:"created_at"`

	status int
}

func (o endpointOut) httpStatus() int {
	if o.status != 0 {
		return o.status
	}
	return http.StatusOK
}

func (s *server) endpointWire(ctx context.Context, e *domain.WebhookEndpoint, secret string) endpointOut {
	out := endpointOut{
		ID: e.ID, Toolkit: e.Toolkit, ClientID: optional(e.ClientID), URL: ReceiverURL(callerOf(ctx).origin, e.ID),
		Header: trigger.SecretHeader, Data: map[string]string{"secret": secret}, ReceivedAt: wireTimeOrNull(e.ReceivedAt),
		LastError: optional(e.LastError), CreatedAt: wireTime(e.CreatedAt),
	}
	if s.Now().Before(e.PreviousUntil) {
		out.PreviousUntil = wireTimeOrNull(e.PreviousUntil)
	}
	return out
}

type createEndpointIn struct {
	Body struct {
		Toolkit  string `json:"toolkit_slug" minLength:"1" maxLength:"100"`
		ClientID string `json:"client_id,omitempty" doc:"OAuth client id, or the id of an auth config: only its accounts are told"`
	}
}

func (s *server) createEndpoint(ctx context.Context, in *createEndpointIn) (endpointOut, error) {
	e, secret, made, err := s.Triggers.CreateEndpoint(ctx, callerOf(ctx).principal.ProjectID, in.Body.Toolkit, in.Body.ClientID)
	if err != nil {
		return endpointOut{}, err
	}
	if !made {
		return s.endpointWire(ctx, &e, hiddenSecret), nil
	}
	out := s.endpointWire(ctx, &e, secret)
	out.status = http.StatusCreated
	return out, nil
}

type endpointItem struct {
	ID       string  `json:"id"`
	Toolkit  string  `json:"toolkit_slug"`
	ClientID *string `json:"client_id"`
}

type endpointsOut struct {
	Items []endpointItem `json:"items"`
}

func (s *server) listEndpoints(ctx context.Context, in *listQuery) (endpointsOut, error) {
	out := endpointsOut{Items: []endpointItem{}}
	list, err := s.Triggers.Endpoints(ctx, callerOf(ctx).principal.ProjectID, in.text("toolkit_slug"))
	for _, e := range list {
		out.Items = append(out.Items, endpointItem{ID: e.ID, Toolkit: e.Toolkit, ClientID: optional(e.ClientID)})
	}
	return out, err
}

func (s *server) getEndpoint(ctx context.Context, in *EndpointPath) (endpointOut, error) {
	e, err := s.Triggers.Endpoint(ctx, callerOf(ctx).principal.ProjectID, in.ID)
	if err != nil {
		return endpointOut{}, err
	}
	return s.endpointWire(ctx, &e, hiddenSecret), nil
}

type endpointDataIn struct {
	EndpointPath
	Body struct {
		Data map[string]string `json:"data" doc:"secret: 24 to 256 printable ASCII characters"`
	}
}

// secretOf gives the only thing that the data of an endpoint may hold.
func (in *endpointDataIn) secretOf() (string, error) {
	for _, name := range slices.Sorted(maps.Keys(in.Body.Data)) {
		if name != "secret" {
			return "", domain.Invalid("data."+cutField(name), "data.%s: there is no such field; data may have: secret", cutField(name))
		}
	}
	return in.Body.Data["secret"], nil
}

// cutField bounds a name that came from outside.
func cutField(name string) string { return name[:min(len(name), 40)] }

func (s *server) replaceEndpoint(ctx context.Context, in *endpointDataIn) (endpointOut, error) {
	secret, err := in.secretOf()
	if err == nil && secret == "" {
		err = domain.Invalid("data.secret", "data.secret: expected the secret that the application is to send").
			WithFix("POST …/rotate_secret has the router choose one.")
	}
	return s.setEndpoint(ctx, in, secret, 0, err)
}

func (s *server) updateEndpoint(ctx context.Context, in *endpointDataIn) (endpointOut, error) {
	secret, err := in.secretOf()
	if _, named := in.Body.Data["secret"]; err == nil && !named {
		return s.getEndpoint(ctx, &in.EndpointPath)
	}
	if err == nil && secret == "" {
		err = domain.Invalid("data.secret", "data.secret: an endpoint cannot be without a secret")
	}
	return s.setEndpoint(ctx, in, secret, trigger.DefaultOverlap, err)
}

func (s *server) setEndpoint(ctx context.Context, in *endpointDataIn, secret string, overlap time.Duration, err error) (endpointOut, error) {
	if err != nil {
		return endpointOut{}, err
	}
	e, _, err := s.Triggers.SetEndpointSecret(ctx, callerOf(ctx).principal.ProjectID, in.ID, secret, overlap)
	if err != nil {
		return endpointOut{}, err
	}
	return s.endpointWire(ctx, &e, hiddenSecret), nil
}

func (s *server) deleteEndpoint(ctx context.Context, in *EndpointPath) (deletedOut, error) {
	if err := s.Triggers.DeleteEndpoint(ctx, callerOf(ctx).principal.ProjectID, in.ID); err != nil {
		return deletedOut{}, err
	}
	return deletedOut{Success: true}, nil
}

type rotateEndpointIn struct {
	EndpointPath
	Body *overlapIn
}

func (s *server) rotateEndpoint(ctx context.Context, in *rotateEndpointIn) (rotatedWebhook, error) {
	e, secret, err := s.Triggers.SetEndpointSecret(ctx, callerOf(ctx).principal.ProjectID, in.ID, "", in.Body.within(trigger.DefaultOverlap, trigger.MaxOverlap))
	if err != nil {
		return rotatedWebhook{}, err
	}
	return rotatedWebhook{ID: e.ID, Secret: secret, PreviousUntil: wireTimeOrNull(e.PreviousUntil)}, nil
}
