package api

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
	"net/url"
	"reflect"

	"github.com/danielgtaylor/huma/v2"

	"github.com/sluice-run/sluice/internal/domain"
)

// The paths of realtime credentials: those of the SDKs and of the contract's
// command line (§5.5).
const (
	sdkRealtime = "/internal/sdk/realtime"
	cliRealtime = "/cli/realtime"
)

// pusherCluster is told to clients. Pusher has none of the name: a client that is not
// led here reaches nobody, and tells nobody its key.
const pusherCluster = "sluice"

type realtimeOut struct {
	Key       string `json:"pusher_key" doc:"The id of the API key that asked"`
	Cluster   string `json:"pusher_cluster" doc:"Pusher has none of this name: clients are to be led to this server"`
	ProjectID string `json:"project_id" doc:"The channel is private-{project_id}_triggers"`
}

type realtimeIn struct {
	SocketID string `json:"socket_id" minLength:"1"`
	Channel  string `json:"channel_name" minLength:"1"`
}

type realtimeAuthOut struct {
	Auth string `json:"auth"`
}

// pusherRoutes registers what clients of Pusher's protocol ask of an application.
// Their requests for a signature are forms, which huma does not read.
func (s *server) pusherRoutes(mux *http.ServeMux) {
	const tag = "realtime"
	for _, o := range []struct{ id, path string }{{"Realtime", sdkRealtime}, {"CLIRealtime", cliRealtime}} {
		handle(s, operation{
			id: "get" + o.id + "Credentials", method: http.MethodGet, path: o.path + "/credentials", tag: tag,
			summary: "Get with what a client of Pusher's protocol connects",
		}, s.realtimeCredentials)
		schemas := s.huma.OpenAPI().Components.Schemas
		in := schemas.Schema(reflect.TypeFor[realtimeIn](), true, "RealtimeAuthRequest")
		op := &huma.Operation{
			OperationID: "authorize" + o.id, Method: http.MethodPost, Path: prefix + o.path + "/auth", Tags: []string{tag},
			Summary: "Sign that a socket may subscribe to the project's channel",
			RequestBody: &huma.RequestBody{Required: true, Content: map[string]*huma.MediaType{
				formType: {Schema: in}, "application/json": {Schema: in},
			}},
			Responses: errorResponses(schemas),
		}
		op.Responses["200"] = &huma.Response{
			Description: "OK",
			Content:     map[string]*huma.MediaType{"application/json": {Schema: schemas.Schema(reflect.TypeFor[realtimeAuthOut](), true, "RealtimeAuth")}},
		}
		s.huma.OpenAPI().AddOperation(op)
		mux.HandleFunc(http.MethodPost+" "+prefix+o.path+"/auth", s.authorizeRealtime)
	}
}

func (s *server) realtimeCredentials(ctx context.Context, _ *struct{}) (realtimeOut, error) {
	p := callerOf(ctx).principal
	return realtimeOut{Key: p.KeyID, Cluster: pusherCluster, ProjectID: p.ProjectID}, nil
}

func (s *server) authorizeRealtime(w http.ResponseWriter, r *http.Request) {
	in, err := realtimeForm(r)
	var auth string
	if err == nil {
		auth, err = s.Stream.Authorize(r.Context(), callerOf(r.Context()).principal, in.SocketID, in.Channel)
	}
	var e *wireError
	switch {
	case err == nil:
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(realtimeAuthOut{Auth: auth}) // the client is gone when this fails
	case errors.As(s.refuse(r.Context(), r.Method, err), &e):
		writeError(w, e)
	}
}

const formType = "application/x-www-form-urlencoded"

// realtimeForm reads a form, or JSON. The body is in memory already, see readBody.
func realtimeForm(r *http.Request) (in realtimeIn, err error) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return in, domain.Errorf(domain.CodeInvalid, "the request body could not be read to its end")
	}
	kind, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if kind != formType {
		if err := json.Unmarshal(body, &in); err != nil {
			return in, domain.Errorf(domain.CodeInvalid, "expected a form, or a JSON object, with socket_id and channel_name")
		}
		return in, nil
	}
	form, err := url.ParseQuery(string(body))
	if err != nil {
		return in, domain.Errorf(domain.CodeInvalid, "the form could not be read")
	}
	return realtimeIn{SocketID: form.Get("socket_id"), Channel: form.Get("channel_name")}, nil
}
