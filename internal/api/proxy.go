package api

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"github.com/sluice-run/sluice/internal/connect"
	"github.com/sluice-run/sluice/internal/domain"
	"github.com/sluice-run/sluice/internal/execute"
)

func (s *server) proxyRoutes() {
	handle(s, operation{
		id: "proxyInSession", method: http.MethodPost, path: "/tool_router/session/{session_id}/proxy_execute", tag: "sessions",
		summary: "Send a request of your own wording to the application of a toolkit, as the session's user",
	}, s.sessionProxy)
	handle(s, operation{
		id: "executeProxy", method: http.MethodPost, path: "/tools/execute/proxy", tag: "tools",
		summary: "Send a request of your own wording to the site of a connected account",
	}, s.executeProxy)
}

// ProxyBody is a request in the words of its sender.
type ProxyBody struct {
	Endpoint   string         `json:"endpoint" minLength:"1" maxLength:"8192" doc:"A path below the account's address, or an address there"`
	Method     string         `json:"method" enum:"GET,POST,PUT,DELETE,PATCH,HEAD"`
	Content    anything       `json:"body,omitempty" doc:"JSON; a string with a content-type header of its own goes out as it is"`
	Binary     *binaryBody    `json:"binary_body,omitempty" doc:"Instead of body: what url gives, or base64"`
	Parameters []proxyParam   `json:"parameters,omitempty" maxItems:"200" nullable:"true"`
	Given      connectionGift `json:"custom_connection_data,omitempty" doc:"Credentials for this call alone, in place of an account's"`
}

type binaryBody struct {
	URL    string `json:"url,omitempty" maxLength:"8192" doc:"A public address, or one of this server's files"`
	Base64 string `json:"base64,omitempty"`
	Type   string `json:"content_type,omitempty" maxLength:"256"`
}

type proxyParam struct {
	Name  string `json:"name" minLength:"1" maxLength:"256"`
	Value string `json:"value" maxLength:"8192"`
	Type  string `json:"type" enum:"header,query"`
}

// anything is any JSON value, kept as it came.
type anything json.RawMessage

// Schema leaves it open.
func (anything) Schema(huma.Registry) *huma.Schema { return &huma.Schema{} }

// UnmarshalJSON keeps the bytes; null is nothing.
func (a *anything) UnmarshalJSON(data []byte) error {
	if *a = nil; !bytes.Equal(bytes.TrimSpace(data), []byte("null")) {
		*a = append(*a, data...)
	}
	return nil
}

// MarshalJSON gives the bytes back.
func (a anything) MarshalJSON() ([]byte, error) { return json.RawMessage(a).MarshalJSON() }

type proxyOut struct {
	Data    anything          `json:"data,omitempty"`
	Binary  *proxyFile        `json:"binary_data,omitempty" doc:"A body that is no text"`
	Status  int               `json:"status" doc:"Of the application's answer"`
	Headers map[string]string `json:"headers" doc:"Of the application's answer, in lower case"`
	// LogID and AccountID are ours: the contract does not tell them.
	LogID     string `json:"log_id"`
	AccountID string `json:"connected_account_id,omitempty"`
	// ResultType is what newer clients go by.
	ResultType string `json:"result_type" enum:"completed" doc:"The request was sent and answered"`
}

type proxyFile struct {
	URL       string `json:"url"`
	Type      string `json:"content_type"`
	Size      int64  `json:"size"`
	ExpiresAt string `json:"expires_at"`
}

// request makes the request; its body is bounded with that of ours.
func (b *ProxyBody) request(toolkit string) (*execute.ProxyRequest, error) {
	p := &execute.ProxyRequest{
		Toolkit: toolkit, Method: b.Method, Endpoint: strings.TrimSpace(b.Endpoint), Query: url.Values{}, Header: http.Header{},
	}
	for _, param := range b.Parameters {
		if param.Type == "query" {
			p.Query.Add(param.Name, param.Value)
		} else {
			p.Header.Add(param.Name, param.Value)
		}
	}
	switch bin := b.Binary; {
	case bin == nil:
	case b.Content != nil:
		return nil, domain.Invalid("binary_body", "binary_body: give body or binary_body, not both")
	case (bin.URL == "") == (bin.Base64 == ""):
		return nil, domain.Invalid("binary_body", "binary_body: expected one of url and base64")
	case bin.URL != "":
		p.BodyURL, p.BodyType = bin.URL, bin.Type
		return p, nil
	default:
		data, err := base64.StdEncoding.DecodeString(bin.Base64)
		if err != nil {
			return nil, domain.Invalid("binary_body.base64", "binary_body.base64: it is not base64")
		}
		if p.Body, p.BodyType = data, bin.Type; p.BodyType == "" {
			p.BodyType = "application/octet-stream"
		}
		return p, nil
	}
	if b.Content == nil {
		return p, nil
	}
	p.Body, p.BodyType = b.Content, "application/json"
	var text string
	if kind := p.Header.Get("Content-Type"); kind != "" && !strings.Contains(kind, "json") && json.Unmarshal(b.Content, &text) == nil {
		p.Body = []byte(text)
	}
	return p, nil
}

type sessionProxyIn struct {
	SessionPath
	Body struct {
		Toolkit string `json:"toolkit_slug" minLength:"1" maxLength:"128"`
		Account string `json:"account,omitempty" doc:"Id, alias or word id of the account to run on"`
		ProxyBody
	}
}

func (s *server) sessionProxy(ctx context.Context, in *sessionProxyIn) (proxyOut, error) {
	h, err := s.open(ctx, in.SessionID)
	if err != nil {
		return proxyOut{}, err
	}
	c, b := callerOf(ctx), &in.Body
	return s.proxy(ctx, execute.Request{
		Principal: h.Principal, Session: &h.Session, Rules: h.Rules, Account: b.Account,
		Door: execute.DoorRESTSession, RequestID: c.requestID, Origin: c.origin,
	}, &b.ProxyBody, b.Toolkit)
}

type executeProxyIn struct {
	Body struct {
		Account string `json:"connected_account_id,omitempty" doc:"Required without custom_connection_data"`
		ProxyBody
	}
}

func (s *server) executeProxy(ctx context.Context, in *executeProxyIn) (proxyOut, error) {
	c, b := callerOf(ctx), &in.Body
	req := execute.Request{Principal: c.principal, Account: b.Account, Door: execute.DoorProxy, RequestID: c.requestID, Origin: c.origin}
	if b.Account == "" {
		slug := b.Given.ToolkitSlug
		if slug == "" {
			return proxyOut{}, s.Execute.Refuse(ctx, req, domain.Invalid("connected_account_id",
				"connected_account_id is required: it says to which site, and with whose credentials, the request goes"))
		}
		return s.proxy(ctx, req, &b.ProxyBody, slug)
	}
	a, err := s.Connect.Account(ctx, c.principal.ProjectID, b.Account)
	if err != nil {
		return proxyOut{}, s.Execute.Refuse(ctx, req, err)
	}
	return s.proxy(ctx, req, &b.ProxyBody, a.Toolkit)
}

func (s *server) proxy(ctx context.Context, req execute.Request, b *ProxyBody, toolkit string) (proxyOut, error) {
	p, err := b.request(toolkit)
	if err == nil {
		req.Given, err = b.Given.given()
	}
	if err != nil {
		return proxyOut{}, s.Execute.Refuse(ctx, req, err)
	}
	a, err := s.Execute.Proxy(ctx, req, p)
	if err != nil {
		return proxyOut{}, err
	}
	out := proxyOut{
		Data: anything(a.Data), Status: a.Status, Headers: a.Header, LogID: a.LogID, AccountID: a.AccountID, ResultType: "completed",
	}
	if f := a.File; f != nil {
		out.Binary = &proxyFile{URL: f.URL, Type: f.MIME, Size: f.Size, ExpiresAt: wireTime(f.ExpiresAt)}
	}
	return out, nil
}

// connectionGift is custom_connection_data: credentials as an account is
// connected with.
type connectionGift struct {
	AuthScheme  domain.AuthScheme `json:"authScheme,omitempty"`
	ToolkitSlug string            `json:"toolkitSlug,omitempty"`
	Val         object            `json:"val,omitempty"`
}

func (g *connectionGift) given() (*connect.Given, error) {
	if g.AuthScheme == "" && g.ToolkitSlug == "" && g.Val.empty() {
		return nil, nil
	}
	if g.AuthScheme == "" {
		return nil, domain.Invalid("custom_connection_data.authScheme", "custom_connection_data.authScheme is required, such as API_KEY")
	}
	out := &connect.Given{Toolkit: g.ToolkitSlug, Scheme: g.AuthScheme, Values: map[string]string{}}
	return out, collect(out.Values, "custom_connection_data.val", g.Val)
}

// authGift is custom_auth_params: a base address, and headers and query
// parameters as they are.
type authGift struct {
	BaseURL    string      `json:"base_url,omitempty" maxLength:"2048" doc:"Where the tool's requests go"`
	Parameters []authParam `json:"parameters,omitempty" maxItems:"50" nullable:"true"`
	Content    object      `json:"body,omitempty" doc:"Not offered"`
}

type authParam struct {
	Name  string   `json:"name" minLength:"1" maxLength:"256"`
	In    string   `json:"in" enum:"query,header"`
	Value anything `json:"value" doc:"A string or a number"`
}

func (g *authGift) given() (*connect.Given, error) {
	if g.BaseURL == "" && len(g.Parameters) == 0 && g.Content.empty() {
		return nil, nil
	}
	if !g.Content.empty() {
		return nil, notOfferedOption("custom_auth_params.body", "Send the credentials as parameters, or connect an account.")
	}
	out := &connect.Given{BaseURL: g.BaseURL, Header: http.Header{}, Query: url.Values{}}
	for _, p := range g.Parameters {
		var text string
		if json.Unmarshal(p.Value, &text) != nil {
			var n json.Number
			if err := json.Unmarshal(p.Value, &n); err != nil {
				return nil, domain.Invalid("custom_auth_params.parameters", "custom_auth_params.parameters: %.64s: expected a string or a number", p.Name)
			}
			text = n.String()
		}
		if p.In == "query" {
			out.Query.Add(p.Name, text)
		} else {
			out.Header.Add(p.Name, text)
		}
	}
	return out, nil
}
