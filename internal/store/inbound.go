package store

import (
	"context"
	"time"

	"github.com/sluice-run/sluice/internal/domain"
)

// Endpoints keeps the addresses at which applications tell of changes.
type Endpoints interface {
	// CreateEndpoint fails with CodeConflict when the project has one of the toolkit
	// and client already.
	CreateEndpoint(ctx context.Context, e domain.WebhookEndpoint) error
	Endpoint(ctx context.Context, projectID, id string) (domain.WebhookEndpoint, error)
	// EndpointByID finds an endpoint of any project: this is how the project of what
	// an application sends becomes known.
	EndpointByID(ctx context.Context, id string) (domain.WebhookEndpoint, error)
	FindEndpoint(ctx context.Context, projectID, toolkit, clientID string) (domain.WebhookEndpoint, error)
	// ListEndpoints gives the project's endpoints, oldest first, at most 1,000; an
	// empty toolkit means every toolkit.
	ListEndpoints(ctx context.Context, projectID, toolkit string) ([]domain.WebhookEndpoint, error)
	// UpdateEndpoint replaces the end of the previous secret and the updated time.
	UpdateEndpoint(ctx context.Context, projectID string, e domain.WebhookEndpoint) error
	// NoteReceived keeps when something came; NoteOutcome what was wrong with it. An
	// endpoint that is gone is no error.
	NoteReceived(ctx context.Context, projectID, id string, at time.Time) error
	NoteOutcome(ctx context.Context, projectID, id, problem string) error
	// DeleteEndpoint removes the endpoint with its secrets and what it received.
	DeleteEndpoint(ctx context.Context, projectID, id string) error
	// PutEndpointSecret keeps a sealed value of the endpoint.
	PutEndpointSecret(ctx context.Context, projectID, endpointID, field string, sealed []byte) error
	// EndpointSecrets gives the sealed values by field.
	EndpointSecrets(ctx context.Context, projectID, endpointID string) (map[string][]byte, error)
}

// PollFilter says which polls are meant.
type PollFilter struct {
	Toolkit       string
	Triggers      []string // slugs; none: no poll
	AuthConfigIDs []string // of the accounts; empty: any
}

// Inbounds keeps what applications told until it was looked into.
type Inbounds interface {
	AddInbound(ctx context.Context, w domain.InboundWebhook) error
	Inbound(ctx context.Context, projectID, id string) (domain.InboundWebhook, error)
	// CountInbound says how much of the endpoint waits.
	CountInbound(ctx context.Context, projectID, endpointID string) (int, error)
	// UpdateInbound replaces the polls.
	UpdateInbound(ctx context.Context, projectID, id string, polls []string) error
	// DropInbound removes one; one that is gone is no error.
	DropInbound(ctx context.Context, projectID, id string) error
	// DropInbounds removes up to limit of all projects that came before the given
	// time, and says how many.
	DropInbounds(ctx context.Context, before time.Time, limit int) (int, error)
	// LivePolls gives the ids of polls that somebody wants polled, oldest first.
	LivePolls(ctx context.Context, projectID string, f PollFilter, limit int) ([]string, error)
}

// TriggerSettings keeps what projects set for their triggers.
type TriggerSettings interface {
	// TriggerBounds gives the zero value where there are none.
	TriggerBounds(ctx context.Context, projectID string) (domain.TriggerBounds, error)
	PutTriggerBounds(ctx context.Context, projectID string, b domain.TriggerBounds) error
}
