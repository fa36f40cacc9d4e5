package cli

import (
	"context"
	"fmt"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/sluice-run/sluice/client"
	"github.com/sluice-run/sluice/internal/domain"
)

const (
	// followEvery is how often the log is asked for what is new.
	followEvery = 2 * time.Second
	// followBack is how far back that is: a record has the time when its call began,
	// and comes when it has ended.
	followBack = 5 * time.Minute
)

// logFlags are the flags that narrow the log.
type logFlags struct {
	client.LogQuery
	since, until string
	limit        int
	follow       bool
}

func newLogs(s *shared) *cobra.Command {
	f := &logFlags{}
	cmd := group(&cobra.Command{
		Use:   "logs",
		Short: "Show the log of tool calls, refused ones too",
		Long:  "Without a further command it lists records, newest first.",
		Example: "  sluice logs --user ann --status failed --since 2h\n" +
			"  sluice logs show log_…\n" +
			"  sluice logs export --since 2026-11-01T00:00:00Z > calls.ndjson",
	})
	cmd.Args = noArgs
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		return s.withRouter(cmd.Context(), func(r *router) error {
			if err := f.times(time.Now()); err != nil {
				return err
			}
			if f.follow {
				return s.followLogs(cmd.Context(), r, f)
			}
			return s.listLogs(cmd.Context(), r, f)
		})
	}
	s.routerFlag(cmd)
	s.jsonFlag(cmd)
	f.add(s, cmd)
	cmd.Flags().IntVar(&f.limit, "limit", 50, "at most so many")
	cmd.Flags().BoolVarP(&f.follow, "follow", "f", false, "show calls as they end, until interrupted")
	cmd.AddCommand(newLogsShow(s), newLogsExport(s))
	return cmd
}

func (f *logFlags) add(_ *shared, cmd *cobra.Command) {
	l := cmd.Flags()
	l.StringVarP(&f.UserID, "user", "u", "", "only of this user")
	l.StringVar(&f.Tool, "tool", "", "only of this tool")
	l.StringVar(&f.Toolkit, "toolkit", "", "only of this toolkit")
	l.StringVar(&f.Status, "status", "", "only success or failed")
	l.StringVar(&f.Outcome, "outcome", "", "only ok, failed, refused, canceled or asked")
	l.StringVar(&f.SessionID, "session", "", "only of this session")
	l.StringVar(&f.Text, "search", "", "only with this text in ids, tool, user or error")
	l.StringVar(&f.since, "since", "", "calls since then: a time, or how long ago, such as 2h")
	l.StringVar(&f.until, "until", "", "calls before then")
}

// times reads since and until.
func (f *logFlags) times(now time.Time) (err error) {
	if f.From, err = moment("--since", f.since, now); err != nil {
		return err
	}
	f.To, err = moment("--until", f.until, now)
	return err
}

// moment reads a time, or how long before now one was; none is the zero time.
func moment(flag, text string, now time.Time) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	if ago, err := time.ParseDuration(text); err == nil && ago >= 0 {
		return now.Add(-ago), nil
	}
	for _, layout := range []string{time.RFC3339, "2006-01-02T15:04", time.DateOnly} {
		if t, err := time.ParseInLocation(layout, text, time.Local); err == nil {
			return t, nil
		}
	}
	return time.Time{}, domain.Invalid(flag, "%s: expected a time such as 2026-11-22T10:00:00Z or 2026-11-22, or how long ago, such as 2h", flag)
}

func (s *shared) listLogs(ctx context.Context, r *router, f *logFlags) error {
	list := []client.Log{}
	for l, err := range r.Logs(ctx, f.LogQuery) {
		if err != nil {
			return err
		}
		if len(list) >= f.limit {
			break
		}
		list = append(list, l)
	}
	if s.json {
		return s.writeJSON(list)
	}
	if len(list) == 0 {
		fmt.Fprintln(s.Err, "No call like that is in the log.")
		return nil
	}
	w := tabwriter.NewWriter(s.Out, 0, 4, 2, ' ', 0)
	fmt.Fprintln(w, "TIME\tID\tTOOL\tUSER\tOUTCOME\tTOOK\tERROR")
	for i := range list {
		fmt.Fprintln(w, logLine(&list[i]))
	}
	return w.Flush()
}

func logLine(l *client.Log) string {
	return fmt.Sprintf("%s\t%s\t%s\t%s\t%s\t%.0f ms\t%s", l.Timestamp.Local().Format(time.DateTime), l.ID, printable(cut(l.Metadata.Tool, 50)),
		printable(cut(l.Metadata.UserID, 30)), l.Metadata.Outcome, l.Metrics.DurationMS, printable(cut(l.Message, 80)))
}

// followLogs shows records as they come, each once.
func (s *shared) followLogs(ctx context.Context, r *router, f *logFlags) error {
	begun := time.Now()
	if f.From.IsZero() {
		f.From = begun.Add(-followBack)
	}
	seen, first := map[string]time.Time{}, f.since == ""
	tick := time.NewTicker(followEvery)
	defer tick.Stop()
	for {
		var fresh []client.Log
		for l, err := range r.Logs(ctx, f.LogQuery) {
			if err != nil {
				return err
			}
			if _, ok := seen[l.ID]; !ok {
				seen[l.ID] = l.Timestamp
				fresh = append(fresh, l)
			}
		}
		for i := len(fresh) - 1; i >= 0 && !first; i-- {
			if s.json {
				if err := s.writeJSON(fresh[i]); err != nil {
					return err
				}
				continue
			}
			fmt.Fprintln(s.Out, logLine(&fresh[i]))
		}
		first = false
		select {
		case <-ctx.Done():
			return ctx.Err()
		case now := <-tick.C:
			if back := now.Add(-followBack); back.After(f.From) {
				f.From = back
			}
			for id, at := range seen {
				if at.Before(f.From) {
					delete(seen, id)
				}
			}
		}
	}
}

func newLogsShow(s *shared) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "show ID",
		Short: "Show the record of one call",
		Args:  oneArg("the id of a record, as sluice logs shows it"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return s.withRouter(cmd.Context(), func(r *router) error {
				l, err := r.Log(cmd.Context(), args[0])
				if err != nil {
					return err
				}
				if s.json {
					return s.writeJSON(l)
				}
				return s.showLog(l)
			})
		},
	}
	s.routerFlag(cmd)
	s.jsonFlag(cmd)
	return cmd
}

func (s *shared) showLog(l *client.Log) error {
	m := &l.Metadata
	lines := [][2]string{
		{"Call", l.ID},
		{"Began", l.Timestamp.Local().Format(time.RFC3339)},
		{"Tool", m.Tool},
		{"User", m.UserID},
		{"Session", m.SessionID},
		{"Account", m.AccountID},
		{"Auth config", m.AuthConfigID},
		{"Outcome", m.Outcome},
		{"Error", l.Message},
		{"Error code", m.ErrorCode},
		{"Took", fmt.Sprintf("%.1f ms", l.Metrics.DurationMS)},
		{"Came by", m.Door},
		{"Request", m.RequestID},
		{"Sizes", fmt.Sprintf("arguments %d, result %d bytes", l.Metrics.ArgumentBytes, l.Metrics.ResultBytes)},
		{"Upstream", fmt.Sprintf("%d requests", l.Metrics.UpstreamRequests)},
		{"Upstream request", m.UpstreamID},
	}
	if l.Parent != nil {
		lines = append(lines, [2]string{"Part of", l.Parent.LogID})
	}
	if l.Data != nil {
		lines = append(lines, [2]string{"Arguments", string(l.Data.Arguments)}, [2]string{"Note", l.Data.Note})
	}
	w := tabwriter.NewWriter(s.Out, 0, 4, 2, ' ', 0)
	for _, line := range lines {
		if line[1] != "" {
			fmt.Fprintf(w, "%s\t%s\n", line[0], printable(line[1]))
		}
	}
	return w.Flush()
}

func newLogsExport(s *shared) *cobra.Command {
	f := &logFlags{}
	cmd := &cobra.Command{
		Use:   "export",
		Short: "Write the log as NDJSON to standard output, the oldest first",
		Long:  "Each line is a record and has the cursor with which --cursor goes on after it.",
		Args:  noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return s.withRouter(cmd.Context(), func(r *router) error {
				if err := f.times(time.Now()); err != nil {
					return err
				}
				for line, err := range r.ExportLogs(cmd.Context(), f.LogQuery) {
					if err != nil {
						return err
					}
					if _, err := s.Out.Write(append(line, '\n')); err != nil {
						return fmt.Errorf("writing the export: %w", err)
					}
				}
				return nil
			})
		},
	}
	s.routerFlag(cmd)
	f.add(s, cmd)
	cmd.Flags().StringVar(&f.Cursor, "cursor", "", "go on after the record with this cursor")
	return cmd
}
