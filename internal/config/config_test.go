package config_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/sluice-run/sluice/internal/config"
	"github.com/sluice-run/sluice/internal/domain"
)

const topSecret = "hunter2hunter2hunter2"

func write(t testing.TB, path, text string) string {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func prefixes(list ...string) config.CIDRs {
	var out config.CIDRs
	for _, s := range list {
		out = append(out, netip.MustParsePrefix(s))
	}
	return out
}

func TestSourcesInOrder(t *testing.T) {
	t.Parallel()
	home := t.TempDir()
	keyFile := write(t, filepath.Join(home, "key.txt"), topSecret+"\n")
	tests := map[string]struct {
		file    string
		env     map[string]string
		change  func(*config.Config)
		sources map[string]string
	}{
		"defaults": {sources: map[string]string{"addr": "default", "home": "--home"}},
		"file": {
			file: "addr: 127.0.0.1:1\nsandbox: true\ntrusted_proxies: [10.0.0.0/8, 192.168.1.7]\nmax_body_bytes: 2048\n",
			change: func(c *config.Config) {
				c.Addr, c.Sandbox, c.TrustedProxies, c.MaxBodyBytes = "127.0.0.1:1", true, prefixes("10.0.0.0/8", "192.168.1.7/32"), 2048
			},
			sources: map[string]string{"addr": "FILE", "log_level": "default"},
		},
		"environment over file": {
			file: "addr: 127.0.0.1:1\nsandbox: true\nlog_level: warn\n",
			env:  map[string]string{"SLUICE_ADDR": "127.0.0.1:2", "SLUICE_SANDBOX": "false", "SLUICE_UPSTREAM_ALLOW": "10.1.0.0/16, fd00::/8", "SLUICE_MAX_STREAMS": "7", "ADDR": "ignored", "SLUICE_LOG_FORMAT": ""},
			change: func(c *config.Config) {
				c.Addr, c.LogLevel, c.UpstreamAllow, c.MaxStreams = "127.0.0.1:2", "warn", prefixes("10.1.0.0/16", "fd00::/8"), 7
			},
			sources: map[string]string{"addr": "SLUICE_ADDR", "sandbox": "SLUICE_SANDBOX", "log_level": "FILE", "log_format": "default"},
		},
		"rates": {
			file: "rate_key: 0\nrate_user: 20/30s\nrate_toolkit: 5/h\n",
			env:  map[string]string{"SLUICE_RATE_TOOLKIT": " 100 / 1m30s "},
			change: func(c *config.Config) {
				c.RateKey, c.RateUser = config.Rate{}, config.Rate{Burst: 20, Window: 30 * time.Second}
				c.RateToolkit = config.Rate{Burst: 100, Window: 90 * time.Second}
			},
			sources: map[string]string{"rate_key": "FILE", "rate_toolkit": "SLUICE_RATE_TOOLKIT"},
		},
		"no rate by a variable": {
			env:    map[string]string{"SLUICE_RATE_KEY": "0", "SLUICE_RATE_USER": "0/m", "SLUICE_RATE_TOOLKIT": ""},
			change: func(c *config.Config) { c.RateKey = config.Rate{} },
		},
		"empty file":    {file: ""},
		"comments only": {file: "# nothing\n"},
		"secret in the environment": {
			env:     map[string]string{"SLUICE_API_KEY": topSecret},
			change:  func(c *config.Config) { c.APIKey = topSecret },
			sources: map[string]string{"api_key": "SLUICE_API_KEY"},
		},
		"secret in a file of its own": {
			env:     map[string]string{"SLUICE_API_KEY_FILE": keyFile},
			change:  func(c *config.Config) { c.APIKey, c.APIKeyFile = topSecret, keyFile },
			sources: map[string]string{"api_key": keyFile},
		},
		"secret's file over the file's secret": {
			file:   "api_key: another-key-entirely\n",
			env:    map[string]string{"SLUICE_API_KEY_FILE": keyFile},
			change: func(c *config.Config) { c.APIKey, c.APIKeyFile = topSecret, keyFile },
		},
		"secret over the file's secret's file": {
			file:   "api_key_file: " + keyFile + "\n",
			env:    map[string]string{"SLUICE_API_KEY": "another-key-entirely"},
			change: func(c *config.Config) { c.APIKey = "another-key-entirely" },
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			home := t.TempDir()
			file := write(t, filepath.Join(home, "sluice.yaml"), tt.file)
			if tt.env == nil {
				tt.env = map[string]string{}
			}
			got, err := config.Load(config.LoadOptions{Home: home, Env: tt.env})
			if err != nil {
				t.Fatal(err)
			}
			want := config.Default()
			want.Home = home
			if tt.change != nil {
				tt.change(&want)
			}
			if diff := cmp.Diff(want, got, cmpopts.IgnoreUnexported(config.Config{}), cmp.Comparer(func(a, b netip.Prefix) bool { return a == b })); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if err := got.Validate(); err != nil {
				t.Errorf("Validate: %v", err)
			}
			for setting, source := range tt.sources {
				if source == "FILE" {
					source = file
				}
				if s := got.Source(setting); s != source {
					t.Errorf("Source(%s) = %s, want %s", setting, s, source)
				}
			}
		})
	}
}

func TestHome(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		given string
		env   map[string]string
		want  string
	}{
		"given":         {"/g", map[string]string{"SLUICE_HOME": "/s"}, "/g"},
		"variable":      {"", map[string]string{"SLUICE_HOME": "/s", "XDG_DATA_HOME": "/x"}, "/s"},
		"xdg":           {"", map[string]string{"XDG_DATA_HOME": "/x", "HOME": "/h"}, "/x/sluice"},
		"relative xdg":  {"", map[string]string{"XDG_DATA_HOME": "x", "HOME": "/h"}, "/h/.local/share/sluice"},
		"home":          {"", map[string]string{"HOME": "/h"}, "/h/.local/share/sluice"},
		"nothing known": {"", map[string]string{}, ""},
	} {
		c, err := config.Load(config.LoadOptions{Home: tt.given, Env: tt.env})
		if tt.want == "" {
			if domain.CodeOf(err) != domain.CodeInvalid || !strings.Contains(domain.AsError(err).Fix, "SLUICE_HOME") {
				t.Errorf("%s: %v", name, err)
			}
			continue
		}
		if err != nil || c.Home != tt.want {
			t.Errorf("%s: %s, %v; want %s", name, c.Home, err, tt.want)
		}
	}
	t.Run("relative", func(t *testing.T) {
		c, err := config.Load(config.LoadOptions{Home: "rel", Env: map[string]string{}})
		if err != nil || !filepath.IsAbs(c.Home) {
			t.Errorf("%s, %v", c.Home, err)
		}
	})
}

func TestNamedFile(t *testing.T) {
	t.Parallel()
	home := t.TempDir()
	write(t, filepath.Join(home, "sluice.yaml"), "addr: 127.0.0.1:1\n")
	other := write(t, filepath.Join(home, "other.yaml"), "addr: 127.0.0.1:2\n")
	third := write(t, filepath.Join(home, "third.yaml"), "addr: 127.0.0.1:3\n")
	for name, tt := range map[string]struct {
		o    config.LoadOptions
		want string
	}{
		"home":     {config.LoadOptions{Home: home, Env: map[string]string{}}, "127.0.0.1:1"},
		"variable": {config.LoadOptions{Home: home, Env: map[string]string{"SLUICE_CONFIG": other}}, "127.0.0.1:2"},
		"flag":     {config.LoadOptions{Home: home, File: third, Env: map[string]string{"SLUICE_CONFIG": other}}, "127.0.0.1:3"},
	} {
		if c, err := config.Load(tt.o); err != nil || c.Addr != tt.want {
			t.Errorf("%s: %s, %v", name, c.Addr, err)
		}
	}
	if _, err := config.Load(config.LoadOptions{Home: home, File: home + "/none.yaml", Env: map[string]string{}}); err == nil {
		t.Error("a named file that is missing was accepted")
	}
}

func TestLoadRefuses(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	empty := write(t, filepath.Join(dir, "empty"), "\n")
	full := write(t, filepath.Join(dir, "full"), topSecret)
	tests := map[string]struct {
		file  string
		env   map[string]string
		field string
		says  []string
	}{
		"unknown setting":     {file: "adr: x\n", field: "adr", says: []string{"line 1", `no setting "adr"`}},
		"unknown near secret": {file: "api_kye: " + topSecret + "\n", field: "api_kye", says: []string{"api_kye"}},
		"home in the file":    {file: "home: /x\n", field: "home", says: []string{"no setting"}},
		"given twice":         {file: "addr: a\naddr: b\n", says: []string{"twice"}},
		"wrong type":          {file: "sandbox: " + topSecret + "\n", field: "sandbox", says: []string{"true or false", "line 1"}},
		"number wanted":       {file: "max_streams: many\n", field: "max_streams", says: []string{"whole number"}},
		"list for a secret":   {file: "api_key:\n  - " + topSecret + "\n", field: "api_key", says: []string{"expected text"}},
		"bad range":           {file: "upstream_allow: [10.0.0.0/99]\n", says: []string{"10.0.0.0/8"}},
		"not YAML":            {file: "api_key: \"" + topSecret + "\nsandbox: [\n", says: []string{"not YAML"}},
		"two documents":       {file: "addr: 127.0.0.1:1\n---\naddr: 127.0.0.1:2\n", says: []string{"one YAML document"}},
		"a list":              {file: "- " + topSecret + "\n", says: []string{"sluice.yaml"}},
		"both in the file":    {file: "api_key: " + topSecret + "\napi_key_file: " + full + "\n", field: "api_key", says: []string{"both set", "sluice.yaml"}},
		"both in environment": {env: map[string]string{"SLUICE_API_KEY": topSecret, "SLUICE_API_KEY_FILE": full}, field: "api_key", says: []string{"both set", "environment"}},
		"both keys": {
			env:   map[string]string{"SLUICE_KEY_ENCRYPTION_KEY": topSecret, "SLUICE_KEY_ENCRYPTION_KEY_FILE": full},
			field: "key_encryption_key", says: []string{"both set"},
		},
		"both databases": {
			env:   map[string]string{"SLUICE_DATABASE": "postgres://" + topSecret, "SLUICE_DATABASE_FILE": full},
			field: "database", says: []string{"both set"},
		},
		"secret's file missing": {env: map[string]string{"SLUICE_API_KEY_FILE": dir + "/none"}, field: "api_key_file", says: []string{"cannot be read", "SLUICE_API_KEY_FILE"}},
		"secret's file empty":   {env: map[string]string{"SLUICE_API_KEY_FILE": empty}, field: "api_key_file", says: []string{"is empty"}},
		"bool in environment":   {env: map[string]string{"SLUICE_SANDBOX": topSecret}, field: "sandbox", says: []string{"SLUICE_SANDBOX", "true or false"}},
		"number in environment": {env: map[string]string{"SLUICE_MAX_BODY_BYTES": "4MB"}, field: "max_body_bytes", says: []string{"SLUICE_MAX_BODY_BYTES", "whole number"}},
		"range in environment":  {env: map[string]string{"SLUICE_TRUSTED_PROXIES": "10/8"}, field: "trusted_proxies", says: []string{"SLUICE_TRUSTED_PROXIES", "10.0.0.0/8"}},
		"huge file":             {file: strings.Repeat("# x\n", 1<<19), says: []string{"over 1048576 bytes"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			home := t.TempDir()
			write(t, filepath.Join(home, "sluice.yaml"), tt.file)
			if tt.env == nil {
				tt.env = map[string]string{}
			}
			_, err := config.Load(config.LoadOptions{Home: home, Env: tt.env})
			check(t, err, tt.field, tt.says...)
		})
	}
	_, err := config.Load(config.LoadOptions{Home: t.TempDir(), File: write(t, filepath.Join(dir, "x.yaml"), "log_levl: info\n"), Env: map[string]string{}})
	if fix := domain.AsError(err).Fix; !strings.Contains(fix, "log_level") {
		t.Errorf("no hint for a misspelt setting: %q", fix)
	}
}

// check says whether err is an invalid that names field and says all of says,
// and holds no secret anywhere in its chain.
func check(t *testing.T, err error, field string, says ...string) {
	t.Helper()
	var e *domain.Error
	if !errors.As(err, &e) || e.Code != domain.CodeInvalid {
		t.Fatalf("got %v, want an invalid", err)
	}
	if field != "" && e.Field != field {
		t.Errorf("field %q, want %q", e.Field, field)
	}
	for _, s := range says {
		if !strings.Contains(err.Error(), s) {
			t.Errorf("%q does not say %q", err, s)
		}
	}
	for cause := error(e); cause != nil; cause = errors.Unwrap(cause) {
		if strings.Contains(cause.Error(), topSecret) {
			t.Errorf("shows the secret: %v", cause)
		}
	}
	if strings.Contains(err.Error()+e.Fix, topSecret) {
		t.Errorf("shows the secret: %v %s", err, e.Fix)
	}
}

func TestValidate(t *testing.T) {
	t.Parallel()
	good := map[string]func(*config.Config){
		"port 0":             func(c *config.Config) { c.Addr = "127.0.0.1:0" },
		"IPv6 loopback":      func(c *config.Config) { c.Addr = "[::1]:80" },
		"localhost":          func(c *config.Config) { c.Addr = "localhost:80" },
		"beyond with TLS":    func(c *config.Config) { c.Addr, c.TLSCert, c.TLSKey = ":443", "c", "k" },
		"beyond, permitted":  func(c *config.Config) { c.Addr, c.AllowInsecureListen = "0.0.0.0:80", true },
		"public URL":         func(c *config.Config) { c.PublicURL = "https://sluice.example.com:8443/" },
		"collector":          func(c *config.Config) { c.OTLPEndpoint = "http://127.0.0.1:4318" },
		"PostgreSQL":         func(c *config.Config) { c.Database = "postgres://u:" + topSecret + "@h/x" },
		"json and debugging": func(c *config.Config) { c.LogFormat, c.LogLevel = "json", "debug" },
	}
	for name, change := range good {
		c := config.Default()
		change(&c)
		if err := c.Validate(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	bad := map[string]struct {
		change func(*config.Config)
		field  string
		says   string
	}{
		"no port":              {func(c *config.Config) { c.Addr = "127.0.0.1" }, "addr", "host:port"},
		"port name":            {func(c *config.Config) { c.Addr = "127.0.0.1:http" }, "addr", "port between"},
		"port too high":        {func(c *config.Config) { c.Addr = "127.0.0.1:70000" }, "addr", "port between"},
		"all addresses":        {func(c *config.Config) { c.Addr = ":80" }, "addr", "in the clear"},
		"any IPv4":             {func(c *config.Config) { c.Addr = "0.0.0.0:80" }, "addr", "in the clear"},
		"any IPv6":             {func(c *config.Config) { c.Addr = "[::]:80" }, "addr", "in the clear"},
		"a name":               {func(c *config.Config) { c.Addr = "sluice.example.com:80" }, "addr", "in the clear"},
		"localhost.evil":       {func(c *config.Config) { c.Addr = "localhost.example.com:80" }, "addr", "in the clear"},
		"certificate alone":    {func(c *config.Config) { c.TLSCert = "c" }, "tls_key", "together with tls_cert"},
		"key alone":            {func(c *config.Config) { c.TLSKey = "k" }, "tls_cert", "together with tls_key"},
		"public path":          {func(c *config.Config) { c.PublicURL = "https://h/x" }, "public_url", "origin alone"},
		"public user":          {func(c *config.Config) { c.PublicURL = "https://u:" + topSecret + "@h" }, "public_url", "origin alone"},
		"public scheme":        {func(c *config.Config) { c.PublicURL = "sluice.example.com" }, "public_url", "origin alone"},
		"short key":            {func(c *config.Config) { c.APIKey = "short" }, "api_key", "5 characters"},
		"key with a space":     {func(c *config.Config) { c.APIKey = config.Secret(topSecret + " x") }, "api_key", "printable ASCII"},
		"another database":     {func(c *config.Config) { c.Database = "mysql://u:" + topSecret + "@h/x" }, "database", "postgres://"},
		"database by a path":   {func(c *config.Config) { c.Database = "/var/" + topSecret + ".db" }, "database", "or nothing for SQLite"},
		"all proxies trusted":  {func(c *config.Config) { c.TrustedProxies = prefixes("0.0.0.0/0") }, "trusted_proxies", "every address"},
		"all upstreams open":   {func(c *config.Config) { c.UpstreamAllow = prefixes("::/0") }, "upstream_allow", "every address"},
		"no bodies":            {func(c *config.Config) { c.MaxBodyBytes = 0 }, "max_body_bytes", "out of range"},
		"no concurrency":       {func(c *config.Config) { c.MaxConcurrentPerKey = -1 }, "max_concurrent_per_key", "out of range"},
		"no streams":           {func(c *config.Config) { c.MaxStreams = 0 }, "max_streams", "out of range"},
		"rate of no time":      {func(c *config.Config) { c.RateUser = config.Rate{Burst: 5} }, "rate_user", "1000/1m, or 0"},
		"rate of half seconds": {func(c *config.Config) { c.RateToolkit = config.Rate{Burst: 5, Window: 1500 * time.Millisecond} }, "rate_toolkit", "whole seconds"},
		"rate of two days":     {func(c *config.Config) { c.RateKey = config.Rate{Burst: 5, Window: 48 * time.Hour} }, "rate_key", "at most 24h"},
		"rate without end":     {func(c *config.Config) { c.RateKey = config.Rate{Burst: 1e8, Window: time.Hour} }, "rate_key", "10000000"},
		"records of no time":   {func(c *config.Config) { c.KeepExecutions = -1 }, "keep_executions", "out of range"},
		"arguments of no sort": {func(c *config.Config) { c.ExecutionArguments = "some" }, "execution_arguments", "redacted, full, none"},
		"events of no time":    {func(c *config.Config) { c.KeepEvents = -1 }, "keep_events", "out of range"},
		"level":                {func(c *config.Config) { c.LogLevel = "loud" }, "log_level", "debug, info, warn, error"},
		"format":               {func(c *config.Config) { c.LogFormat = "xml" }, "log_format", "text, json"},
		"key provider":         {func(c *config.Config) { c.KeyProvider = "kms:" + topSecret }, "key_provider", "vault-transit:https"},
		"no transit address":   {func(c *config.Config) { c.KeyProvider = "vault-transit" }, "key_provider", "vault-transit:https"},
		"no program":           {func(c *config.Config) { c.KeyProvider = "exec:" }, "key_provider", "exec:/PROGRAM"},
		"collector":            {func(c *config.Config) { c.OTLPEndpoint = "127.0.0.1:4318" }, "otlp_endpoint", "expected a URL"},
	}
	for name, tt := range bad {
		t.Run(name, func(t *testing.T) {
			c := config.Default()
			tt.change(&c)
			check(t, c.Validate(), tt.field, tt.says)
		})
	}
	c := config.Default()
	c.LogLevel, c.LogFormat, c.MaxStreams = "x", "y", 0
	for _, setting := range []string{"log_level", "log_format", "max_streams"} {
		if err := c.Validate(); !strings.Contains(err.Error(), setting) {
			t.Errorf("not all faults are told: %v", err)
		}
	}
}

func TestFaultsNameTheSource(t *testing.T) {
	t.Parallel()
	home := t.TempDir()
	write(t, filepath.Join(home, "sluice.yaml"), "log_format: xml\n")
	c, err := config.Load(config.LoadOptions{Home: home, Env: map[string]string{"SLUICE_LOG_LEVEL": "loud"}})
	if err != nil {
		t.Fatal(err)
	}
	c.Addr = "0.0.0.0:80" // as the CLI does for --addr
	text := c.Validate().Error()
	for _, want := range []string{"log_level (from SLUICE_LOG_LEVEL)", "log_format (from " + home + "/sluice.yaml)", "addr (from --addr)"} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is not in:\n%s", want, text)
		}
	}
}

func TestSecretNeverShows(t *testing.T) {
	t.Parallel()
	c := config.Default()
	c.APIKey, c.KeyEncryptionKey, c.VaultToken, c.Database = topSecret, topSecret, topSecret, "postgres://u:"+topSecret+"@h/x"
	var log strings.Builder
	slog.New(slog.NewTextHandler(&log, nil)).Info("x", "key", c.APIKey, "config", c)
	asJSON, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{fmt.Sprint(c), fmt.Sprintf("%+v %#v %s %q", c, c, c.APIKey, c.APIKey), string(asJSON), log.String()} {
		if strings.Contains(text, topSecret) {
			t.Errorf("shows the secret: %s", text)
		}
	}
	if c.APIKey.Reveal() != topSecret || config.Secret("").String() != "" {
		t.Error("Reveal")
	}
}

// A proxy's address may hold a password, which shows nowhere.
func TestUpstreamProxy(t *testing.T) {
	t.Parallel()
	for address, good := range map[string]bool{
		"":                                    true,
		"http://proxy.example.com:3128":       true,
		"https://u:" + topSecret + "@proxy:1": true,
		"socks5://u:" + topSecret + "@proxy":  false,
		"proxy.example.com:3128":              false,
		"http://u:" + topSecret + "%zz@proxy": false,
		"http://proxy:1/path?" + topSecret:    false,
	} {
		home := t.TempDir()
		env := map[string]string{"SLUICE_UPSTREAM_PROXY_FILE": write(t, filepath.Join(home, "proxy"), address+"\n")}
		if address == "" {
			env = map[string]string{}
		}
		c, err := config.Load(config.LoadOptions{Home: home, Env: env})
		if err != nil {
			t.Fatal(err)
		}
		err = c.Validate()
		if (err == nil) != good {
			t.Errorf("%s: %v", address, err)
		}
		if err != nil {
			check(t, err, "upstream_proxy", "http://proxy.example.com:3128")
		}
		if good && address != "" && c.Proxy().String() != address {
			t.Errorf("the proxy is %v", c.Proxy())
		}
		if text := fmt.Sprintf("%v %+v %#v", c, c, c); strings.Contains(text, topSecret) {
			t.Error("the password shows")
		}
	}
}

func TestModel(t *testing.T) {
	t.Parallel()
	home := t.TempDir()
	key := write(t, filepath.Join(home, "model-key"), topSecret+"\n")
	for _, tt := range []struct {
		name      string
		env       map[string]string
		key, base string
		fault     string
	}{
		{"none", map[string]string{"OPENAI_API_KEY": topSecret, "OPENAI_BASE_URL": "http://models:1/v1"}, "", "", ""},
		{"own", map[string]string{"SLUICE_MODEL": "openai:x", "SLUICE_MODEL_API_KEY_FILE": key, "SLUICE_MODEL_BASE_URL": "http://models:1/v1"}, topSecret, "http://models:1/v1", ""},
		{"the clients' names", map[string]string{"SLUICE_MODEL": "openai:x", "OPENAI_API_KEY": topSecret, "OPENAI_BASE_URL": "http://models:1/v1"}, topSecret, "http://models:1/v1", ""},
		{"no key to another server", map[string]string{"SLUICE_MODEL": "openai:x", "SLUICE_MODEL_BASE_URL": "http://own:1/v1", "OPENAI_API_KEY": topSecret}, "", "http://own:1/v1", ""},
		{"no server to another key", map[string]string{"SLUICE_MODEL": "openai:x", "SLUICE_MODEL_API_KEY": topSecret, "OPENAI_BASE_URL": "http://own:1/v1"}, topSecret, "", ""},
		{"no address", map[string]string{"SLUICE_MODEL_BASE_URL": "models:1/v1"}, "", "models:1/v1", "SLUICE_MODEL_BASE_URL"},
		{"password", map[string]string{"SLUICE_MODEL_BASE_URL": "http://u:" + topSecret + "@models/v1"}, "", "http://u:" + topSecret + "@models/v1", "SLUICE_MODEL_BASE_URL"},
		{"borrowed and wrong", map[string]string{"SLUICE_MODEL": "openai:x", "OPENAI_BASE_URL": "models"}, "", "models", "OPENAI_BASE_URL"},
	} {
		c, err := config.Load(config.LoadOptions{Home: home, Env: tt.env})
		if err != nil {
			t.Fatalf("%s: %v", tt.name, err)
		}
		if c.ModelAPIKey.Reveal() != tt.key || c.ModelBaseURL != tt.base {
			t.Errorf("%s: key %t, %q", tt.name, c.ModelAPIKey != "", c.ModelBaseURL)
		}
		err = c.Validate()
		if (err != nil) != (tt.fault != "") {
			t.Errorf("%s: %v", tt.name, err)
		}
		if err != nil {
			check(t, err, "model_base_url", "from "+tt.fault)
			if strings.Contains(err.Error(), topSecret) {
				t.Errorf("%s: the error holds the secret", tt.name)
			}
		}
	}
}
