package config

import (
	"errors"
	"net"
	"net/netip"
	"net/url"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/sluice-run/sluice/internal/domain"
)

const minAPIKey = 16

// Validate says whether the values make sense together. The error joins one
// domain.Error for each setting at fault; each names the setting, where its
// value came from and what was expected, and none shows a secret.
func (c *Config) Validate() error {
	return errors.Join(
		c.checkListen(),
		c.checkPublicURL(),
		c.checkSecrets(),
		c.checkDatabase(),
		c.checkKeyProvider(),
		c.checkRanges(),
		c.checkProxy(),
		c.checkModel(),
		c.checkNumber("max_body_bytes", c.MaxBodyBytes, 1<<10, 1<<30),
		c.checkNumber("max_concurrent_per_key", int64(c.MaxConcurrentPerKey), 1, 100_000),
		c.checkNumber("max_streams", int64(c.MaxStreams), 1, 1_000_000),
		c.checkRate("rate_key", c.RateKey),
		c.checkRate("rate_user", c.RateUser),
		c.checkRate("rate_toolkit", c.RateToolkit),
		c.checkNumber("keep_executions", int64(c.KeepExecutions), 0, 36_500),
		c.checkWord("execution_arguments", c.ExecutionArguments, "redacted", "full", "none"),
		c.checkNumber("keep_events", int64(c.KeepEvents), 0, 36_500),
		c.checkWord("log_level", c.LogLevel, "debug", "info", "warn", "error"),
		c.checkWord("log_format", c.LogFormat, "text", "json"),
		c.checkOTLP(),
	)
}

// TLS says whether the router speaks TLS itself.
func (c *Config) TLS() bool { return c.TLSCert != "" && c.TLSKey != "" }

// Source says where the value of a setting came from: "default", a file, a
// variable, or the flag when the value was changed after Load.
func (c *Config) Source(name string) string {
	for _, s := range settings() {
		if s.name != name {
			continue
		}
		if c.loaded == nil {
			break
		}
		now := reflect.ValueOf(*c).FieldByName(s.field)
		then := reflect.ValueOf(c.loaded.values).FieldByName(s.field)
		if !reflect.DeepEqual(now.Interface(), then.Interface()) {
			return "--" + strings.ReplaceAll(name, "_", "-")
		}
		if source := c.loaded.sources[name]; source != "" {
			return source
		}
	}
	return fromNobody
}

// fault makes the error of one setting: its name and source, then the text.
func (c *Config) fault(name, format string, args ...any) *domain.Error {
	args = append([]any{name, c.Source(name)}, args...)
	return domain.Invalid(name, "%s (from %s): "+format, args...)
}

func (c *Config) checkListen() error {
	host, port, err := net.SplitHostPort(c.Addr)
	if err != nil {
		return c.fault("addr", "%q is not an address: expected host:port, such as 127.0.0.1:8787", c.Addr)
	}
	if _, err := strconv.ParseUint(port, 10, 16); err != nil {
		return c.fault("addr", "%q has no port between 0 and 65535", c.Addr)
	}
	if (c.TLSCert == "") != (c.TLSKey == "") {
		set, missing := "tls_cert", "tls_key"
		if c.TLSCert == "" {
			set, missing = missing, set
		}
		return c.fault(missing, "it is needed together with %s (from %s)", set, c.Source(set))
	}
	if !loopback(host) && !c.TLS() && !c.AllowInsecureListen {
		return c.fault("addr", "%q is reachable from other machines, and keys would travel in the clear", c.Addr).
			WithFix("set tls_cert and tls_key, or listen on 127.0.0.1, or set allow_insecure_listen when a proxy in front adds TLS")
	}
	return nil
}

func loopback(host string) bool {
	if host == "localhost" {
		return true
	}
	addr, err := netip.ParseAddr(host)
	return err == nil && addr.Unmap().IsLoopback()
}

func (c *Config) checkPublicURL() error {
	if c.PublicURL == "" {
		return nil
	}
	u, err := url.Parse(c.PublicURL)
	if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Hostname() == "" ||
		u.User != nil || strings.Trim(u.Path, "/") != "" || u.RawQuery != "" || u.Fragment != "" {
		// Not echoed: a user in the URL would be a password in the log.
		return c.fault("public_url", "expected an origin alone, such as https://sluice.example.com")
	}
	return nil
}

func (c *Config) checkSecrets() error {
	if c.APIKey != "" && c.APIKey == c.OperatorKey {
		return c.fault("operator_key", "it is api_key too: expected another key")
	}
	for _, s := range []struct{ name, key string }{{"api_key", c.APIKey.Reveal()}, {"operator_key", c.OperatorKey.Reveal()}} {
		switch {
		case s.key == "":
		case len(s.key) < minAPIKey:
			return c.fault(s.name, "it has %d characters: expected at least %d", len(s.key), minAPIKey)
		case strings.ContainsFunc(s.key, func(r rune) bool { return r <= ' ' || r > '~' }):
			return c.fault(s.name, "it has a character that a header cannot carry: expected printable ASCII without spaces")
		}
	}
	return nil
}

// checkDatabase does not echo: the address may hold a password.
func (c *Config) checkDatabase() error {
	address := c.Database.Reveal()
	if address == "" || strings.HasPrefix(address, "postgres://") || strings.HasPrefix(address, "postgresql://") {
		return nil
	}
	return c.fault("database", "expected the address of a PostgreSQL database, postgres://user:password@host:5432/name, or nothing for SQLite in the home")
}

// checkKeyProvider looks at the kind alone; its details are the vault's. They are
// not echoed: a program's argument may be a secret.
func (c *Config) checkKeyProvider() error {
	kind, rest, more := strings.Cut(c.KeyProvider, ":")
	switch kind {
	case "":
		if !more {
			return nil
		}
	case "file", "env":
		if !more || rest != "" {
			return nil
		}
	case "vault-transit", "exec":
		if rest != "" {
			return nil
		}
	}
	return c.fault("key_provider", "expected file, file:/PATH, env, env:NAME, vault-transit:https://HOST/MOUNT/KEY or exec:/PROGRAM ARGUMENT…")
}

func (c *Config) checkRanges() error {
	var errs []error
	for _, r := range []struct {
		name string
		list CIDRs
	}{{"trusted_proxies", c.TrustedProxies}, {"upstream_allow", c.UpstreamAllow}} {
		for _, p := range r.list {
			if p.Bits() == 0 {
				errs = append(errs, c.fault(r.name, "%s is every address: expected the ranges that are meant", p))
			}
		}
	}
	return errors.Join(errs...)
}

func (c *Config) checkNumber(name string, value, low, high int64) error {
	if value < low || value > high {
		return c.fault(name, "%d is out of range: expected %d to %d", value, low, high)
	}
	return nil
}

func (c *Config) checkRate(name string, r Rate) error {
	if r == (Rate{}) {
		return nil
	}
	if r.Burst < 1 || r.Burst > maxBurst || r.Window < time.Second || r.Window > maxWindow || r.Window%time.Second != 0 {
		return c.fault(name, "%s is out of range: expected 1 to %d in whole seconds of at most %s, such as 1000/1m, or 0 for no limit", r, maxBurst, maxWindow)
	}
	return nil
}

func (c *Config) checkWord(name, value string, words ...string) error {
	if !slices.Contains(words, value) {
		return c.fault(name, "%q is not known: expected one of %s", value, strings.Join(words, ", "))
	}
	return nil
}

// checkProxy does not echo: the address may hold a password.
func (c *Config) checkProxy() error {
	u := c.Proxy()
	if c.UpstreamProxy == "" || u != nil && (u.Scheme == "http" || u.Scheme == "https") && u.Hostname() != "" &&
		strings.Trim(u.Path, "/") == "" && u.RawQuery == "" && u.Fragment == "" {
		return nil
	}
	return c.fault("upstream_proxy", "expected the address of a proxy, such as http://proxy.example.com:3128 or http://user:password@proxy.example.com:3128").
		WithFix("write the port, and percent-encode what is special in the password; SOCKS is not offered")
}

// checkModel does not echo: the address may hold a password.
func (c *Config) checkModel() error {
	if c.ModelBaseURL == "" {
		return nil
	}
	u, err := url.Parse(c.ModelBaseURL)
	if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Hostname() == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return c.fault("model_base_url", "expected the address of an OpenAI-compatible server with its version path, such as https://models.example.com/v1").
			WithFix("give the key as model_api_key")
	}
	return nil
}

// Proxy gives the proxy for upstream calls, or nil when there is none.
func (c *Config) Proxy() *url.URL {
	if c.UpstreamProxy == "" {
		return nil
	}
	u, err := url.Parse(c.UpstreamProxy.Reveal())
	if err != nil {
		return nil
	}
	return u
}

func (c *Config) checkOTLP() error {
	if c.OTLPEndpoint == "" {
		return nil
	}
	u, err := url.Parse(c.OTLPEndpoint)
	if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Hostname() == "" || u.User != nil {
		return c.fault("otlp_endpoint", "expected a URL such as http://127.0.0.1:4318")
	}
	return nil
}
