package cli

import (
	"fmt"
	"runtime"

	"github.com/spf13/cobra"

	"github.com/sluice-run/sluice/internal/app"
)

func newVersion(s *shared) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "version",
		Short: "Say which version this is",
		Args:  noArgs,
		RunE: func(*cobra.Command, []string) error {
			if s.json {
				return s.writeJSON(map[string]string{
					"version": app.Version(), "go": runtime.Version(), "os": runtime.GOOS, "arch": runtime.GOARCH,
				})
			}
			fmt.Fprintf(s.Out, "sluice %s (%s, %s/%s)\n", app.Version(), runtime.Version(), runtime.GOOS, runtime.GOARCH)
			return nil
		},
	}
	s.jsonFlag(cmd)
	return cmd
}
