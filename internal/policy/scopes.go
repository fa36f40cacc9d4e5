package policy

import (
	"strings"

	"github.com/sluice-run/sluice/internal/catalog"
	"github.com/sluice-run/sluice/internal/domain"
)

// Scopes gives nil when the account's scopes are enough for the tool, or are
// not known; else a CodeForbidden error that names what is missing. A nil
// account is a tool without one.
func Scopes(t *catalog.Tool, account *domain.ConnectedAccount) error {
	if account == nil || account.Scopes == nil {
		return nil
	}
	missing := t.Scopes.Missing(account.Scopes)
	if len(missing) == 0 {
		return nil
	}
	needs := make([]string, 0, len(missing))
	for _, names := range missing {
		needs = append(needs, strings.Join(names, " or "))
	}
	noun := "the scope"
	if len(needs) > 1 {
		noun = "the scopes"
	}
	return domain.Errorf(domain.CodeForbidden, "tool %s cannot run on account %s: it was not granted %s %s", t.Slug, account.ID, noun, strings.Join(needs, ", ")).
		WithFix("Connect the account again with %s %s, or use another account.", noun, strings.Join(needs, ", "))
}
