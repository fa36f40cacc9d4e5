package cli

import (
	"fmt"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/sluice-run/sluice/internal/app"
	"github.com/sluice-run/sluice/internal/domain"
)

func newProjects(s *shared) *cobra.Command {
	cmd := group(&cobra.Command{
		Use:   "projects",
		Short: "Make and list projects",
		Long: "Make and list the projects of a home. A project has users, connections, sessions\n" +
			"and settings of its own, which no key of another project reaches. It works beside\n" +
			"a running router on the same home, and without one.",
		Example: "  sluice projects create acme\n  sluice keys create --project acme\n  sluice projects list",
	})
	cmd.PersistentFlags().BoolVar(&s.json, "json", false, "write JSON")
	cmd.AddCommand(newProjectsCreate(s), newProjectsList(s))
	return cmd
}

// projectView is a project as it is listed.
type projectView struct {
	ID        string    `json:"id"`
	Name      string    `json:"name"`
	CreatedAt time.Time `json:"created_at"`
}

func viewProject(p domain.Project) projectView {
	return projectView{ID: p.ID, Name: p.Name, CreatedAt: p.CreatedAt}
}

func newProjectsCreate(s *shared) *cobra.Command {
	return &cobra.Command{
		Use: "create NAME", Short: "Make a project; it has no key yet", Args: oneArg("the name of the project"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return s.withKeys(cmd.Context(), func(keys *app.Keys) error {
				p, err := keys.CreateProject(cmd.Context(), args[0])
				if err != nil {
					return err
				}
				if s.json {
					return s.writeJSON(viewProject(p))
				}
				fmt.Fprintln(s.Out, p.ID)
				fmt.Fprintf(s.Err, "Make a key for it with: sluice keys create --project %s\n", p.ID)
				return nil
			})
		},
	}
}

func newProjectsList(s *shared) *cobra.Command {
	return &cobra.Command{
		Use: "list", Aliases: []string{"ls"}, Short: "List projects, oldest first", Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return s.withKeys(cmd.Context(), func(keys *app.Keys) error {
				list, err := keys.Projects(cmd.Context())
				if err != nil {
					return err
				}
				if s.json {
					views := make([]projectView, 0, len(list))
					for _, p := range list {
						views = append(views, viewProject(p))
					}
					return s.writeJSON(views)
				}
				w := tabwriter.NewWriter(s.Out, 0, 4, 2, ' ', 0)
				fmt.Fprintln(w, "ID\tNAME\tCREATED")
				for _, p := range list {
					fmt.Fprintf(w, "%s\t%s\t%s\n", p.ID, cut(p.Name, 100), p.CreatedAt.Format(time.DateOnly))
				}
				return w.Flush()
			})
		},
	}
}
