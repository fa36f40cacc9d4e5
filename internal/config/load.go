package config

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"strings"

	"github.com/caarlos0/env/v11"
	"github.com/goccy/go-yaml"

	"github.com/sluice-run/sluice/internal/domain"
)

const (
	envPrefix  = "SLUICE_"
	fileName   = "sluice.yaml"
	maxFile    = 1 << 20
	maxSecret  = 64 << 10
	fromNobody = "default"
)

var errCIDRs = errors.New("expected ranges such as 10.0.0.0/8, separated by commas")

// LoadOptions says where to look. The zero value looks in the usual places.
type LoadOptions struct {
	// Home comes before SLUICE_HOME; empty means not given.
	Home string
	// File comes before SLUICE_CONFIG; when neither is given, sluice.yaml in
	// the home is read if it is there. A file that was named must exist.
	File string
	// Env is the environment; nil means the process's.
	Env map[string]string
}

// loaded remembers what Load read and from where, for messages.
type loaded struct {
	values  Config
	sources map[string]string // by setting: "SLUICE_ADDR", "/x/sluice.yaml"
}

// Load reads all sources but flags. It fails on what cannot be understood:
// unknown settings in the file, values of the wrong type, a secret given twice
// in one source, an unreadable file. Whether the values make sense is
// Validate's. No error holds a secret.
func Load(o LoadOptions) (Config, error) {
	vars := o.Env
	if vars == nil {
		vars = env.ToMap(os.Environ())
	}
	c := Default()
	l := &loaded{sources: make(map[string]string)}
	home, source, err := findHome(o.Home, vars)
	if err != nil {
		return Config{}, err
	}
	c.Home = home
	l.sources["home"] = source

	if err := c.readFile(o, vars, l); err != nil {
		return Config{}, err
	}
	if err := c.readEnv(vars, l); err != nil {
		return Config{}, err
	}
	c.borrowModel(vars, l)
	c.Home = home
	l.values = c
	c.loaded = l
	return c, nil
}

func findHome(given string, vars map[string]string) (home, source string, err error) {
	home, source = given, "--home"
	if home == "" {
		home, source = vars[envPrefix+"HOME"], envPrefix+"HOME"
	}
	if home == "" {
		base := vars["XDG_DATA_HOME"]
		switch {
		case filepath.IsAbs(base): // the XDG specification ignores relative ones
		case runtime.GOOS == "windows" && vars["LOCALAPPDATA"] != "":
			base = vars["LOCALAPPDATA"]
		case vars["HOME"] != "":
			base = filepath.Join(vars["HOME"], ".local", "share")
		default:
			return "", "", domain.Invalid("home", "there is no place for the home: HOME is not set").
				WithFix("set SLUICE_HOME to a folder that Sluice may write")
		}
		home, source = filepath.Join(base, "sluice"), fromNobody
	}
	abs, err := filepath.Abs(home)
	if err != nil {
		return "", "", domain.Invalid("home", "home (from %s): %q is not a path", source, home).WithCause(err)
	}
	return abs, source, nil
}

func (c *Config) readFile(o LoadOptions, vars map[string]string, l *loaded) error {
	path, named := o.File, true
	if path == "" {
		path = vars[envPrefix+"CONFIG"]
	}
	if path == "" {
		path, named = filepath.Join(c.Home, fileName), false
	}
	text, err := readBounded(path, maxFile)
	if errors.Is(err, fs.ErrNotExist) && !named {
		return nil
	}
	if err != nil {
		return domain.Invalid("config", "the configuration file %s cannot be read: %v", path, reason(err)).WithCause(err)
	}
	// The names alone first: which settings does the file set? None means
	// that there is nothing to decode; the library would empty the struct.
	var names map[string]any
	if err := yaml.Unmarshal([]byte(text), &names); err != nil {
		return fileError(path, err)
	}
	if len(names) == 0 {
		return nil
	}
	decoder := yaml.NewDecoder(strings.NewReader(text), yaml.Strict())
	if err := decoder.Decode(c); err != nil {
		return fileError(path, err)
	}
	if err := decoder.Decode(new(any)); !errors.Is(err, io.EOF) {
		return domain.Invalid("config", "%s: expected one YAML document", path)
	}
	for name := range names {
		l.sources[name] = path
	}
	return c.resolveSecrets(l, path, func(s secret) (bool, bool) {
		_, value := names[s.name]
		_, file := names[s.name+"_file"]
		return value, file
	})
}

// fileError says where the file is wrong. It is made from the kind of error
// and its place: the library's own text quotes the source, secrets included.
func fileError(path string, err error) error {
	at := path
	var place yaml.Error
	if errors.As(err, &place) && place.GetToken() != nil && place.GetToken().Position != nil {
		p := place.GetToken().Position
		at = fmt.Sprintf("%s line %d column %d", path, p.Line, p.Column)
	}
	var (
		unknown   *yaml.UnknownFieldError
		duplicate *yaml.DuplicateKeyError
		mistyped  *yaml.TypeError
	)
	switch {
	case errors.Is(err, errCIDRs):
		return domain.Invalid("config", "%s: %v", at, errCIDRs)
	case errors.Is(err, errRate):
		return domain.Invalid("config", "%s: %v", at, errRate)
	case errors.As(err, &unknown):
		name := unknown.Token.Value
		e := domain.Invalid(name, "%s: there is no setting %q", at, name)
		if near := nearest(name); near != "" {
			e = e.WithFix("did you mean %s?", near)
		}
		return e
	case errors.As(err, &duplicate):
		return domain.Invalid("config", "%s: a setting is given twice", at)
	case errors.As(err, &mistyped):
		field := "config"
		if mistyped.StructFieldName != nil {
			field = settingOf(*mistyped.StructFieldName)
		}
		return domain.Invalid(field, "%s: %s: expected %s", at, field, typeWords(mistyped.DstType))
	}
	return domain.Invalid("config", "%s: this is not YAML as it should be", at).
		WithFix("check the indentation and the colons near that place")
}

func (c *Config) readEnv(vars map[string]string, l *loaded) error {
	err := env.ParseWithOptions(c, env.Options{Environment: vars, Prefix: envPrefix})
	if err != nil {
		return envError(err)
	}
	for _, s := range settings() {
		if s.env != "" && vars[envPrefix+s.env] != "" && s.name != "home" {
			l.sources[s.name] = envPrefix + s.env
		}
	}
	return c.resolveSecrets(l, "the environment", func(s secret) (bool, bool) {
		key := envPrefix + strings.ToUpper(s.name)
		return vars[key] != "", vars[key+"_FILE"] != ""
	})
}

// borrowModel takes key and address of the model from the names that every client
// of such servers reads, as the chat does: both or neither, so that a key never
// goes to a server that it is not for.
func (c *Config) borrowModel(vars map[string]string, l *loaded) {
	if c.Model == "" || c.ModelAPIKey != "" || c.ModelBaseURL != "" {
		return
	}
	c.ModelAPIKey, c.ModelBaseURL = Secret(vars["OPENAI_API_KEY"]), vars["OPENAI_BASE_URL"]
	l.sources["model_api_key"], l.sources["model_base_url"] = "OPENAI_API_KEY", "OPENAI_BASE_URL"
}

// envError names the variables at fault without their values.
func envError(err error) error {
	var all env.AggregateError
	if !errors.As(err, &all) {
		return domain.Internal("reading the environment", err)
	}
	var out []error
	for _, e := range all.Errors {
		var p env.ParseError
		if !errors.As(e, &p) {
			out = append(out, domain.Internal("reading the environment", e))
			continue
		}
		s := fieldNamed(p.Name)
		out = append(out, domain.Invalid(s.name, "%s (from %s%s): expected %s", s.name, envPrefix, s.env, typeWords(p.Type)))
	}
	return errors.Join(out...)
}

// secret is a setting with a _FILE twin.
type secret struct {
	name  string
	value func(*Config) *Secret
	file  func(*Config) *string
}

func secrets() []secret {
	return []secret{
		{"api_key", func(c *Config) *Secret { return &c.APIKey }, func(c *Config) *string { return &c.APIKeyFile }},
		{"operator_key", func(c *Config) *Secret { return &c.OperatorKey }, func(c *Config) *string { return &c.OperatorKeyFile }},
		{"key_encryption_key", func(c *Config) *Secret { return &c.KeyEncryptionKey }, func(c *Config) *string { return &c.KeyEncryptionKeyFile }},
		{"database", func(c *Config) *Secret { return &c.Database }, func(c *Config) *string { return &c.DatabaseFile }},
		{"upstream_proxy", func(c *Config) *Secret { return &c.UpstreamProxy }, func(c *Config) *string { return &c.UpstreamProxyFile }},
		{"model_api_key", func(c *Config) *Secret { return &c.ModelAPIKey }, func(c *Config) *string { return &c.ModelAPIKeyFile }},
		{"vault_token", func(c *Config) *Secret { return &c.VaultToken }, func(c *Config) *string { return &c.VaultTokenFile }},
	}
}

// resolveSecrets settles each secret for one source, given whether the source
// set the value and whether it set the file.
func (c *Config) resolveSecrets(l *loaded, source string, set func(secret) (value, file bool)) error {
	for _, s := range secrets() {
		value, file := set(s)
		switch {
		case value && file:
			return domain.Invalid(s.name, "%s and %s_file are both set in %s", s.name, s.name, source).WithFix("keep one of them")
		case value:
			*s.file(c) = ""
		case file:
			path := *s.file(c)
			text, err := readBounded(path, maxSecret)
			if err != nil {
				return domain.Invalid(s.name+"_file", "%s_file (from %s): %s cannot be read: %v", s.name, l.sources[s.name+"_file"], path, reason(err)).WithCause(err)
			}
			text = strings.TrimRight(text, "\r\n")
			if text == "" {
				return domain.Invalid(s.name+"_file", "%s_file (from %s): %s is empty", s.name, l.sources[s.name+"_file"], path)
			}
			*s.value(c) = Secret(text)
			l.sources[s.name] = path
		}
	}
	return nil
}

func readBounded(path string, limit int64) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err != nil {
		return "", err
	}
	if int64(len(text)) > limit {
		return "", fmt.Errorf("it is over %d bytes", limit)
	}
	return string(text), nil
}

// reason is err without the path that the message already names.
func reason(err error) error {
	var pe *fs.PathError
	if errors.As(err, &pe) {
		return pe.Err
	}
	return err
}

// setting is one field of Config with its names.
type setting struct {
	field string // Go
	name  string // file
	env   string // behind SLUICE_
}

func settings() []setting {
	var out []setting
	for f := range reflect.TypeFor[Config]().Fields() {
		if !f.IsExported() {
			continue
		}
		name := f.Tag.Get("yaml")
		if name == "-" {
			name = strings.ToLower(f.Name)
		}
		out = append(out, setting{field: f.Name, name: name, env: f.Tag.Get("env")})
	}
	return out
}

func fieldNamed(field string) setting {
	for _, s := range settings() {
		if s.field == field {
			return s
		}
	}
	return setting{field: field, name: field, env: field}
}

// settingOf gives the file name of "Config.Addr" or "Addr".
func settingOf(field string) string {
	_, last, found := strings.Cut(field, ".")
	if !found {
		last = field
	}
	return fieldNamed(last).name
}

func typeWords(t reflect.Type) string {
	if t == nil {
		return "another value"
	}
	if t == reflect.TypeFor[CIDRs]() {
		return "ranges such as 10.0.0.0/8, separated by commas"
	}
	if t == reflect.TypeFor[Rate]() {
		return rateWords
	}
	switch t.Kind() {
	case reflect.Bool:
		return "true or false"
	case reflect.Int, reflect.Int64:
		return "a whole number"
	}
	return "text"
}

// nearest gives the setting that shares most with a misspelt one, or "".
func nearest(name string) string {
	best, score := "", 0
	for _, s := range settings() {
		n := shared(name, s.name)
		if n > score && 3*n >= 2*max(len(name), len(s.name)) {
			best, score = s.name, n
		}
	}
	return best
}

// shared is the length of the longest common subsequence.
func shared(a, b string) int {
	row := make([]int, len(b)+1)
	for i := range a {
		diagonal := 0
		for j := range b {
			above := row[j+1]
			if a[i] == b[j] {
				row[j+1] = diagonal + 1
			} else {
				row[j+1] = max(row[j+1], row[j])
			}
			diagonal = above
		}
	}
	return row[len(b)]
}
