package policy

import (
	"strings"

	"github.com/sluice-run/sluice/internal/catalog"
	"github.com/sluice-run/sluice/internal/domain"
	"github.com/sluice-run/sluice/toolkit"
)

// Scopes gives nil when the account's scopes are enough for the tool, or are
// not known; else a CodeForbidden error that names what is missing. A nil
// account is a tool without one.
func Scopes(t *catalog.Tool, account *domain.ConnectedAccount) error {
	return missing(t.Scopes, account, "tool "+t.Slug+" cannot run")
}

// TriggerScopes is Scopes for a trigger type.
func TriggerScopes(t *catalog.Trigger, account *domain.ConnectedAccount) error {
	return missing(t.Scopes, account, "trigger "+t.Slug+" cannot watch")
}

func missing(wanted toolkit.Scopes, account *domain.ConnectedAccount, cannot string) error {
	if account == nil || account.Scopes == nil {
		return nil
	}
	lacking := wanted.Missing(account.Scopes)
	if len(lacking) == 0 {
		return nil
	}
	needs := make([]string, 0, len(lacking))
	for _, names := range lacking {
		needs = append(needs, strings.Join(names, " or "))
	}
	noun := "the scope"
	if len(needs) > 1 {
		noun = "the scopes"
	}
	return domain.Errorf(domain.CodeForbidden, "%s on account %s: it was not granted %s %s", cannot, account.ID, noun, strings.Join(needs, ", ")).
		WithFix("Connect the account again with %s %s, or use another account.", noun, strings.Join(needs, ", "))
}
