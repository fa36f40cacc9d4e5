package cli

import (
	"bufio"
	"fmt"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/sluice-run/sluice/internal/app"
	"github.com/sluice-run/sluice/internal/domain"
)

func newProjects(s *shared) *cobra.Command {
	cmd := group(&cobra.Command{
		Use:   "projects",
		Short: "Make, list and delete projects",
		Long: "Make, list and delete the projects of a home. A project has users, connections, sessions\n" +
			"and settings of its own, which no key of another project reaches. It works beside\n" +
			"a running router on the same home, and without one.",
		Example: "  sluice projects create acme\n  sluice keys create --project acme\n  sluice projects list\n  sluice projects delete acme",
	})
	cmd.PersistentFlags().BoolVar(&s.json, "json", false, "write JSON")
	cmd.AddCommand(newProjectsCreate(s), newProjectsList(s), newProjectsDelete(s))
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

func newProjectsDelete(s *shared) *cobra.Command {
	var yes bool
	cmd := &cobra.Command{
		Use: "delete PROJECT", Short: "Delete a project for good, with everything in it",
		Long: "Delete a project for good: its keys, users' connections, sessions, triggers, files\n" +
			"and records. Its keys fail at once, and what they had opened ends within a second.\n" +
			"Providers are not told: revoke its connections before (sluice vault revoke) where\n" +
			"their grants are to end there too. The first project of a home stays.",
		Args: oneArg("the id or name of a project, as sluice projects list shows it"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return s.withKeys(cmd.Context(), func(keys *app.Keys) error {
				if err := keys.Of(cmd.Context(), args[0]); err != nil {
					return err
				}
				p := keys.Project()
				if !yes {
					if err := s.confirmDelete(cmd, p); err != nil {
						return err
					}
				}
				if err := keys.DeleteProject(cmd.Context(), p.ID); err != nil {
					return err
				}
				if s.json {
					return s.writeJSON(map[string]any{"id": p.ID, "deleted": true})
				}
				fmt.Fprintf(s.Out, "Deleted %s.\n", p.ID)
				return nil
			})
		},
	}
	cmd.Flags().BoolVarP(&yes, "yes", "y", false, "do not ask")
	return cmd
}

// confirmDelete asks for the name of the project that is to go.
func (s *shared) confirmDelete(cmd *cobra.Command, p domain.Project) error {
	if !isTerminal(s.In) {
		return usage(cmd, fmt.Errorf("the project %q would be deleted for good; repeat with --yes", p.Name))
	}
	fmt.Fprintf(s.Err, "Everything of the project will be deleted for good. Type its name, %q, to go on: ", p.Name)
	line, err := bufio.NewReader(s.In).ReadString('\n')
	if err != nil || strings.TrimSpace(line) != p.Name {
		return domain.Errorf(domain.CodeCanceled, "nothing was deleted: that is not the project's name")
	}
	return nil
}
