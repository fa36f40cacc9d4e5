package store

import (
	"context"
	"time"

	"github.com/sluice-run/sluice/internal/domain"
)

// SecretKey says where a sealed secret lies: with an account, or with an auth
// config, a webhook subscription, the project or a webhook endpoint when AccountID is
// the id of one.
type SecretKey struct{ ProjectID, AccountID, Field string }

// OfConfig says whether the secret is an auth config's.
func (k SecretKey) OfConfig() bool { return domain.HasPrefix(k.AccountID, domain.PrefixAuthConfig) }

// OfEndpoint says whether the secret is a webhook endpoint's.
func (k SecretKey) OfEndpoint() bool { return domain.HasPrefix(k.AccountID, domain.PrefixEndpoint) }

// OfWebhook says whether the secret is a webhook subscription's.
func (k SecretKey) OfWebhook() bool { return domain.HasPrefix(k.AccountID, domain.PrefixWebhook) }

// OfProject says whether the secret is the project's own.
func (k SecretKey) OfProject() bool { return k.AccountID != "" && k.AccountID == k.ProjectID }

// SecretInfo is a sealed secret and what is known about it. One of an auth config
// has no user, status or use, one of a webhook or a project no toolkit either.
type SecretInfo struct {
	SecretKey
	Sealed  []byte
	UserID  string
	Toolkit string
	Scheme  domain.AuthScheme
	Status  domain.AccountStatus
	Scopes  []string // as the account has them
	// CreatedAt is when the account first had a secret in this field, SealedAt
	// when it was last put or sealed anew, UsedAt when a call last used the
	// account; zero when none did.
	CreatedAt, SealedAt, UsedAt time.Time
}

// SecretFilter narrows a walk over all secrets; empty fields do not. Under and
// NotUnder are the first bytes of the sealed secrets that are meant, or are not:
// they say under which key one was sealed.
type SecretFilter struct {
	ProjectID, UserID, Toolkit string
	Under, NotUnder            []byte
}

// SecretWalk is for the operator: it goes over the secrets of all projects.
type SecretWalk interface {
	// SecretsAfter gives up to limit secrets behind a key, in the order of their
	// keys: the accounts' first, then the auth configs', the webhook subscriptions',
	// the projects' own, and the webhook endpoints'. The zero key is before all.
	SecretsAfter(ctx context.Context, f SecretFilter, after SecretKey, limit int) ([]SecretInfo, error)
	// CountSecrets says how many secrets the filter leaves.
	CountSecrets(ctx context.Context, f SecretFilter) (int, error)
	// SwapSecret puts sealed in the place of was. It reports false, and changes
	// nothing, when another secret lies there by now, or none.
	SwapSecret(ctx context.Context, key SecretKey, was, sealed []byte) (bool, error)
	// DeleteSecrets removes the account's secrets and says how many.
	DeleteSecrets(ctx context.Context, projectID, accountID string) (int, error)
}

// Uses keeps when accounts were last used.
type Uses interface {
	// TouchAccount keeps the use unless a later one is known, or the account is
	// gone.
	TouchAccount(ctx context.Context, projectID, accountID string, at time.Time) error
}
