package ui

import (
	"html/template"
	"net/http"
	"slices"
	"strings"

	"github.com/sluice-run/sluice/internal/connect"
	"github.com/sluice-run/sluice/internal/domain"
	"github.com/sluice-run/sluice/toolkit"
)

// fieldPrefix keeps a connection's fields apart from the form's own.
const fieldPrefix = "field-"

type noticePage struct {
	look
	Title, Text string
}

type donePage struct {
	look
	Toolkit, Who  string
	Logo          template.URL
	User, Account string
	Site          string
}

type formPage struct {
	look
	Toolkit  string
	Logo     template.URL
	About    string
	User     string
	Alias    string
	ReturnTo string // host of the callback
	CSRF     string
	Problem  *problem
	Fields   []formField
	Advanced []formField
	Open     bool // show the advanced fields at once
	Leaves   bool
	Service  bool     // connected by the project's own credentials
	Site     string   // of an account that is connected again
	Again    bool     // it is
	May      []string // what is asked for, in plain words
	Reads    int      // tools by what they do
	Changes  int
	Deletes  int
}

type leavePage struct {
	look
	Toolkit, To, Host string
}

type failedPage struct {
	look
	Toolkit, Message, Fix string
	Again, CSRF           string
	Back, BackTo          string
}

type finishPage struct {
	look
	Toolkit  string
	Logo     template.URL
	CSRF     string
	Sites    []siteChoice
	Missing  []string // scopes, where that is the same for all sites
	Lost, Of int
	Tools    []string
}

type siteChoice struct {
	ID, Name, URL string
	Lost, Of      int
	Missing       []string
}

type problem struct{ Field, Label, Message, Fix string }

type formField struct {
	Name, Label, Description, Placeholder, Type, Value, Autocomplete, Error string
	Required, Focus                                                         bool
}

// formView fills the page. values are what was typed before, without secrets.
func formView(l look, form *connect.Form, csrf string, values map[string]string, e *domain.Error) formPage {
	page := formPage{
		look: l, Toolkit: form.Toolkit.Name, Logo: logo(form.Toolkit), About: form.Toolkit.Description,
		User: form.Account.UserID, Alias: form.Account.Alias, CSRF: csrf, ReturnTo: hostOf(form.Link.CallbackURL),
		Leaves: form.Leaves(), Service: form.Account.Scheme == domain.SchemeS2SOAuth2, Again: len(form.Account.Identity) > 0,
	}
	if form.Auth.OAuth != nil && form.Auth.OAuth.Explain != nil && len(form.Asked) > 0 {
		page.May = form.Auth.OAuth.Explain(form.Asked)
	}
	for i := range form.Toolkit.Tools {
		t := &form.Toolkit.Tools[i]
		switch {
		case len(form.Config.Tools) > 0 && !slices.Contains(form.Config.Tools, t.Slug):
		case t.Hints.ReadOnly:
			page.Reads++
		case t.Hints.Destructive:
			page.Deletes++
		default:
			page.Changes++
		}
	}
	if e != nil {
		page.Problem = &problem{Message: e.Message, Fix: e.Fix}
	}
	for _, f := range form.Auth.Fields {
		if page.Leaves && page.Again { // the site stays what it is
			page.Site = form.Account.Fields[f.Name]
			continue
		}
		in := fieldView(&page, form, f, values, e)
		if f.Advanced {
			page.Open = page.Open || in.Value != "" || in.Error != ""
			page.Advanced = append(page.Advanced, in)
		} else {
			page.Fields = append(page.Fields, in)
		}
	}
	if e == nil && len(page.Fields) > 0 {
		page.Fields[0].Focus = true
	}
	return page
}

func fieldView(page *formPage, form *connect.Form, f toolkit.Field, values map[string]string, e *domain.Error) formField {
	in := formField{
		Name: fieldPrefix + f.Name, Label: label(f), Description: f.Description, Placeholder: f.Placeholder,
		Type: inputType(f), Value: f.Default, Autocomplete: "off", Required: f.Required,
	}
	if in.Type == "email" {
		in.Autocomplete = "email"
	}
	if v := form.Account.Fields[f.Name]; v != "" {
		in.Value = v
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
	return in
}

func doneView(l look, form *connect.Form, a *domain.ConnectedAccount) donePage {
	page := donePage{look: l, Toolkit: form.Toolkit.Name, Logo: logo(form.Toolkit), User: a.UserID, Account: a.WordID}
	for _, key := range []string{"name", "email", "id"} {
		if v := a.Identity[key]; v != "" && page.Who == "" {
			page.Who = v
		}
	}
	if form.Auth.OAuth != nil && len(form.Auth.Fields) > 0 {
		page.Site = a.Fields[form.Auth.Fields[0].Name]
	}
	return page
}

// finishView fills the page of a question. What is missing is said once where it
// is the same for every site.
func finishView(l look, pending *connect.Pending, csrf string) finishPage {
	page := finishPage{look: l, Toolkit: pending.Form.Toolkit.Name, Logo: logo(pending.Form.Toolkit), CSRF: csrf}
	first := pending.Sites[0]
	same := !slices.ContainsFunc(pending.Sites, func(s connect.Site) bool { return !slices.Equal(s.Missing, first.Missing) })
	if same {
		page.Missing, page.Lost, page.Of, page.Tools = first.Missing, len(first.Tools), first.Of, first.Tools
	}
	for _, s := range pending.Sites {
		c := siteChoice{ID: s.ID, Name: s.Name, URL: s.URL}
		if !same {
			c.Lost, c.Of, c.Missing = len(s.Tools), s.Of, s.Missing
		}
		page.Sites = append(page.Sites, c)
	}
	return page
}

// logo gives an embedded picture only: a remote one would tell its host who
// connects when. A project that names a remote one for itself has decided that.
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
