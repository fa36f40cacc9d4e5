package api

import (
	"encoding/json"
	"fmt"
	"net/http"
	"reflect"
	"strings"

	"github.com/danielgtaylor/huma/v2"
)

// schemaName gives the wire's types names for readers: without the marks by
// which the code tells requests from answers.
func schemaName(t reflect.Type, hint string) string {
	name := huma.DefaultSchemaNamer(t, hint)
	switch {
	case name == "WireError":
		return "Error"
	case strings.HasPrefix(name, "Page") && name != "Page":
		return strings.TrimSuffix(strings.TrimPrefix(name, "Page"), "Out") + "Page"
	case strings.HasSuffix(name, "InBody"):
		return strings.TrimSuffix(name, "InBody") + "Request"
	case strings.HasSuffix(name, "In"):
		return strings.TrimSuffix(name, "In") + "Input"
	}
	return strings.TrimSuffix(name, "Out")
}

// errorResponses documents the contract's error body for every other status.
func errorResponses(r huma.Registry) map[string]*huma.Response {
	return map[string]*huma.Response{
		"default": {
			Description: "What went wrong",
			Content: map[string]*huma.MediaType{
				"application/json": {Schema: r.Schema(reflect.TypeFor[wireError](), true, "Error")},
			},
		},
	}
}

// document finishes the OpenAPI document: what the API is, how to authenticate,
// and that no list is ever null.
func document(o *huma.OpenAPI) {
	o.Info.Description = "A tool router for AI agents: sessions, tools, connections. " +
		"The same operations are served under /api/v3 for older clients. " +
		"Answers say in RateLimit and X-RateLimit-* how many requests the API key has left; " +
		"one of status 429 says in Retry-After, in seconds, when to come again."
	o.Components.SecuritySchemes = map[string]*huma.SecurityScheme{
		"ApiKey": {Type: "apiKey", In: "header", Name: "x-api-key", Description: "A project's API key"},
		"Bearer": {Type: "http", Scheme: "bearer", Description: "A project's API key"},

		"OperatorKey": {Type: "apiKey", In: "header", Name: "x-org-api-key", Description: "A key of whoever operates the server"},
	}
	o.Security = byProject()
	schemas := o.Components.Schemas.Map()
	delete(schemas, "ErrorModel") // huma's own, which no operation answers with
	delete(schemas, "ErrorDetail")
	for name, s := range schemas {
		listsNotNull(s)
		objectsMayBeNull(s, o.Components.Schemas.TypeFromRef("#/components/schemas/"+name))
	}
}

// byProject, byOperatorKey and byEither say who may call an operation.
func byProject() []map[string][]string { return []map[string][]string{{"ApiKey": {}}, {"Bearer": {}}} }

func byOperatorKey() []map[string][]string { return []map[string][]string{{"OperatorKey": {}}} }

func byEither() []map[string][]string { return append(byOperatorKey(), byProject()...) }

// objectsMayBeNull documents the objects that are always there and may be null: the
// fields that point to a struct and are not left out when they are nil.
func objectsMayBeNull(s *huma.Schema, t reflect.Type) {
	for t != nil && t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if t == nil || t.Kind() != reflect.Struct {
		return
	}
	for _, f := range reflect.VisibleFields(t) {
		name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		p := s.Properties[name]
		if p == nil || p.Ref == "" || f.Type.Kind() != reflect.Pointer || strings.Contains(options, "omit") {
			continue
		}
		s.Properties[name] = &huma.Schema{OneOf: []*huma.Schema{{Ref: p.Ref}, {Type: "null"}}, Description: p.Description}
	}
}

func listsNotNull(s *huma.Schema) {
	if s == nil {
		return
	}
	if s.Type == huma.TypeArray {
		s.Nullable = false
		listsNotNull(s.Items)
	}
	for _, p := range s.Properties {
		listsNotNull(p)
	}
	if p, ok := s.AdditionalProperties.(*huma.Schema); ok {
		listsNotNull(p)
	}
}

func specHandler(o *huma.OpenAPI) (http.Handler, error) {
	spec, err := json.MarshalIndent(o, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("api: marshal the OpenAPI document: %w", err)
	}
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write(spec) // the client is gone when this fails
	}), nil
}
