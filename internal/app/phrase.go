package app

import (
	"cmp"
	"context"
	"net/netip"
	"net/url"
	"strings"

	"github.com/sluice-run/sluice/agent/openai"
	"github.com/sluice-run/sluice/internal/domain"
	"github.com/sluice-run/sluice/internal/execute"
	"github.com/sluice-run/sluice/internal/httpx"
	"github.com/sluice-run/sluice/internal/phrase"
)

// The bounds of what a model's server may take and send for one text.
const (
	maxModelRequest  = 1 << 20
	maxModelResponse = 2 << 20
)

// openPhraser gives what puts texts into arguments. Nothing is asked until a call
// comes with a text, and a router without a model says so then.
func (a *App) openPhraser() (execute.Phraser, error) {
	cfg := &a.opts.Config
	provider, name, _ := strings.Cut(cfg.Model, ":")
	_, known := modelProviders(modelServer{})[provider]
	switch {
	case cfg.Model == "":
		return execute.NoModel("model (SLUICE_MODEL) is not set"), nil
	case !known:
		return nil, domain.Invalid("model", "model (from %s): there is no model provider %q", cfg.Source("model"), provider).WithFix(knownModels)
	case provider == OfflineModel:
		return execute.NoModel("model (SLUICE_MODEL) is offline, which is for the chat alone"), nil
	case cfg.ModelAPIKey == "" && cfg.ModelBaseURL == "":
		return execute.NoModel("model_api_key (SLUICE_MODEL_API_KEY) is not set"), nil
	}
	base, err := url.Parse(cmp.Or(cfg.ModelBaseURL, openai.DefaultBaseURL))
	if err != nil {
		return nil, domain.Invalid("model_base_url", "model_base_url (from %s): this is no address", cfg.Source("model_base_url"))
	}
	opts := httpx.Options{
		Version: Version(), Only: base, MaxRequestBytes: maxModelRequest, MaxResponseBytes: maxModelResponse, Observe: a.observeTry,
	}
	if !ownMachine(base.Hostname()) {
		opts.Proxy = cfg.Proxy()
	}
	out, err := httpx.New(opts)
	if err != nil {
		return nil, err
	}
	a.onStop("the model's connections", func(context.Context) error { out.Close(); return nil })
	server := modelServer{
		key: cfg.ModelAPIKey.Reveal(), base: cfg.ModelBaseURL, http: out.For(httpx.CallOptions{Label: "model"}), retries: 1,
	}
	model, err := modelProviders(server)[provider](cmp.Or(name, defaultModel))
	if err != nil {
		return nil, err
	}
	return phrase.New(phrase.Options{Model: model, Logger: a.log}), nil
}

// ownMachine says whether a host is this machine, or on its network by address: no
// proxy leads there.
func ownMachine(host string) bool {
	addr, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && (addr.IsLoopback() || addr.IsPrivate())
}
