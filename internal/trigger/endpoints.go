package trigger

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/sluice-run/sluice/internal/domain"
	"github.com/sluice-run/sluice/internal/store"
	"github.com/sluice-run/sluice/internal/vault"
)

const (
	// DefaultOverlap is how long the secret before the current one stays good, and
	// MaxOverlap the longest that can be asked for.
	DefaultOverlap = 24 * time.Hour
	MaxOverlap     = 7 * 24 * time.Hour

	endpointSecret = "wesec_"
	fieldSecret    = "secret"
	fieldPrevious  = "previous"
	// bounds of a secret that a project chooses, in characters.
	minSecret, maxSecret = 24, 256
	maxEndpoints         = 100 // of a project
	maxClientID          = 256
)

// Vault seals the secrets of endpoints.
type Vault interface {
	Seal(ctx context.Context, ref vault.Ref, plaintext []byte) ([]byte, error)
	Open(ctx context.Context, ref vault.Ref, sealed []byte) ([]byte, error)
}

// receivers gives the slugs of the toolkit's types that webhooks can feed.
func (s *Service) receivers(ctx context.Context, projectID, tk string) []string {
	var slugs []string
	for _, t := range s.opts.Catalog.Triggers(ctx, projectID) {
		if t.Toolkit.Slug == tk && t.Receives() {
			slugs = append(slugs, t.Slug)
		}
	}
	return slugs
}

// CreateEndpoint gives the project's endpoint for what the toolkit's application
// tells of: the one that is there, or a new one with a secret, which is told this
// once; made says which. clientID narrows what is told, see domain.WebhookEndpoint;
// it may
// be empty, and a client_id that no auth config has yet.
func (s *Service) CreateEndpoint(ctx context.Context, projectID, tk, clientID string) (e domain.WebhookEndpoint, secret string, made bool, err error) {
	tk = strings.ToLower(tk)
	if len(s.receivers(ctx, projectID, tk)) == 0 {
		return e, "", false, domain.Invalid("toolkit_slug", "toolkit_slug: no trigger of the toolkit %.80q can be fed by webhooks", tk).
			WithFix("GET /api/v3.1/triggers_types lists the types; their accepts_webhooks says which can.")
	}
	if len(clientID) > maxClientID {
		return e, "", false, domain.Invalid("client_id", "client_id: expected at most %d characters", maxClientID)
	}
	if domain.HasPrefix(clientID, domain.PrefixAuthConfig) {
		if _, err := s.opts.Store.AuthConfig(ctx, projectID, clientID); err != nil {
			return e, "", false, err
		}
	}
	now := s.now()
	e = domain.WebhookEndpoint{
		ID: domain.NewID(domain.PrefixEndpoint), ProjectID: projectID, Toolkit: tk, ClientID: clientID, CreatedAt: now, UpdatedAt: now,
	}
	secret = domain.NewSecret(endpointSecret)
	sealed, err := s.opts.Vault.Seal(ctx, endpointRef(&e, fieldSecret), []byte(secret))
	if err != nil {
		return e, "", false, err
	}
	err = raced(func() error {
		return s.opts.Store.InTx(ctx, func(tx store.Tx) error {
			there, err := tx.FindEndpoint(ctx, projectID, tk, clientID)
			if domain.CodeOf(err) != domain.CodeNotFound {
				made = false
				if err == nil {
					e, secret = there, ""
				}
				return err
			}
			all, err := tx.ListEndpoints(ctx, projectID, "")
			if err != nil {
				return err
			}
			if len(all) >= maxEndpoints {
				return domain.Errorf(domain.CodeForbidden, "the project has %d webhook endpoints, which is as many as it may", len(all)).
					WithFix("Delete endpoints that are no longer needed.")
			}
			made = true
			if err := tx.CreateEndpoint(ctx, e); err != nil {
				return err
			}
			return tx.PutEndpointSecret(ctx, projectID, e.ID, fieldSecret, sealed)
		})
	})
	return e, secret, made && err == nil, err
}

// Endpoints gives the project's endpoints, oldest first; an empty toolkit means
// every toolkit.
func (s *Service) Endpoints(ctx context.Context, projectID, tk string) ([]domain.WebhookEndpoint, error) {
	return s.opts.Store.ListEndpoints(ctx, projectID, strings.ToLower(tk))
}

// Endpoint gives one.
func (s *Service) Endpoint(ctx context.Context, projectID, id string) (domain.WebhookEndpoint, error) {
	return s.opts.Store.Endpoint(ctx, projectID, id)
}

// DeleteEndpoint ends an endpoint; what it received and was not looked into yet is
// dropped.
func (s *Service) DeleteEndpoint(ctx context.Context, projectID, id string) error {
	return s.opts.Store.DeleteEndpoint(ctx, projectID, id)
}

// SetEndpointSecret replaces the endpoint's secret by the given one, or by a new one
// where that is empty, and gives it. For the overlap the secret of before is taken
// as well; one from an earlier change ends at once.
func (s *Service) SetEndpointSecret(ctx context.Context, projectID, id, secret string, overlap time.Duration) (e domain.WebhookEndpoint, _ string, err error) {
	if overlap < 0 || overlap > MaxOverlap {
		return e, "", domain.Invalid("overlap_seconds", "overlap_seconds: expected 0 to %d", int(MaxOverlap.Seconds()))
	}
	if secret == "" {
		secret = domain.NewSecret(endpointSecret)
	}
	odd := strings.ContainsFunc(secret, func(r rune) bool { return r <= ' ' || r > '~' })
	if len(secret) < minSecret || len(secret) > maxSecret || odd {
		return e, "", domain.Invalid("data.secret", "data.secret: expected %d to %d printable ASCII characters without spaces", minSecret, maxSecret).
			WithFix("Leave the choice to the router: POST …/rotate_secret.")
	}
	if e, err = s.opts.Store.Endpoint(ctx, projectID, id); err != nil {
		return e, "", err
	}
	sealed, err := s.opts.Vault.Seal(ctx, endpointRef(&e, fieldSecret), []byte(secret))
	if err != nil {
		return e, "", err
	}
	err = s.opts.Store.InTx(ctx, func(tx store.Tx) error {
		if e, err = tx.Endpoint(ctx, projectID, id); err != nil {
			return err
		}
		e.UpdatedAt, e.PreviousUntil = s.now(), time.Time{}
		if overlap > 0 {
			e.PreviousUntil = e.UpdatedAt.Add(overlap)
		}
		if err := s.keepPrevious(ctx, tx, &e, overlap > 0); err != nil {
			return err
		}
		if err := tx.UpdateEndpoint(ctx, projectID, e); err != nil {
			return err
		}
		return tx.PutEndpointSecret(ctx, projectID, id, fieldSecret, sealed)
	})
	return e, secret, err
}

// keepPrevious makes the current secret the one of before, or, without an overlap,
// forgets that. It is sealed for its field, so it is opened and sealed again.
func (s *Service) keepPrevious(ctx context.Context, tx store.Tx, e *domain.WebhookEndpoint, overlap bool) error {
	var before []byte
	if overlap {
		all, err := tx.EndpointSecrets(ctx, e.ProjectID, e.ID)
		if err != nil {
			return err
		}
		old, err := s.opts.Vault.Open(ctx, endpointRef(e, fieldSecret), all[fieldSecret])
		if err != nil {
			return err
		}
		if before, err = s.opts.Vault.Seal(ctx, endpointRef(e, fieldPrevious), old); err != nil {
			return err
		}
	}
	return tx.PutEndpointSecret(ctx, e.ProjectID, e.ID, fieldPrevious, before)
}

func endpointRef(e *domain.WebhookEndpoint, field string) vault.Ref {
	return vault.Ref{ProjectID: e.ProjectID, AccountID: e.ID, Field: field}
}

// secrets gives the secrets that the endpoint takes now.
func (s *Service) secrets(ctx context.Context, e *domain.WebhookEndpoint) ([][]byte, error) {
	sealed, err := s.opts.Store.EndpointSecrets(ctx, e.ProjectID, e.ID)
	if err != nil {
		return nil, err
	}
	fields := []string{fieldSecret}
	if s.now().Before(e.PreviousUntil) {
		fields = append(fields, fieldPrevious)
	}
	var out [][]byte
	for _, f := range fields {
		plain, err := s.opts.Vault.Open(ctx, endpointRef(e, f), sealed[f])
		if err != nil {
			return nil, err
		}
		out = append(out, plain)
	}
	return out, nil
}

// clientConfigs gives the ids of the auth configs that an endpoint's client names.
func (s *Service) clientConfigs(ctx context.Context, e *domain.WebhookEndpoint) ([]string, error) {
	var ids []string
	for page := (store.Page{Limit: 1000}); ; page.Offset += page.Limit {
		list, _, err := s.opts.Store.ListAuthConfigs(ctx, e.ProjectID, e.Toolkit, page)
		if err != nil {
			return nil, err
		}
		for i := range list {
			if list[i].ID == e.ClientID || list[i].Fields["client_id"] == e.ClientID {
				ids = append(ids, list[i].ID)
			}
		}
		if len(list) < page.Limit {
			slices.Sort(ids)
			return ids, nil
		}
	}
}
