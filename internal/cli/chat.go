package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"github.com/sluice-run/sluice/agent"
	agentevents "github.com/sluice-run/sluice/agent/events"
	"github.com/sluice-run/sluice/client"
	"github.com/sluice-run/sluice/internal/app"
	"github.com/sluice-run/sluice/internal/domain"
)

// instructions are the chat agent's; the router adds how to use its tools.
const instructions = "You are a helpful assistant that works in the user's applications through tools. " +
	"Use the tools to do what the user asks, and only that. Take ids only from tool results. " +
	"Ask when a request can be read in more than one way. When you are done, say in a sentence or two " +
	"what you did, with the titles and addresses that the tools gave."

// chatFlags are the flags of sluice chat.
type chatFlags struct {
	*shared
	prompt   string
	once     bool // -p or --prompt-file was given
	model    string
	format   string
	toolkits []string
	plain    bool
	on       onFlags

	permissions func() (*client.Permissions, error)
}

func newChat(s *shared) *cobra.Command {
	f := &chatFlags{shared: s}
	cmd := &cobra.Command{
		Use:   "chat",
		Short: "Chat with an agent that works in your applications",
		Long: "Chat with an agent that finds and runs tools through the router. Without any\n" +
			"configuration it works in a sandbox Confluence with an offline model.\n\n" +
			"Model: --model, else openai:gpt-5 when OPENAI_API_KEY is set, else the server that\n" +
			"OPENAI_BASE_URL or OLLAMA_HOST names, else offline. A .env file in the working\n" +
			"directory is read; the environment wins.\n" +
			"Leave with exit, quit, bye or ctrl-d. ctrl-c stops a run, not the program.\n\n" +
			"With --on the prompt runs on each event of a trigger, as a conversation of its own:\n" +
			"once, and after a break or a restart from where it was. Its text may use the event,\n" +
			"such as {{.Payload.resource.title}}; otherwise the event is added to it.",
		Example: "  sluice chat\n" +
			"  sluice chat -p \"which spaces are there?\"\n" +
			"  sluice chat -p - < prompt.txt\n" +
			"  sluice chat --model openai:gpt-5-mini\n" +
			"  sluice chat --on CONFLUENCE_PAGE_CREATED_TRIGGER --prompt-file summarise.txt",
		Args:        noArgs,
		Annotations: map[string]string{ownInterrupt: "true"},
		RunE: func(cmd *cobra.Command, _ []string) error {
			if cmd.Flags().Changed("prompt") && f.on.file != "" {
				return usage(cmd, errors.New("give -p or --prompt-file, not both"))
			}
			f.once = cmd.Flags().Changed("prompt") || f.on.file != ""
			if err := f.on.check(cmd, f); err != nil {
				return usage(cmd, err)
			}
			if cmd.Flags().Changed("output-format") && !f.once {
				return usage(cmd, errors.New("--output-format needs -p"))
			}
			return f.run(cmd.Context())
		},
	}
	fl := cmd.Flags()
	fl.StringVarP(&f.prompt, "prompt", "p", "", "answer one prompt, or with - standard input, and leave; only the answer goes to standard output")
	fl.StringVarP(&f.model, "model", "m", "", "model: openai:NAME, openai-chat:NAME, openai-responses:NAME or offline (env SLUICE_MODEL)")
	fl.StringVar(&f.format, "output-format", "text", "with -p: text, json or stream-json")
	fl.StringSliceVar(&f.toolkits, "toolkits", nil, "only these toolkits")
	fl.BoolVar(&f.plain, "plain", false, "no colours and no live display")
	f.on.add(cmd, s)
	f.permissions = permissionFlag(cmd)
	s.routerFlag(cmd)
	s.userFlag(cmd)
	for flag, complete := range map[string]cobra.CompletionFunc{
		"toolkits":      s.completeToolkit,
		"output-format": cobra.FixedCompletions([]string{"text", "json", "stream-json"}, cobra.ShellCompDirectiveNoFileComp),
		"model": cobra.FixedCompletions([]string{"offline", "openai:", "openai-chat:", "openai-responses:"},
			cobra.ShellCompDirectiveNoFileComp|cobra.ShellCompDirectiveNoSpace),
	} {
		_ = cmd.RegisterFlagCompletionFunc(flag, complete) // fails only for a flag that is not there
	}
	return cmd
}

func (f *chatFlags) run(ctx context.Context) error {
	switch f.format {
	case "text", "json", "stream-json":
	default:
		return &exitCoded{exitUsage, fmt.Errorf("--output-format %q: expected text, json or stream-json", f.format)}
	}
	if err := f.loadDotEnv(); err != nil {
		return err
	}
	startCtx, stop := interruptible(ctx)
	defer stop()
	f.running = startCtx
	if err := f.readPrompt(startCtx); err != nil {
		return err
	}
	model, err := app.PickModel(startCtx, f.model, f.getenv)
	if err != nil {
		if f.model != "" && domain.CodeOf(err) == domain.CodeInvalid {
			return &exitCoded{exitUsage, err}
		}
		return err
	}
	c, err := f.open(startCtx, model)
	if err != nil {
		return err
	}
	defer c.close(ctx)
	if len(f.on.triggers) > 0 {
		return f.answerEvents(startCtx, c)
	}
	if f.once {
		return f.answerOnce(startCtx, c)
	}
	stop() // from here on the displays take ctrl-c
	f.running = ctx
	if f.plain || !f.terminal() {
		return f.plainREPL(ctx, c)
	}
	return f.terminalREPL(ctx, c)
}

// maxPrompt bounds one prompt, in bytes.
const maxPrompt = 1 << 20

// readPrompt reads the prompt of -p, from standard input when it is "-".
func (f *chatFlags) readPrompt(ctx context.Context) error {
	if !f.once {
		return nil
	}
	if err := f.readFile(); err != nil {
		return err
	}
	if f.prompt == "-" && f.on.file == "" {
		type input struct {
			text []byte
			err  error
		}
		got := make(chan input, 1)
		go func() { // reading cannot be cancelled; the process ends instead
			b, err := io.ReadAll(io.LimitReader(f.In, maxPrompt+1))
			got <- input{b, err}
		}()
		select {
		case <-ctx.Done():
			return ctx.Err()
		case in := <-got:
			if in.err != nil {
				return fmt.Errorf("reading the prompt: %w", in.err)
			}
			f.prompt = string(in.text)
		}
	}
	switch {
	case len(f.prompt) > maxPrompt:
		return &exitCoded{exitUsage, fmt.Errorf("the prompt is larger than %d KiB", maxPrompt>>10)}
	case !utf8.ValidString(f.prompt):
		return &exitCoded{exitUsage, errors.New("the prompt is not text in UTF-8")}
	case strings.TrimSpace(f.prompt) == "":
		return &exitCoded{exitUsage, errors.New("the prompt is empty")}
	}
	return nil
}

// conversation is an agent over one router session, with its history.
type conversation struct {
	router  *router
	session *client.Session
	tools   *agent.MCPToolset
	agent   *agent.Agent[string]
	model   string
	site    site
	history agent.History
	watched agentevents.StreamOptions // of --on
	ask     asker                     // how a tool's question reaches the person; set by the display
}

// asker puts a tool's question to the person.
type asker interface {
	form(ctx context.Context, q agent.FormRequest) (agent.Answer, error)
	url(ctx context.Context, q agent.URLRequest) (agent.Answer, error)
}

func (f *chatFlags) open(ctx context.Context, model agent.Model) (*conversation, error) {
	permissions, err := f.permissions()
	if err != nil {
		return nil, err
	}
	r, err := f.router(ctx)
	if err != nil {
		return nil, err
	}
	var watched agentevents.StreamOptions
	if len(f.on.triggers) > 0 {
		if watched, err = f.watched(ctx, r); err != nil {
			r.Close(ctx)
			return nil, err
		}
	}
	session, err := r.Create(ctx, f.userID(), client.SessionOptions{Toolkits: f.toolkits, WaitForConnections: true, Permissions: permissions})
	if err != nil {
		r.Close(ctx)
		return nil, err
	}
	c := &conversation{router: r, session: session, model: model.Name(), watched: watched}
	if !f.once {
		c.site = findSite(ctx, r, session.UserID)
	}
	header := http.Header{}
	for k, v := range session.MCP.Headers {
		header.Set(k, v)
	}
	opts := agent.MCPOptions{Header: header, Name: "sluice-chat", Version: app.Version()}
	if !f.once { // only where a person is there to be asked
		opts.OnForm = func(ctx context.Context, q agent.FormRequest) (agent.Answer, error) { return c.ask.form(ctx, q) }
		opts.OnURL = func(ctx context.Context, q agent.URLRequest) (agent.Answer, error) { return c.ask.url(ctx, q) }
	}
	c.tools = agent.MCP(session.MCP.URL, opts)
	c.agent, err = agent.New[string](model, agent.Options{Instructions: instructions, Tools: []agent.Toolset{c.tools}})
	if err != nil {
		c.close(ctx)
		return nil, err
	}
	return c, nil
}

func (c *conversation) close(ctx context.Context) {
	ctx = context.WithoutCancel(ctx)
	_ = c.tools.Close()
	_ = c.session.Delete(ctx)
	c.router.Close(ctx)
}

// send runs one turn; the history is valid afterwards, however it ended.
func (c *conversation) send(ctx context.Context, prompt string, show func(agent.Event)) (string, error) {
	for event, err := range c.agent.Run(ctx, agent.Input{Prompt: prompt, History: &c.history}) {
		if err != nil {
			return "", err
		}
		if done, ok := event.(agent.Done); ok {
			show(event)
			return done.Text, nil
		}
		show(event)
	}
	return "", errors.New("the run ended without an answer")
}

// isFarewell says whether the person wants to leave.
func isFarewell(line string) bool {
	switch strings.ToLower(strings.TrimSpace(line)) {
	case "exit", "quit", "bye", "/exit", "/quit":
		return true
	}
	return false
}

// runError maps how a run ended to what the program exits with.
func runError(ctx context.Context, err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, agent.ErrLimit), errors.Is(err, agent.ErrLoop), errors.Is(err, agent.ErrRetries):
		return &exitCoded{exitLimit, err}
	case errors.Is(err, context.Canceled) && ctx.Err() != nil:
		return &exitCoded{exitInterrupted, errors.New("interrupted")}
	}
	return err
}
