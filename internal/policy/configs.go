package policy

import (
	"slices"

	"github.com/sluice-run/sluice/internal/catalog"
	"github.com/sluice-run/sluice/internal/domain"
)

// Config gives nil when the tool may run on accounts of the auth config, else a
// CodeForbidden error that names the rule.
func Config(t *catalog.Tool, config *domain.AuthConfig, account *domain.ConnectedAccount) error {
	if len(config.Tools) == 0 || slices.Contains(config.Tools, t.Slug) {
		return nil
	}
	return domain.Errorf(domain.CodeForbidden,
		"tool %s may not run on account %s: the project restricts the accounts of auth config %s to other tools (tool_access_config.tools_available_for_execution)",
		t.Slug, account.ID, config.ID).
		WithFix("Use another tool, or an account that is connected by another auth config.")
}
