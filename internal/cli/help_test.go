package cli_test

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sluice-run/sluice/internal/cli"
)

// helpOf lists every command that people see.
var helpOf = []string{
	"", "accounts", "accounts alias", "accounts disable", "accounts enable", "accounts list", "accounts refresh", "accounts remove",
	"accounts revoke", "accounts show", "approvals", "approvals allow", "approvals deny", "approvals list", "auth-configs", "auth-configs create", "auth-configs delete", "auth-configs disable",
	"auth-configs enable", "auth-configs list", "auth-configs show", "auth-configs update", "call", "chat", "completion", "connect", "doctor",
	"import", "import composio", "keys", "keys create", "keys list", "keys revoke",
	"mcp", "projects", "projects create", "projects delete", "projects list", "sandbox", "serve", "tools", "tools list", "tools search", "tools show",
	"triggers", "triggers create", "triggers delete", "triggers disable", "triggers enable", "triggers list", "triggers replay", "triggers show",
	"triggers test", "triggers bounds", "triggers listen", "triggers logs", "triggers types", "vault", "vault inventory", "vault revoke",
	"logs", "logs export", "logs show",
	"vault rotate", "version",
	"webhooks", "webhooks create", "webhooks delete", "webhooks deliveries", "webhooks endpoints", "webhooks endpoints create", "webhooks endpoints delete",
	"webhooks endpoints list", "webhooks endpoints rotate", "webhooks endpoints show", "webhooks list", "webhooks replay", "webhooks rotate", "webhooks update",
}

// TestHelp holds each command's help to its golden file, and the list of
// commands to what the program has.
func TestHelp(t *testing.T) {
	t.Parallel()
	known := map[string]bool{}
	for _, command := range helpOf {
		known[command] = true
	}
	for _, command := range helpOf {
		text := help(t, command)
		name := filepath.Join("testdata", "help", strings.ReplaceAll("sluice "+command, " ", "-")+".txt")
		name = strings.ReplaceAll(name, "-.txt", ".txt")
		if *update {
			if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(want), text); diff != "" {
			t.Errorf("help of %q changed (-golden +now); go test ./internal/cli -update rewrites it\n%s", command, diff)
		}
		for _, sub := range subcommandsIn(text) {
			path := strings.TrimSpace(command + " " + sub)
			if command != "completion" && sub != "help" && !known[path] {
				t.Errorf("there is no golden help of %q: add it to helpOf", path)
			}
		}
		for line := range strings.SplitSeq(text, "\n") {
			if before, _, flags := strings.Cut(line, "   "); !flags && len(before) > 110 {
				t.Errorf("%q: a line of help is too long: %q", command, line)
			}
		}
	}
}

func help(t *testing.T, command string) string {
	t.Helper()
	var out, errs bytes.Buffer
	code := cli.Main(t.Context(), append(strings.Fields(command), "--help"), cli.Streams{In: strings.NewReader(""), Out: &out, Err: io.Writer(&errs)})
	if code != 0 || errs.Len() > 0 {
		t.Fatalf("%s --help: code %d, %s", command, code, errs.String())
	}
	return out.String()
}

// subcommandsIn reads the names below "Available Commands:".
func subcommandsIn(help string) []string {
	_, list, _ := strings.Cut(help, "Available Commands:\n")
	list, _, _ = strings.Cut(list, "\n\n")
	var names []string
	for line := range strings.Lines(list) {
		if fields := strings.Fields(line); len(fields) > 0 {
			names = append(names, fields[0])
		}
	}
	return names
}
