package cli

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/sluice-run/sluice/client"
	"github.com/sluice-run/sluice/internal/app"
	"github.com/sluice-run/sluice/internal/domain"
	"github.com/sluice-run/sluice/internal/importer"
)

func newImport(s *shared) *cobra.Command {
	cmd := group(&cobra.Command{
		Use:     "import",
		Short:   "Bring a project from another server",
		Example: "  sluice import composio --dry-run",
	})
	cmd.AddCommand(newImportComposio(s))
	return cmd
}

// hosted is where the hosted product answers.
const hosted = "https://backend.composio.dev"

// importFlags are those of sluice import composio.
type importFlags struct {
	from, keyFile, export, save, credentials, state, callback string
	sessions                                                  []string
	dryRun, links                                             bool
}

func newImportComposio(s *shared) *cobra.Command {
	var f importFlags
	cmd := &cobra.Command{
		Use:   "composio",
		Short: "Bring auth configs, accounts, triggers and sessions from Composio or another Sluice",
		Long: "Bring auth configs, accounts, triggers and sessions from Composio or another\n" +
			"Sluice, by its API (key in COMPOSIO_API_KEY or COMPOSIO_API_KEY_FILE, or with\n" +
			"--key-file) or from a file that --save wrote. Secrets stay where they are: OAuth\n" +
			"apps need their client secret again (--credentials), and users connect their\n" +
			"accounts again by a link. Run it as often as you like: it goes on where the run\n" +
			"before had to stop, and makes nothing twice.",
		Example: "  sluice import composio --dry-run\n" +
			"  sluice import composio --credentials apps.json --links --json > report.json\n" +
			"  sluice import composio --from https://sluice.example.com --session trs_…\n" +
			"  sluice import composio --save export.json",
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return s.importComposio(cmd.Context(), &f) },
	}
	flags := cmd.Flags()
	flags.StringVar(&f.from, "from", hosted, "address of the server that things come from")
	flags.StringVar(&f.keyFile, "key-file", "", "file with the key for that server (default: env COMPOSIO_API_KEY)")
	flags.StringVar(&f.export, "export", "", "bring what this file of --save holds, instead of asking a server")
	flags.StringVar(&f.save, "save", "", "only write what the server has to this file, without secrets")
	flags.StringArrayVar(&f.sessions, "session", nil, "id of a session to bring, again for each: the API has no list of them")
	flags.StringVar(&f.credentials, "credentials", "", "JSON file of secrets by the auth config's id of before:\n{\"ac_…\": {\"client_id\": \"…\", \"client_secret\": \"…\"}}")
	flags.StringVar(&f.state, "state", "", "file that remembers what was made (default: in the home, by the two addresses)")
	flags.StringVar(&f.callback, "callback-url", "", "where a browser goes after an account was connected again")
	flags.BoolVar(&f.links, "links", false, "make a link for each account now; one expires after ten minutes, and\nsluice accounts refresh gives another")
	flags.BoolVar(&f.dryRun, "dry-run", false, "make nothing; say what would be")
	cmd.MarkFlagsMutuallyExclusive("export", "save")
	cmd.MarkFlagsMutuallyExclusive("export", "session")
	cmd.MarkFlagsMutuallyExclusive("links", "dry-run")
	s.routerFlag(cmd)
	s.jsonFlag(cmd)
	return cmd
}

func (s *shared) importComposio(ctx context.Context, f *importFlags) error {
	e, err := s.exported(ctx, f)
	if err != nil {
		return err
	}
	if f.save != "" {
		return s.saveExport(e, f.save)
	}
	r, err := s.router(ctx)
	if err != nil {
		return err
	}
	defer r.Close(ctx)
	if strings.TrimRight(e.From, "/") == r.BaseURL() {
		return &exitCoded{exitUsage, fmt.Errorf("the things come from %s, which is also where they would go: name the router with --url or SLUICE_URL", e.From)}
	}
	to := r.BaseURL()
	if r.app != nil { // its address is another one each time
		to = "the home"
	}
	o := importer.Options{To: r.Client, Links: f.links && r.app == nil, CallbackURL: f.callback, DryRun: f.dryRun}
	if f.links && r.app != nil {
		fmt.Fprintln(s.Err, "No links: a router in this process ends with the command. Name a running one with --url.")
	}
	if o.Credentials, err = readCredentials(f.credentials); err != nil {
		return err
	}
	state, err := s.importState(f.state, e.From, to)
	if err != nil {
		return err
	}
	o.Known, o.Keep = state.IDs, state.write
	if !s.json {
		o.Progress = s.showImported
	}
	report, err := importer.Import(ctx, e, o)
	if err != nil {
		return fmt.Errorf("%w\n  What was made until then is remembered; run it again", err)
	}
	if s.json {
		return s.writeJSON(report)
	}
	s.sumImport(report)
	return nil
}

// exported gives what there is to bring.
func (s *shared) exported(ctx context.Context, f *importFlags) (*importer.Export, error) {
	if f.export != "" {
		file, err := os.Open(f.export)
		if err != nil {
			return nil, &exitCoded{exitUsage, fmt.Errorf("--export: %w", err)}
		}
		defer file.Close()
		return importer.Read(file)
	}
	key, err := s.sourceKey(f.keyFile)
	if err != nil {
		return nil, err
	}
	from, err := client.New(client.Options{BaseURL: f.from, APIKey: key, UserAgent: "sluice/" + app.Version()})
	if err != nil {
		return nil, &exitCoded{exitUsage, fmt.Errorf("--from: %q is not a server's address: expected one such as %s", f.from, hosted)}
	}
	return importer.Take(ctx, from, f.sessions)
}

// sourceKey gives the key for the server that things come from.
func (s *shared) sourceKey(file string) (string, error) {
	if file == "" {
		if key := s.getenv(envSDKKey); key != "" {
			return key, nil
		}
		if file = s.getenv(envSDKKey + "_FILE"); file == "" {
			return "", &exitCoded{exitUsage, errors.New("no key for the server that things come from: set " + envSDKKey + " or " + envSDKKey + "_FILE, or name a file with --key-file")}
		}
	}
	key, err := readSmall(file)
	if err != nil {
		return "", &exitCoded{exitUsage, fmt.Errorf("reading the key: %w", err)}
	}
	return strings.TrimSpace(string(key)), nil
}

func (s *shared) saveExport(e *importer.Export, path string) error {
	if path == "-" {
		return e.Write(s.Out)
	}
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return &exitCoded{exitUsage, fmt.Errorf("--save: %w", err)}
	}
	if err := errors.Join(e.Write(file), file.Close()); err != nil {
		return fmt.Errorf("writing %s: %w", path, err)
	}
	counts := fmt.Sprintf("%d auth configs, %d accounts, %d triggers, %d sessions", len(e.AuthConfigs), len(e.Accounts), len(e.Triggers), len(e.Sessions))
	fmt.Fprintf(s.Err, "Wrote %s: %s. It holds no secrets.\n", path, counts)
	return nil
}

// readSmall reads a file of at most 4 MiB.
func readSmall(path string) ([]byte, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	const most = 4 << 20
	b, err := io.ReadAll(io.LimitReader(file, most+1))
	if err == nil && len(b) > most {
		err = fmt.Errorf("%s is larger than 4 MiB", path)
	}
	return b, err
}

func readCredentials(path string) (map[string]map[string]string, error) {
	if path == "" {
		return nil, nil
	}
	b, err := readSmall(path)
	if err != nil {
		return nil, &exitCoded{exitUsage, fmt.Errorf("--credentials: %w", err)}
	}
	var out map[string]map[string]string
	if json.Unmarshal(b, &out) != nil { // the cause could quote a secret
		return nil, &exitCoded{exitUsage, fmt.Errorf(`--credentials: %s: expected JSON such as {"ac_…": {"client_id": "…", "client_secret": "…"}}`, path)}
	}
	return out, nil
}

// importState remembers what imports from one server to another have made.
type importState struct {
	From string            `json:"from"`
	To   string            `json:"to"`
	IDs  map[string]string `json:"ids"` // ids of before, and what they became
	path string
}

func (s *shared) importState(path, from, to string) (*importState, error) {
	if path == "" {
		cfg, err := app.LoadConfig(s.config, s.home)
		if err != nil {
			return nil, err
		}
		sum := sha256.Sum256([]byte(from + "\n" + to))
		path = filepath.Join(cfg.Home, "imports", hex.EncodeToString(sum[:8])+".json")
	}
	st := &importState{From: from, To: to, IDs: map[string]string{}, path: path}
	b, err := readSmallOrNone(path)
	if err != nil || b == nil {
		return st, err
	}
	var was importState
	if err := json.Unmarshal(b, &was); err != nil || was.IDs == nil {
		return nil, domain.Errorf(domain.CodeInvalid, "%s does not hold what an import remembers", path).
			WithFix("Name another file with --state; without it things are made again.")
	}
	if was.From != from || was.To != to {
		return nil, domain.Errorf(domain.CodeInvalid, "%s is of an import from %s to %s", path, was.From, was.To).
			WithFix("Name another file with --state.")
	}
	st.IDs = was.IDs
	return st, nil
}

func readSmallOrNone(path string) ([]byte, error) {
	b, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	return b, err
}

// write replaces the file at once, so that a kill leaves the one or the other.
func (st *importState) write() error {
	b, err := json.MarshalIndent(st, "", "  ")
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(st.path), 0o700); err != nil {
		return err
	}
	next := st.path + ".next"
	if err := os.WriteFile(next, b, 0o600); err != nil {
		return err
	}
	return os.Rename(next, st.path)
}

func (s *shared) showImported(i importer.Item) {
	what := strings.ReplaceAll(i.Kind, "_", " ")
	name := i.From
	if i.To != "" {
		name += " → " + i.To
	}
	for _, more := range []string{i.Toolkit, i.Name, i.User} {
		if more != "" {
			name += "  " + more
		}
	}
	fmt.Fprintf(s.Out, "%-8s %-17s %s\n", i.Result, what, cut(name, 200))
	for _, more := range []string{i.Why, i.Link, i.URL} {
		if more != "" {
			fmt.Fprintf(s.Out, "         %s\n", cut(more, 400))
		}
	}
}

func (s *shared) sumImport(r *importer.Report) {
	var parts []string
	for _, result := range []importer.Result{importer.Made, importer.Planned, importer.There, importer.Waiting, importer.Left} {
		if n := r.Counts[result]; n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, result))
		}
	}
	if len(parts) == 0 {
		parts = []string{"nothing"}
	}
	fmt.Fprintf(s.Err, "From %s: %s.\n", r.From, strings.Join(parts, ", "))
	if r.Counts[importer.Waiting] > 0 {
		fmt.Fprintln(s.Err, "When what waits is done, run the import again.")
	}
}
