package ui

import (
	"crypto/sha256"
	"encoding/base64"
	"html/template"
	"net/http"
	"net/url"
	"strings"

	"github.com/sluice-run/sluice/internal/connect"
	"github.com/sluice-run/sluice/internal/domain"
	"github.com/sluice-run/sluice/toolkit"
)

// fieldPrefix keeps a connection's fields apart from the form's own.
const fieldPrefix = "field-"

type noticePage struct {
	Style       template.CSS
	Title, Text string
}

type donePage struct {
	Style         template.CSS
	Toolkit, Who  string
	Logo          template.URL
	User, Account string
}

type formPage struct {
	Style    template.CSS
	Toolkit  string
	Logo     template.URL
	About    string
	User     string
	Alias    string
	ReturnTo string // host of the callback
	CSRF     string
	Problem  *problem
	Fields   []formField
}

type problem struct{ Field, Label, Message, Fix string }

type formField struct {
	Name, Label, Description, Placeholder, Type, Value, Autocomplete, Error string
	Required, Focus                                                         bool
}

// formPage fills the page. values are what was typed before, without secrets.
func (p *pages) formPage(form *connect.Form, csrf string, values map[string]string, e *domain.Error) formPage {
	page := formPage{
		Style: p.style, Toolkit: form.Toolkit.Name, Logo: logo(form.Toolkit), About: form.Toolkit.Description,
		User: form.Account.UserID, Alias: form.Account.Alias, CSRF: csrf,
	}
	if u, err := url.Parse(form.Link.CallbackURL); err == nil {
		page.ReturnTo = u.Host
	}
	if e != nil {
		page.Problem = &problem{Message: e.Message, Fix: e.Fix}
	}
	for _, f := range form.Auth.Fields {
		in := formField{
			Name: fieldPrefix + f.Name, Label: label(f), Description: f.Description, Placeholder: f.Placeholder,
			Type: inputType(f), Value: f.Default, Autocomplete: "off", Required: f.Required,
		}
		if in.Type == "email" {
			in.Autocomplete = "email"
		}
		if v, ok := values[f.Name]; ok {
			in.Value = v
		}
		if f.Secret {
			in.Value = ""
		}
		if e != nil && e.Field == f.Name {
			in.Error, in.Focus = e.Message, true
			page.Problem.Field, page.Problem.Label = in.Name, in.Label
		}
		page.Fields = append(page.Fields, in)
	}
	if e == nil && len(page.Fields) > 0 {
		page.Fields[0].Focus = true
	}
	return page
}

func (p *pages) donePage(form *connect.Form, a *domain.ConnectedAccount) donePage {
	page := donePage{Style: p.style, Toolkit: form.Toolkit.Name, Logo: logo(form.Toolkit), User: a.UserID, Account: a.WordID}
	for _, key := range []string{"name", "email", "id"} {
		if v := a.Identity[key]; v != "" && page.Who == "" {
			page.Who = v
		}
	}
	return page
}

// logo gives an embedded picture only: a remote one would tell its host who
// connects when.
func logo(tk *toolkit.Toolkit) template.URL {
	if strings.HasPrefix(tk.Logo, "data:image/") {
		return template.URL(tk.Logo) //nolint:gosec // from the catalogue, not from a request
	}
	return ""
}

func label(f toolkit.Field) string {
	if f.DisplayName != "" {
		return f.DisplayName
	}
	return f.Name
}

func inputType(f toolkit.Field) string {
	switch {
	case f.Secret:
		return "password"
	case f.Type == "email":
		return f.Type
	}
	return "text" // also for addresses: people paste a host where a browser insists on https://
}

// submitted gives what was typed, secrets too, by the connection's field names.
func submitted(form *connect.Form, r *http.Request) map[string]string {
	values := map[string]string{}
	for _, f := range form.Auth.Fields {
		values[f.Name] = r.PostForm.Get(fieldPrefix + f.Name)
	}
	return values
}

// typed is submitted without the secrets: what may be shown again.
func typed(form *connect.Form, r *http.Request) map[string]string {
	values := submitted(form, r)
	for _, f := range form.Auth.Fields {
		if f.Secret {
			delete(values, f.Name)
		}
	}
	return values
}

// styleSheet gives the style and the CSP source that allows just it.
func styleSheet() (style template.CSS, source string) {
	css, err := files.ReadFile("pages/style.css")
	if err != nil {
		panic("ui: the style sheet is not embedded: " + err.Error())
	}
	sum := sha256.Sum256(css)
	return template.CSS(css), "'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'" //nolint:gosec // embedded
}
