package cli

import (
	"fmt"
	"os/user"
	"strings"

	"github.com/spf13/cobra"

	"github.com/sluice-run/sluice/client"
)

func newApprovals(s *shared) *cobra.Command {
	cmd := group(&cobra.Command{
		Use:   "approvals",
		Short: "Allow or deny calls that wait for a person's word",
		Long: "Allow or deny calls that wait for a person's word: those of sessions whose\n" +
			"permissions ask, where the agent's own client cannot. After that the agent repeats\n" +
			"the call. A word on one call is good once, for an hour.",
		Example: "  sluice approvals list\n  sluice approvals allow apr_…",
	})
	for _, c := range []*cobra.Command{newApprovalsList(s), newApprovalsDecide(s, "allow"), newApprovalsDecide(s, "deny")} {
		s.routerFlag(c)
		s.jsonFlag(c)
		cmd.AddCommand(c)
	}
	return cmd
}

func newApprovalsList(s *shared) *cobra.Command {
	var all bool
	var q client.ApprovalQuery
	cmd := &cobra.Command{
		Use: "list", Short: "Show calls that wait", Args: noArgs,
		RunE: s.onRouter(func(cmd *cobra.Command, r *router, _ []string) error {
			if !all {
				q.State = "pending"
			}
			list := []client.Approval{}
			for a, err := range r.Approvals(cmd.Context(), q) {
				if err != nil {
					return err
				}
				list = append(list, a)
			}
			if s.json {
				return s.writeJSON(list)
			}
			if len(list) == 0 {
				fmt.Fprintln(s.Err, "No call waits for a person's word.")
			}
			for i := range list {
				s.showApproval(&list[i])
			}
			return nil
		}),
	}
	cmd.Flags().BoolVar(&all, "all", false, "decided, used and expired ones too")
	cmd.Flags().StringVar(&q.SessionID, "session", "", "only of this session")
	cmd.Flags().StringVar(&q.UserID, "user", "", "only of this user")
	return cmd
}

func (s *shared) showApproval(a *client.Approval) {
	on := ""
	if a.AccountID != "" {
		on = " on " + a.AccountID
	}
	fmt.Fprintf(s.Out, "%s  %s  %s%s for %s\n", a.ID, a.State, a.Tool, on, cut(a.UserID, 100))
	args := string(a.Arguments)
	if a.ArgumentsText != "" {
		args = a.ArgumentsText
	}
	fmt.Fprintf(s.Out, "  arguments: %s\n", cut(args, 400))
	if a.Scope == "session" {
		fmt.Fprintln(s.Out, "  holds for the rest of the session, whatever the arguments")
	}
	if a.DecidedAt != "" {
		by := a.DecidedBy
		if by == "" {
			by = "a person, by key " + a.KeyID
		}
		fmt.Fprintf(s.Out, "  decided by %s at %s (%s)\n", cut(by, 100), a.DecidedAt, a.DecidedVia)
	}
}

func newApprovalsDecide(s *shared, word string) *cobra.Command {
	var by string
	cmd := &cobra.Command{
		Use: word + " APPROVAL", Short: strings.ToUpper(word[:1]) + word[1:] + " a call that waits", Args: oneArg("the id of an approval, as sluice approvals list shows it"),
		RunE: s.onRouter(func(cmd *cobra.Command, r *router, args []string) error {
			if by == "" {
				if me, err := user.Current(); err == nil {
					by = me.Username
				}
			}
			a, err := r.DecideApproval(cmd.Context(), args[0], word == "allow", by)
			if err != nil {
				return err
			}
			if s.json {
				return s.writeJSON(a)
			}
			s.showApproval(a)
			return nil
		}),
	}
	cmd.Flags().StringVar(&by, "by", "", "who decides, for the record (default the name of this system's user)")
	return cmd
}

// permissionWords are what --permission says, in the API's words.
var permissionWords = map[string]string{
	"allow": client.AlwaysAllow, "deny": client.AlwaysDeny, "ask": client.AskAlways, "ask_once": client.AskOnce,
}

// permissionFlag adds --permission; the function gives what it asked for.
func permissionFlag(cmd *cobra.Command) func() (*client.Permissions, error) {
	var pairs []string
	cmd.Flags().StringArrayVar(&pairs, "permission", nil,
		"WHAT=allow, ask, ask_once or deny; WHAT is a tool, tag.destructiveHint, toolkit.SLUG or *, and may end in :ACCOUNT; repeatable")
	return func() (*client.Permissions, error) {
		if len(pairs) == 0 {
			return nil, nil
		}
		p := &client.Permissions{Overrides: map[string]string{}}
		for _, pair := range pairs {
			what, word, _ := strings.Cut(pair, "=")
			says, ok := permissionWords[word]
			if what == "" || !ok {
				return nil, usage(cmd, fmt.Errorf("--permission %q: expected WHAT=allow, ask, ask_once or deny", pair))
			}
			p.Overrides[what] = says
		}
		return p, nil
	}
}
