package config

import (
	"fmt"
	"log/slog"
	"net/netip"
	"strings"
	"time"
)

// Config is the configuration of the whole program. Fields are listed with
// their names in the YAML file and, behind SLUICE_, in the environment.
type Config struct {
	// Home holds all that the embedded default keeps: the database, the key
	// file, sluice.yaml. Absolute after Load. Default: sluice in the XDG data
	// directory. It cannot be set in the file, which is found through it.
	Home string `yaml:"-" env:"HOME"`

	// Addr is where the router listens, host:port. Port 0 picks a free one.
	Addr string `yaml:"addr" env:"ADDR"`
	// PublicURL is the origin by which clients reach the router; empty means
	// that of the listener.
	PublicURL string `yaml:"public_url" env:"PUBLIC_URL"`
	// TLSCert and TLSKey are PEM files; both or none.
	TLSCert string `yaml:"tls_cert" env:"TLS_CERT"`
	TLSKey  string `yaml:"tls_key" env:"TLS_KEY"`
	// AllowInsecureListen permits listening beyond loopback without TLS.
	AllowInsecureListen bool `yaml:"allow_insecure_listen" env:"ALLOW_INSECURE_LISTEN"`
	// TrustedProxies are those whose X-Forwarded-* headers are believed.
	TrustedProxies CIDRs `yaml:"trusted_proxies" env:"TRUSTED_PROXIES"`

	// APIKey is a key that the first project has from the start.
	APIKey     Secret `yaml:"api_key" env:"API_KEY"`
	APIKeyFile string `yaml:"api_key_file" env:"API_KEY_FILE"`
	// OperatorKey is a key of whoever operates the server: it makes, lists and
	// deletes projects over REST, and does nothing within one.
	OperatorKey     Secret `yaml:"operator_key" env:"OPERATOR_KEY"`
	OperatorKeyFile string `yaml:"operator_key_file" env:"OPERATOR_KEY_FILE"`
	// KeyEncryptionKey seals the vault: 32 bytes in base64. Empty means the
	// key file in Home.
	KeyEncryptionKey     Secret `yaml:"key_encryption_key" env:"KEY_ENCRYPTION_KEY"`
	KeyEncryptionKeyFile string `yaml:"key_encryption_key_file" env:"KEY_ENCRYPTION_KEY_FILE"`
	// KeyProvider says where the key-encryption key is: file, file:/PATH, env,
	// env:NAME, vault-transit:https://HOST/MOUNT/KEY or exec:/PROGRAM ARGUMENT….
	// Empty means env when KeyEncryptionKey is set, else file.
	KeyProvider string `yaml:"key_provider" env:"KEY_PROVIDER"`
	// VaultToken is for vault-transit. Its file is read anew for each request.
	VaultToken     Secret `yaml:"vault_token" env:"VAULT_TOKEN"`
	VaultTokenFile string `yaml:"vault_token_file" env:"VAULT_TOKEN_FILE"`
	// VaultNamespace is Vault Enterprise's; VaultCAFile a PEM file of the
	// authorities that its certificate is checked against.
	VaultNamespace string `yaml:"vault_namespace" env:"VAULT_NAMESPACE"`
	VaultCAFile    string `yaml:"vault_ca_file" env:"VAULT_CA_FILE"`

	// Database is the address of a PostgreSQL database, postgres://…, which may
	// hold a password. Empty means a SQLite file in Home.
	Database     Secret `yaml:"database" env:"DATABASE"`
	DatabaseFile string `yaml:"database_file" env:"DATABASE_FILE"`

	// Sandbox also serves the embedded Confluence.
	Sandbox bool `yaml:"sandbox" env:"SANDBOX"`
	// UpstreamAllow are address ranges that upstream calls may reach although
	// they are not public.
	UpstreamAllow CIDRs `yaml:"upstream_allow" env:"UPSTREAM_ALLOW"`
	// UpstreamProxy is the http or https address of the proxy that upstream calls go
	// through, which may hold a user and a password. Empty means none.
	UpstreamProxy     Secret `yaml:"upstream_proxy" env:"UPSTREAM_PROXY"`
	UpstreamProxyFile string `yaml:"upstream_proxy_file" env:"UPSTREAM_PROXY_FILE"`

	// Model puts what people write into a tool's arguments: provider:name, such as
	// openai:gpt-5. Empty means that there is none. ModelBaseURL is where it is asked,
	// with its version path; empty means OpenAI. When neither it nor ModelAPIKey is
	// set, Load takes both from OPENAI_BASE_URL and OPENAI_API_KEY.
	Model           string `yaml:"model" env:"MODEL"`
	ModelBaseURL    string `yaml:"model_base_url" env:"MODEL_BASE_URL"`
	ModelAPIKey     Secret `yaml:"model_api_key" env:"MODEL_API_KEY"`
	ModelAPIKeyFile string `yaml:"model_api_key_file" env:"MODEL_API_KEY_FILE"`

	// MaxBodyBytes bounds a request body, MaxConcurrentPerKey the requests of
	// one API key at a time, MaxStreams the open event streams of the process.
	MaxBodyBytes        int64 `yaml:"max_body_bytes" env:"MAX_BODY_BYTES"`
	MaxConcurrentPerKey int   `yaml:"max_concurrent_per_key" env:"MAX_CONCURRENT_PER_KEY"`
	MaxStreams          int   `yaml:"max_streams" env:"MAX_STREAMS"`

	// RateKey bounds the requests of one API key in a time, RateUser the tool calls
	// of one user of a project, RateToolkit those of one toolkit in a project. The
	// zero Rate is no limit. Each process counts by itself.
	RateKey     Rate `yaml:"rate_key" env:"RATE_KEY"`
	RateUser    Rate `yaml:"rate_user" env:"RATE_USER"`
	RateToolkit Rate `yaml:"rate_toolkit" env:"RATE_TOOLKIT"`

	// KeepExecutions is for how many days the records of tool calls are kept; 0
	// means for ever.
	KeepExecutions int `yaml:"keep_executions" env:"KEEP_EXECUTIONS"`
	// ExecutionArguments says what of the arguments of tool calls is kept with their
	// records: redacted, full or none.
	ExecutionArguments string `yaml:"execution_arguments" env:"EXECUTION_ARGUMENTS"`
	// KeepEvents is for how many days events and their deliveries are kept; 0 means
	// for ever.
	KeepEvents int `yaml:"keep_events" env:"KEEP_EVENTS"`

	// LogLevel is debug, info, warn or error; LogFormat text or json.
	LogLevel  string `yaml:"log_level" env:"LOG_LEVEL"`
	LogFormat string `yaml:"log_format" env:"LOG_FORMAT"`
	// OTLPEndpoint is the URL of an OpenTelemetry collector (OTLP over HTTP);
	// empty means no traces leave the process.
	OTLPEndpoint string `yaml:"otlp_endpoint" env:"OTLP_ENDPOINT"`
	// Metrics serves Prometheus metrics on /metrics.
	Metrics bool `yaml:"metrics" env:"METRICS"`

	loaded *loaded
}

// Default gives the configuration before any source, without Home.
func Default() Config {
	return Config{
		Addr:                "127.0.0.1:8787",
		MaxBodyBytes:        4 << 20,
		MaxConcurrentPerKey: 128,
		MaxStreams:          4096,
		RateKey:             Rate{Burst: 60_000, Window: time.Minute},
		KeepExecutions:      30,
		ExecutionArguments:  "redacted",
		KeepEvents:          30,
		LogLevel:            "info",
		LogFormat:           "text",
	}
}

// Secret is a setting that never shows in logs, errors or dumps. Reveal gives
// the value.
type Secret string

// Reveal gives the secret itself.
func (s Secret) Reveal() string { return string(s) }

// String says only whether there is a secret.
func (s Secret) String() string {
	if s == "" {
		return ""
	}
	return "REDACTED"
}

// GoString is String for %#v.
func (s Secret) GoString() string { return s.String() }

// LogValue is String for slog.
func (s Secret) LogValue() slog.Value { return slog.StringValue(s.String()) }

// MarshalText is String for encoders.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// CIDRs is a list of address ranges: in the file a list, elsewhere separated
// by commas. A lone address is a range of one.
type CIDRs []netip.Prefix

// UnmarshalText reads the comma-separated form.
func (c *CIDRs) UnmarshalText(text []byte) error {
	return c.set(strings.Split(string(text), ","))
}

// UnmarshalYAML reads a list, or the comma-separated form.
func (c *CIDRs) UnmarshalYAML(unmarshal func(any) error) error {
	var list []string
	if unmarshal(&list) == nil {
		return c.set(list)
	}
	var text string
	if unmarshal(&text) != nil {
		return errCIDRs
	}
	return c.UnmarshalText([]byte(text))
}

func (c *CIDRs) set(list []string) error {
	out := make(CIDRs, 0, len(list))
	for _, item := range list {
		item = strings.TrimSpace(item)
		if item == "" {
			continue
		}
		p, err := netip.ParsePrefix(item)
		if addr, aerr := netip.ParseAddr(item); aerr == nil {
			p, err = netip.PrefixFrom(addr.WithZone(""), addr.BitLen()), nil
		}
		if err != nil {
			return fmt.Errorf("%q is not an address range: %w", item, errCIDRs)
		}
		out = append(out, p.Masked())
	}
	*c = out
	return nil
}

// String is the comma-separated form.
func (c CIDRs) String() string {
	parts := make([]string, len(c))
	for i, p := range c {
		parts[i] = p.String()
	}
	return strings.Join(parts, ",")
}
