package cli

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sort"
	"strings"

	"github.com/spf13/cobra"

	"github.com/sluice-run/sluice/client"
)

func newTools(s *shared) *cobra.Command {
	cmd := group(&cobra.Command{Use: "tools", Short: "Find and read tools"})
	list, search, show := newToolsList(s), newToolsSearch(s), newToolsShow(s)
	s.userFlag(search)
	for _, c := range []*cobra.Command{list, search, show} {
		s.routerFlag(c)
		s.jsonFlag(c)
		cmd.AddCommand(c)
	}
	return cmd
}

func newToolsList(s *shared) *cobra.Command {
	var toolkit string
	cmd := &cobra.Command{
		Use:     "list",
		Aliases: []string{"ls"},
		Short:   "List every tool",
		Args:    noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			r, err := s.router(cmd.Context())
			if err != nil {
				return err
			}
			defer r.Close(cmd.Context())
			defer s.busy("Reading the catalogue")()
			tools := []client.Tool{}
			for t, err := range r.Tools(cmd.Context(), client.ToolQuery{Toolkit: toolkit}) {
				if err != nil {
					return err
				}
				tools = append(tools, t)
			}
			if s.json {
				return s.writeJSON(tools)
			}
			if len(tools) == 0 {
				return fmt.Errorf("there are no tools of a toolkit %q\n  See: sluice tools list", toolkit)
			}
			for _, t := range tools {
				s.showSlug(t.Slug, t.Description)
			}
			return nil
		},
	}
	cmd.Flags().StringVar(&toolkit, "toolkit", "", "only this toolkit's")
	_ = cmd.RegisterFlagCompletionFunc("toolkit", s.completeToolkit) // fails only for a flag that is not there
	return cmd
}

func newToolsSearch(s *shared) *cobra.Command {
	return &cobra.Command{
		Use:     "search WORDS…",
		Short:   "Find tools for a task in plain words, as an agent does",
		Example: "  sluice tools search put a sticker on a page",
		Args: func(cmd *cobra.Command, args []string) error {
			if strings.TrimSpace(strings.Join(args, "")) == "" {
				return fmt.Errorf("%s needs words: what should be done", cmd.CommandPath())
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			r, err := s.router(cmd.Context())
			if err != nil {
				return err
			}
			defer r.Close(cmd.Context())
			session, err := r.Create(cmd.Context(), s.userID(), client.SessionOptions{})
			if err != nil {
				return err
			}
			defer session.Delete(cmd.Context()) //nolint:errcheck // a left-over session is harmless
			found, err := session.Search(cmd.Context(), strings.Join(args, " "))
			if err != nil {
				return err
			}
			if s.json {
				return s.writeJSON(found)
			}
			return s.showFound(found)
		},
	}
}

func (s *shared) showFound(found *client.SearchAnswer) error {
	for _, f := range found.Results {
		if len(f.Primary) == 0 {
			return errors.New("no tool fits\n  Try other words, or: sluice tools list")
		}
		for _, slug := range slices.Concat(f.Primary, f.Related) {
			s.showSlug(slug, found.Tools[slug].Description)
		}
		for _, p := range f.Pitfalls {
			fmt.Fprintf(s.Out, "  note: %s\n", printable(p))
		}
	}
	return nil
}

// slugWidth is the column of slugs in lists.
const slugWidth = 44

// showSlug writes a tool on a line.
func (s *shared) showSlug(slug, description string) {
	rest := max(20, columns(s.Out, slugWidth+1+80)-slugWidth-1)
	fmt.Fprintf(s.Out, "%-*s %s\n", slugWidth, printable(slug), firstLine(description, rest))
}

func newToolsShow(s *shared) *cobra.Command {
	return &cobra.Command{
		Use:               "show SLUG",
		Short:             "Show what a tool does and takes",
		Args:              oneArg("the slug of a tool, such as CONFLUENCE_GET_PAGE_BY_ID"),
		ValidArgsFunction: s.completeTool,
		RunE: func(cmd *cobra.Command, args []string) error {
			r, err := s.router(cmd.Context())
			if err != nil {
				return err
			}
			defer r.Close(cmd.Context())
			t, err := r.Tool(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			if s.json {
				return s.writeJSON(t)
			}
			return s.showTool(t)
		},
	}
}

func (s *shared) showTool(t *client.Tool) error {
	width := columns(s.Out, 100)
	fmt.Fprintf(s.Out, "%s (%s, %s)\n\n%s\n", t.Slug, t.Toolkit.Name, t.Version, wrap(printable(t.Description), width))
	if len(t.Tags) > 0 {
		fmt.Fprintf(s.Out, "\nTags:   %s\n", strings.Join(t.Tags, ", "))
	}
	if len(t.Scopes) > 0 {
		fmt.Fprintf(s.Out, "Scopes: %s\n", strings.Join(t.Scopes, ", "))
	}
	params, err := parameters(t.Input)
	if err != nil {
		return err
	}
	if len(params) == 0 {
		fmt.Fprintln(s.Out, "\nTakes no arguments.")
		return nil
	}
	fmt.Fprintln(s.Out, "\nArguments (* required):")
	for _, p := range params {
		mark := " "
		if p.required {
			mark = "*"
		}
		fmt.Fprintf(s.Out, "  %s %s (%s)\n", mark, printable(p.name), p.kind)
		if p.description != "" {
			fmt.Fprintln(s.Out, wrap("      "+printable(p.description), width))
		}
	}
	return nil
}

type parameter struct {
	name, kind, description string
	required                bool
}

// parameters reads the top level of an input schema: required ones first.
func parameters(schema json.RawMessage) ([]parameter, error) {
	var in struct {
		Properties map[string]struct {
			Type        any    `json:"type"`
			Description string `json:"description"`
			Enum        []any  `json:"enum"`
			Default     any    `json:"default"`
		} `json:"properties"`
		Required []string `json:"required"`
	}
	if err := json.Unmarshal(schema, &in); err != nil {
		return nil, fmt.Errorf("the tool's input schema is not readable: %w", err)
	}
	required := map[string]bool{}
	for _, r := range in.Required {
		required[r] = true
	}
	var list []parameter
	for name, p := range in.Properties {
		kind, _ := p.Type.(string)
		if kind == "" {
			kind = "any"
		}
		text := p.Description
		if len(p.Enum) > 0 {
			text += fmt.Sprintf(" One of %v.", p.Enum)
		}
		if p.Default != nil {
			text += fmt.Sprintf(" Default %v.", p.Default)
		}
		list = append(list, parameter{name: name, kind: kind, description: text, required: required[name]})
	}
	sort.Slice(list, func(i, j int) bool {
		if list[i].required != list[j].required {
			return list[i].required
		}
		return list[i].name < list[j].name
	})
	return list, nil
}
