package cli

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/sluice-run/sluice/client"
	"github.com/sluice-run/sluice/internal/app"
)

// completeTime bounds what a press of the tab key may take.
const completeTime = 3 * time.Second

// complete asks a router for what f gives, in completeTime. What fails completes
// nothing: there is nowhere to say why.
func (s *shared) complete(cmd *cobra.Command, f func(context.Context, *router) ([]string, error)) ([]string, cobra.ShellCompDirective) {
	ctx, cancel := context.WithTimeout(cmd.Context(), completeTime)
	defer cancel()
	r, err := s.router(ctx)
	if err != nil {
		return nil, cobra.ShellCompDirectiveError
	}
	defer r.Close(ctx)
	found, err := f(ctx, r)
	if err != nil {
		return nil, cobra.ShellCompDirectiveError
	}
	return found, cobra.ShellCompDirectiveNoFileComp
}

// option is one completion with its explanation.
func option(value, text string) string {
	return printable(value) + "\t" + firstLine(text, 60)
}

// completeTool completes tool slugs from the catalogue.
func (s *shared) completeTool(cmd *cobra.Command, args []string, begun string) ([]string, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	return s.complete(cmd, func(ctx context.Context, r *router) ([]string, error) {
		var slugs []string
		for t, err := range r.Tools(ctx, client.ToolQuery{}) {
			if err != nil {
				return nil, err
			}
			if strings.HasPrefix(t.Slug, strings.ToUpper(begun)) {
				slugs = append(slugs, option(t.Slug, t.Name))
			}
		}
		return slugs, nil
	})
}

// completeArgument completes the names of a tool's arguments.
func (s *shared) completeArgument(cmd *cobra.Command, args []string, begun string) ([]string, cobra.ShellCompDirective) {
	if len(args) == 0 || strings.Contains(begun, "=") {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	names, directive := s.complete(cmd, func(ctx context.Context, r *router) ([]string, error) {
		t, err := r.Tool(ctx, args[0])
		if err != nil {
			return nil, err
		}
		params, err := parameters(t.Input)
		names := make([]string, 0, len(params))
		for _, p := range params {
			names = append(names, option(p.name+"=", p.description))
		}
		return names, err
	})
	return names, directive | cobra.ShellCompDirectiveNoSpace
}

// completeToolkit completes the slugs of toolkits.
func (s *shared) completeToolkit(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	return s.complete(cmd, func(ctx context.Context, r *router) ([]string, error) {
		var slugs []string
		for t, err := range r.Toolkits(ctx, client.ToolkitQuery{}) {
			if err != nil {
				return nil, err
			}
			slugs = append(slugs, option(t.Slug, t.Name))
		}
		return slugs, nil
	})
}

// completeAccount completes the ids of connected accounts.
func (s *shared) completeAccount(cmd *cobra.Command, _ []string, _ string) ([]string, cobra.ShellCompDirective) {
	return s.complete(cmd, func(ctx context.Context, r *router) ([]string, error) {
		var ids []string
		for a, err := range r.Accounts(ctx, client.AccountQuery{}) {
			if err != nil {
				return nil, err
			}
			ids = append(ids, option(a.ID, a.Toolkit.Slug+" of "+a.UserID+" "+a.WordID))
		}
		return ids, nil
	})
}

// homeExists says whether there is a home: completing must not make one.
func (s *shared) homeExists() bool {
	cfg, err := app.LoadConfig(s.config, s.home)
	if err != nil {
		return false
	}
	entries, err := os.ReadDir(filepath.Clean(cfg.Home))
	return err == nil && len(entries) > 0
}
