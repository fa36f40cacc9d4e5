package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/sluice-run/sluice/client"
	"github.com/sluice-run/sluice/internal/app"
	"github.com/sluice-run/sluice/internal/domain"
)

const (
	// envSecret names the secret with which --forward signs; a flag would show it
	// to all processes of the machine.
	envSecret = "SLUICE_FORWARD_SECRET"
	// forwardTime bounds one post of --forward, forwardAnswer what is read back.
	forwardTime   = 30 * time.Second
	forwardAnswer = 64 << 10
)

// listening is what "triggers listen" was asked.
type listening struct {
	*shared
	query   client.ListenQuery
	forward string
	secret  string
	limit   int
	http    *http.Client
	paint   func(text, colour string) string
}

func newTriggersListen(s *shared) *cobra.Command {
	f := &listening{shared: s}
	cmd := &cobra.Command{
		Use:   "listen",
		Short: "Show events while they happen, and hand them to a program under development",
		Long: "Show the project's events while they happen, until Ctrl+C. A connection that breaks is\n" +
			"opened again where it was: nothing is missed, and nothing shown twice. Each line of\n" +
			"--json holds the cursor with which --after begins behind it.\n\n" +
			"--forward posts each event to an address, one after the other, as a webhook\n" +
			"subscription of version V3 is sent it, and shows the status of the answer. It is\n" +
			"signed with the secret in " + envSecret + "; without one, a secret is made and shown. A\n" +
			"post that fails is not repeated: begin at its cursor with --after.",
		Example: "  sluice triggers listen\n" +
			"  sluice triggers listen --trigger CONFLUENCE_PAGE_CREATED_TRIGGER --user ann --json\n" +
			"  sluice triggers listen --forward http://127.0.0.1:3000/webhook",
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := f.prepare(); err != nil {
				return usage(cmd, err)
			}
			return s.withRouter(cmd.Context(), func(r *router) error { return f.run(cmd.Context(), r) })
		},
	}
	fl := cmd.Flags()
	fl.StringSliceVar(&f.query.Triggers, "trigger", nil, "only events of this type of trigger; may be given again")
	fl.StringSliceVar(&f.query.Toolkits, "toolkit", nil, "only messages of triggers of this toolkit")
	fl.StringSliceVar(&f.query.Sources, "source", nil, "only events of this trigger, account or subscription, by its id")
	fl.StringSliceVarP(&f.query.UserIDs, "user", "u", nil, "only events of this user")
	fl.StringSliceVar(&f.query.AccountIDs, "account", nil, "only events of this connected account")
	fl.StringVar(&f.query.After, "after", "", "begin behind this cursor; 0 is the oldest event that is kept")
	fl.StringVar(&f.forward, "forward", "", "post each event to this address, signed as webhooks are")
	fl.IntVar(&f.limit, "limit", 0, "end after so many events")
	s.routerFlag(cmd)
	fl.BoolVar(&s.json, "json", false, "write each event as JSON on a line of its own")
	// It fails only for a flag that is not there.
	_ = cmd.RegisterFlagCompletionFunc("trigger", func(cmd *cobra.Command, _ []string, _ string) ([]string, cobra.ShellCompDirective) {
		return s.completeTriggerType(cmd, nil, "")
	})
	return cmd
}

func (f *listening) prepare() error {
	f.paint = painter(f.shared)
	f.query.Notice = f.notice
	if f.forward == "" {
		return nil
	}
	u, err := url.Parse(f.forward)
	if err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https") || u.User != nil {
		return errors.New("--forward: expected an address such as http://127.0.0.1:3000/webhook")
	}
	f.query.Message = true
	f.http = &http.Client{
		Timeout:       forwardTime,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	if f.secret = f.getenv(envSecret); f.secret == "" {
		f.secret = domain.NewSecret("whsec_")
		fmt.Fprintf(f.Err, "Messages are signed with the secret %s (set %s to choose it)\n", f.secret, envSecret)
	}
	return nil
}

// notice tells how the stream fares, beside the events.
func (f *listening) notice(n client.Notice) {
	switch {
	case n.Missed > 0:
		fmt.Fprintf(f.Err, "%d events are no longer kept, and were missed.\n", n.Missed)
	case n.Connected:
		fmt.Fprintln(f.Err, "Listening.")
	case n.Err != nil:
		fmt.Fprintf(f.Err, "%s Trying again in %v.\n", printable(n.Err.Error()), n.Retry.Round(100*time.Millisecond))
	}
}

func (f *listening) run(ctx context.Context, r *router) error {
	told := 0
	for e, err := range r.Listen(ctx, f.query) {
		if err != nil {
			return err
		}
		if err := f.show(&e); err != nil {
			return err
		}
		if f.forward != "" {
			f.post(ctx, &e)
		}
		if told++; told == f.limit {
			return nil
		}
	}
	return ctx.Err()
}

// lineOf is an event as --json writes it.
type lineOf struct {
	*client.Event
	Cursor string `json:"cursor"`
}

func (f *listening) show(e *client.Event) error {
	if f.json {
		line := *e
		line.Message = nil // it is for --forward
		enc := json.NewEncoder(f.Out)
		enc.SetEscapeHTML(false)
		return enc.Encode(lineOf{&line, e.Cursor})
	}
	when := e.CreatedAt
	if t, err := time.Parse(time.RFC3339, e.CreatedAt); err == nil {
		when = t.Local().Format(time.TimeOnly)
	}
	name := e.Trigger
	if name == "" || e.Type != "composio.trigger.message" {
		name = e.Type
	}
	if e.Test {
		name += " (test)"
	}
	_, err := fmt.Fprintf(f.Out, "%s  %s  %s  %s\n%s", f.paint(when, "2"), f.paint(printable(name), "1"), printable(e.UserID), printable(e.ID),
		indented(e.Payload))
	return err
}

// maxShown bounds what is shown of a payload.
const maxShown = 2000

// indented gives a payload for people to read.
func indented(payload json.RawMessage) string {
	var pretty bytes.Buffer
	if len(payload) == 0 || json.Indent(&pretty, payload, "  ", "  ") != nil {
		return ""
	}
	text, whole := "", true
	for line := range strings.SplitSeq(printable(pretty.String()), "\n") {
		if len(text)+len(line) > maxShown {
			whole = false
			break
		}
		text += "  " + strings.TrimPrefix(line, "  ") + "\n"
	}
	if !whole {
		text += "  … (--json shows all)\n"
	}
	return text
}

// post hands an event on, and tells what came back.
func (f *listening) post(ctx context.Context, e *client.Event) {
	status, took, err := f.send(ctx, e)
	switch {
	case err != nil:
		fmt.Fprintf(f.Err, "  → %s: %s (cursor %s)\n", f.paint("failed", "31"), printable(err.Error()), e.Cursor)
	case status >= 200 && status < 300:
		fmt.Fprintf(f.Err, "  → %s in %v\n", f.paint(fmt.Sprint(status), "32"), took.Round(time.Millisecond))
	default:
		fmt.Fprintf(f.Err, "  → %s in %v (cursor %s)\n", f.paint(fmt.Sprint(status), "31"), took.Round(time.Millisecond), e.Cursor)
	}
}

func (f *listening) send(ctx context.Context, e *client.Event) (status int, took time.Duration, err error) {
	now := time.Now()
	header, err := app.SignMessage(f.secret, e.MessageID, now, e.Message)
	if err != nil {
		return 0, 0, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, f.forward, bytes.NewReader(e.Message))
	if err != nil {
		return 0, 0, err
	}
	req.Header = header
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("User-Agent", "sluice/"+app.Version())
	res, err := f.http.Do(req)
	if err != nil {
		var u *url.Error
		if errors.As(err, &u) {
			err = u.Err
		}
		return 0, 0, err
	}
	defer res.Body.Close()
	_, _ = io.Copy(io.Discard, io.LimitReader(res.Body, forwardAnswer)) // only its status counts
	return res.StatusCode, time.Since(now), nil
}
