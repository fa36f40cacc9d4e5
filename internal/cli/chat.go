package cli

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strings"

	"github.com/joho/godotenv"
	"github.com/spf13/cobra"

	"github.com/sluice-run/sluice/agent"
	"github.com/sluice-run/sluice/client"
	"github.com/sluice-run/sluice/internal/app"
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
	model    string
	format   string
	toolkits []string
	plain    bool
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
			"Leave with exit, quit, bye or ctrl-d. ctrl-c stops a run, not the program.",
		Example: "  sluice chat\n" +
			"  sluice chat -p \"which spaces are there?\"\n" +
			"  sluice chat --model openai:gpt-5-mini",
		Args:        cobra.NoArgs,
		Annotations: map[string]string{ownInterrupt: "true"},
		RunE:        func(cmd *cobra.Command, _ []string) error { return f.run(cmd.Context()) },
	}
	fl := cmd.Flags()
	fl.StringVarP(&f.prompt, "prompt", "p", "", "answer one prompt and leave; only the answer goes to standard output")
	fl.StringVarP(&f.model, "model", "m", "", "model: openai:NAME, openai-chat:NAME, openai-responses:NAME or offline (env SLUICE_MODEL)")
	fl.StringVar(&f.format, "output-format", "text", "with -p: text, json or stream-json")
	fl.StringSliceVar(&f.toolkits, "toolkits", nil, "only these toolkits")
	fl.BoolVar(&f.plain, "plain", false, "no colours and no live display")
	fl.StringVar(&s.url, "url", "", "address of a running router (env SLUICE_URL); without one, a router is started in this process")
	fl.StringVarP(&s.user, "user", "u", "", "the user to act for (env SLUICE_USER_ID or USER_ID; default \"default\")")
	return cmd
}

func (f *chatFlags) run(ctx context.Context) error {
	switch f.format {
	case "text", "json", "stream-json":
	default:
		return &exitCoded{exitUsage, fmt.Errorf("--output-format %q: expected text, json or stream-json", f.format)}
	}
	if err := loadDotEnv(); err != nil {
		return err
	}
	startCtx, stop := interruptible(ctx)
	defer stop()
	model, err := app.PickModel(startCtx, f.model, os.Getenv)
	if err != nil {
		return err
	}
	c, err := f.open(startCtx, model)
	if err != nil {
		return err
	}
	defer c.close(ctx)
	stop()
	switch {
	case f.prompt != "":
		return f.once(ctx, c)
	case f.plain || !f.terminal():
		return f.plainREPL(ctx, c)
	}
	return f.terminalREPL(ctx, c)
}

// loadDotEnv reads .env of the working directory, as the guide's script does.
// What the environment has already stays.
func loadDotEnv() error {
	err := godotenv.Load(".env")
	if err == nil || errors.Is(err, os.ErrNotExist) {
		return nil
	}
	// The parser's error quotes the line, which may hold a key.
	return errors.New(".env in this folder cannot be read: expected lines of the form NAME=value")
}

// conversation is an agent over one router session, with its history.
type conversation struct {
	router  *router
	session *client.Session
	tools   *agent.MCPToolset
	agent   *agent.Agent[string]
	model   string
	history agent.History
	ask     asker // how a tool's question reaches the person; set by the display
}

// asker puts a tool's question to the person.
type asker interface {
	form(ctx context.Context, q agent.FormRequest) (agent.Answer, error)
	url(ctx context.Context, q agent.URLRequest) (agent.Answer, error)
}

func (f *chatFlags) open(ctx context.Context, model agent.Model) (*conversation, error) {
	r, err := f.router(ctx)
	if err != nil {
		return nil, err
	}
	session, err := r.Create(ctx, f.userID(), client.SessionOptions{Toolkits: f.toolkits, WaitForConnections: true})
	if err != nil {
		r.Close(ctx)
		return nil, err
	}
	c := &conversation{router: r, session: session, model: model.Name()}
	header := http.Header{}
	for k, v := range session.MCP.Headers {
		header.Set(k, v)
	}
	opts := agent.MCPOptions{Header: header, Name: "sluice-chat", Version: app.Version()}
	if f.prompt == "" { // only where a person is there to be asked
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

// welcome says where the person is.
func (c *conversation) welcome() string {
	var b strings.Builder
	fmt.Fprintf(&b, "Chat with %s.", c.model)
	if c.router.app != nil && c.router.app.SandboxURL() != "" {
		b.WriteString(" Confluence is a sandbox in this process: nothing here is a real site.\n" +
			"Connect your own with: sluice connect confluence")
	} else {
		b.WriteString(" Router: " + c.router.BaseURL())
	}
	if c.model == app.OfflineModel {
		b.WriteString("\nThe offline model follows rules and understands simple requests only.\n" +
			"For a real one set OPENAI_API_KEY, or OPENAI_BASE_URL or OLLAMA_HOST, or use --model.")
	}
	return b.String()
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
		return &exitCoded{exitInterrupted, errors.New("stopped")}
	}
	return err
}
