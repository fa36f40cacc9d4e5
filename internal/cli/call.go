package cli

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/sluice-run/sluice/client"
)

// maxArguments bounds the JSON read from a file or standard input.
const maxArguments = 4 << 20

func newCall(s *shared) *cobra.Command {
	var pairs []string
	var from, account string
	cmd := &cobra.Command{
		Use:   "call SLUG",
		Short: "Run one tool",
		Long: "Run one tool for a user and write its data. The exit code is 0 when the tool\n" +
			"succeeded and 1 when it failed or was refused.\n\n" +
			"A value of --arg is read as JSON where the tool's schema asks for a number,\n" +
			"boolean, list or object, and as text otherwise; a.b=c sets a nested field.",
		Example: "  sluice call CONFLUENCE_GET_SPACES --arg limit=5\n" +
			"  echo '{\"cql\":\"type = page\"}' | sluice call CONFLUENCE_CQL_SEARCH --json -",
		Args:              oneArg("the slug of a tool, such as CONFLUENCE_GET_SPACES; what the tool takes goes into --arg"),
		ValidArgsFunction: s.completeTool,
		RunE: func(cmd *cobra.Command, args []string) error {
			arguments, err := readArguments(s.In, from)
			if err != nil {
				return err
			}
			r, err := s.router(cmd.Context())
			if err != nil {
				return err
			}
			defer r.Close(cmd.Context())
			if len(pairs) > 0 {
				tool, err := r.Tool(cmd.Context(), args[0])
				if err != nil {
					return err
				}
				if err := setPairs(arguments, tool.Input, pairs); err != nil {
					return err
				}
			}
			stop := s.busy("Running " + args[0])
			defer stop()
			res, err := r.Execute(cmd.Context(), client.ExecuteRequest{
				Tool: args[0], UserID: s.userID(), AccountID: account, Arguments: arguments,
			})
			if err != nil {
				return err
			}
			stop()
			return s.showResult(res)
		},
	}
	f := cmd.Flags()
	f.StringArrayVarP(&pairs, "arg", "a", nil, "one argument as name=value; may be given again")
	f.StringVar(&from, "json", "", "take the arguments as a JSON object from this file, or from standard input with -")
	f.StringVar(&account, "account", "", "connected account to run on (default: the newest active one)")
	s.routerFlag(cmd)
	s.userFlag(cmd)
	for flag, complete := range map[string]cobra.CompletionFunc{"arg": s.completeArgument, "account": s.completeAccount} {
		_ = cmd.RegisterFlagCompletionFunc(flag, complete) // fails only for a flag that is not there
	}
	return cmd
}

// readArguments reads the JSON object named by from; nothing is an empty object.
func readArguments(in io.Reader, from string) (map[string]any, error) {
	arguments := map[string]any{}
	if from == "" {
		return arguments, nil
	}
	source := in
	if from != "-" {
		f, err := os.Open(from) // the user names the file
		if err != nil {
			return nil, &exitCoded{exitUsage, fmt.Errorf("--json: %w\n  It names a file; to give the object itself pipe it in with --json -, or use --arg name=value", err)}
		}
		defer f.Close()
		source = f
	}
	b, err := io.ReadAll(io.LimitReader(source, maxArguments+1))
	if err != nil {
		return nil, fmt.Errorf("--json: %w", err)
	}
	if len(b) > maxArguments {
		return nil, fmt.Errorf("--json: the arguments are larger than %d MiB", maxArguments>>20)
	}
	dec := json.NewDecoder(bytes.NewReader(b))
	dec.UseNumber()
	if err := dec.Decode(&arguments); err != nil {
		var syntax *json.SyntaxError
		if errors.As(err, &syntax) {
			return nil, &exitCoded{exitUsage, fmt.Errorf("--json: expected one JSON object: %w at byte %d", err, syntax.Offset)}
		}
		return nil, &exitCoded{exitUsage, errors.New("--json: expected one JSON object")}
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) || arguments == nil {
		return nil, &exitCoded{exitUsage, errors.New("--json: expected one JSON object and nothing after it")}
	}
	return arguments, nil
}

// setPairs puts name=value pairs into arguments, typed by the tool's schema.
func setPairs(arguments map[string]any, schema json.RawMessage, pairs []string) error {
	var root map[string]any
	if err := json.Unmarshal(schema, &root); err != nil {
		return fmt.Errorf("the tool's input schema is not readable: %w", err)
	}
	for _, pair := range pairs {
		name, value, ok := strings.Cut(pair, "=")
		if !ok || name == "" || slices.Contains(strings.Split(name, "."), "") {
			return &exitCoded{exitUsage, fmt.Errorf("--arg %q: expected name=value", pair)}
		}
		path := strings.Split(name, ".")
		v, err := typed(value, schemaAt(root, path))
		if err != nil {
			return &exitCoded{exitUsage, fmt.Errorf("--arg %s: %w", name, err)}
		}
		into := arguments
		for _, step := range path[:len(path)-1] {
			next, ok := into[step].(map[string]any)
			if !ok {
				next = map[string]any{}
				into[step] = next
			}
			into = next
		}
		into[path[len(path)-1]] = v
	}
	return nil
}

// schemaAt gives the schema of a nested property; nil when it is not declared.
func schemaAt(schema map[string]any, path []string) map[string]any {
	for _, step := range path {
		properties, _ := schema["properties"].(map[string]any)
		next, _ := properties[step].(map[string]any)
		if next == nil {
			return nil
		}
		schema = next
	}
	return schema
}

// typed reads value as the schema's type asks: JSON for anything but text.
func typed(value string, schema map[string]any) (any, error) {
	kind, _ := schema["type"].(string)
	if kind == "" || kind == "string" {
		return value, nil
	}
	dec := json.NewDecoder(strings.NewReader(value))
	dec.UseNumber()
	var v any
	if err := dec.Decode(&v); err != nil || dec.More() {
		return nil, fmt.Errorf("expected %s as JSON, got %q", kind, value)
	}
	return v, nil
}

// showResult writes a result's data to standard output and its failure to
// standard error.
func (s *shared) showResult(res *client.Result) error {
	var out bytes.Buffer
	if err := json.Indent(&out, res.Data, "", "  "); err == nil {
		out.WriteByte('\n')
		text := out.String()
		if isTerminal(s.Out) {
			text = printable(text)
		}
		if _, err := io.WriteString(s.Out, text); err != nil {
			return fmt.Errorf("writing the result: %w", err)
		}
	}
	if !res.Successful {
		fmt.Fprintf(s.Err, "sluice: the tool failed: %s (%s)\n", printable(res.Error), res.LogID)
		return errShown
	}
	return nil
}
