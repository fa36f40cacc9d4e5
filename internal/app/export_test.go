package app

import "github.com/sluice-run/sluice/sandbox/confluence"

// Site is the embedded Confluence, for tests that disturb it.
func (a *App) Site() *confluence.Sandbox { return a.sand.site }
