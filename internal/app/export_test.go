package app

import (
	"net/http"

	"github.com/sluice-run/sluice/sandbox/confluence"
)

// Site is the embedded Confluence, for tests that disturb it.
func (a *App) Site() *confluence.Sandbox { return a.sand.site }

// Handler takes requests without a connection, for benchmarks.
func (a *App) Handler() http.Handler { return a.server.Handler }

// SetRevoker puts a provider of tests in the place of the real ones.
func (v *Vault) SetRevoker(r Revoker) { v.revoke = r }

// Revoker gives the one in use.
func (v *Vault) Revoker() Revoker { return v.revoke }

// Doors are the paths that are served besides the REST API's.
func (a *App) Doors() []string { return a.doors }
