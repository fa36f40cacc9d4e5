package app

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/sluice-run/sluice/agent"
	"github.com/sluice-run/sluice/agent/offline"
	"github.com/sluice-run/sluice/agent/openai"
	"github.com/sluice-run/sluice/internal/domain"
	"github.com/sluice-run/sluice/toolkit"
	"github.com/sluice-run/sluice/toolkits/confluence"
)

// builtinToolkits is the catalogue: to add a toolkit, add its line.
func builtinToolkits() []*toolkit.Toolkit {
	return []*toolkit.Toolkit{
		confluence.New(),
	}
}

// OfflineModel is the name of the model that needs no key and no network.
const OfflineModel = "offline"

// defaultModel is what an OpenAI key alone gives.
const defaultModel = "gpt-5"

// knownModels says what may be chosen.
const knownModels = "Use openai:NAME, openai-chat:NAME, openai-responses:NAME or offline."

// modelServer says where a model is asked.
type modelServer struct {
	key, base string       // either may be empty
	http      *http.Client // nil: one of the provider's own
	retries   int          // see openai.Options
}

// modelProviders is the table of models: to add a provider, add its line. A
// model is named provider:name.
func modelProviders(at modelServer) map[string]func(name string) (agent.Model, error) {
	viaOpenAI := func(api openai.API) func(string) (agent.Model, error) {
		return func(name string) (agent.Model, error) {
			return openai.New(openai.Options{
				Model: name, API: api, APIKey: at.key, BaseURL: at.base, HTTPClient: at.http, MaxRetries: at.retries,
			})
		}
	}
	return map[string]func(string) (agent.Model, error){
		"openai":           viaOpenAI(openai.Auto),
		"openai-chat":      viaOpenAI(openai.Chat),
		"openai-responses": viaOpenAI(openai.Responses),
		OfflineModel:       func(string) (agent.Model, error) { return offline.New(), nil },
	}
}

// PickModel gives the model that choice names ("openai:gpt-5", "offline"). When
// choice and SLUICE_MODEL are empty it is openai:gpt-5 with OPENAI_API_KEY, else
// the first model of the server that OPENAI_BASE_URL or OLLAMA_HOST names, else
// offline. Nothing that is not named is asked.
func PickModel(ctx context.Context, choice string, getenv func(string) string) (agent.Model, error) {
	if choice == "" {
		choice = getenv("SLUICE_MODEL")
	}
	providers := modelProviders(modelServer{key: getenv("OPENAI_API_KEY"), base: openAIBase(getenv)})
	if choice != "" {
		provider, name, _ := strings.Cut(choice, ":")
		make, ok := providers[provider]
		if !ok {
			return nil, domain.Invalid("model", "there is no model provider %q", provider).WithFix(knownModels)
		}
		if provider != OfflineModel {
			if name == "" {
				name = defaultModel
			}
			if getenv("OPENAI_API_KEY") == "" && openAIBase(getenv) == "" {
				return nil, domain.Invalid("model", "the model %s needs a key, and OPENAI_API_KEY is not set", choice).
					WithFix("Set OPENAI_API_KEY, or OPENAI_BASE_URL for a server that needs none, or use --model offline.")
			}
		}
		return make(name)
	}
	switch base := openAIBase(getenv); {
	case getenv("OPENAI_API_KEY") != "":
		return providers["openai"](defaultModel)
	case base != "":
		name, err := firstModel(ctx, base)
		if err != nil {
			return nil, err
		}
		return providers["openai"](name)
	}
	return providers[OfflineModel]("")
}

// openAIBase is the base URL of the OpenAI-compatible server that the
// environment names; empty means OpenAI's own.
func openAIBase(getenv func(string) string) string {
	if base := getenv("OPENAI_BASE_URL"); base != "" {
		return strings.TrimRight(base, "/")
	}
	host := getenv("OLLAMA_HOST")
	if host == "" || getenv("OPENAI_API_KEY") != "" {
		return ""
	}
	if !strings.Contains(host, "://") {
		host = "http://" + host
	}
	if strings.Count(host, ":") == 1 { // scheme only, no port
		host += ":11434"
	}
	return strings.TrimRight(host, "/") + "/v1"
}

// firstModel asks a server that needs no key which models it has.
func firstModel(ctx context.Context, base string) (string, error) {
	fail := func(why string) error {
		return domain.Errorf(domain.CodeUnavailable, "the model server at %s %s", base, why).
			WithFix("Check OPENAI_BASE_URL or OLLAMA_HOST, or name a model: --model openai:NAME.")
	}
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, base+"/models", nil)
	if err != nil {
		return "", fail("has no usable address")
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return "", fail("does not answer")
	}
	defer res.Body.Close()
	var list struct {
		Data []struct {
			ID string `json:"id"`
		} `json:"data"`
	}
	if err := json.NewDecoder(io.LimitReader(res.Body, 1<<20)).Decode(&list); err != nil || len(list.Data) == 0 {
		return "", fail("lists no models")
	}
	return list.Data[0].ID, nil
}
