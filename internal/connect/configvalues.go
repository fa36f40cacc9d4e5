package connect

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode"

	"github.com/sluice-run/sluice/internal/domain"
	"github.com/sluice-run/sluice/toolkit"
)

// apply judges change and puts it into c. kept are the sealed secrets that the
// config has. It gives the new secrets in clear; c has the public values.
func apply(tk *toolkit.Toolkit, auth *toolkit.Auth, c *domain.AuthConfig, change *AuthConfigChange, kept map[string][]byte) (toolkit.Secrets, error) {
	if change.Name != nil {
		name, err := configName(*change.Name)
		if err != nil {
			return nil, err
		}
		c.Name = name
	}
	fields, secrets, err := configValues(auth, c.Fields, change.Credentials, kept)
	if err != nil {
		return nil, err
	}
	c.Fields = fields
	if auth.OAuth != nil && auth.OAuth.Endpoint != nil {
		if _, err := auth.OAuth.Endpoint(fields); err != nil {
			return nil, configError(err)
		}
	}
	if change.Scopes != nil {
		if c.Scopes, err = configScopes(auth, *change.Scopes); err != nil {
			return nil, err
		}
	}
	for _, l := range []struct {
		field string
		from  *[]string
		to    *[]string
	}{
		{"tool_access_config.tools_available_for_execution", change.Tools, &c.Tools},
		{"tool_access_config.tools_for_connected_account_creation", change.CreationTools, &c.CreationTools},
	} {
		if l.from == nil {
			continue
		}
		if *l.to, err = toolsOf(tk, l.field, *l.from); err != nil {
			return nil, err
		}
	}
	if change.RouterOff != nil {
		c.RouterOff = *change.RouterOff
	}
	return secrets, nil
}

func configName(name string) (string, error) {
	name = strings.TrimSpace(name)
	switch {
	case name == "":
		return "", domain.Invalid("name", "name must not be empty")
	case len(name) > 200:
		return "", domain.Invalid("name", "name has %d bytes; at most 200 are allowed", len(name))
	case strings.IndexFunc(name, unicode.IsControl) >= 0:
		return "", domain.Invalid("name", "name must be one line without control characters")
	}
	return name, nil
}

// fieldScopes is the config field that is not a credential: it becomes Scopes.
const fieldScopes = "scopes"

// configValues puts given values over the public ones that a config has, and
// gives the new secrets.
func configValues(auth *toolkit.Auth, have, given map[string]string, kept map[string][]byte) (map[string]string, toolkit.Secrets, error) {
	fields, secrets := maps.Clone(have), toolkit.Secrets{}
	if fields == nil {
		fields = map[string]string{}
	}
	for _, name := range slices.Sorted(maps.Keys(given)) {
		i := slices.IndexFunc(auth.ConfigFields, func(f toolkit.Field) bool { return f.Name == name && name != fieldScopes })
		if i < 0 {
			return nil, nil, domain.Invalid("credentials."+clip(name), "credentials.%s is not asked for with %s; expected: %s", clip(name), auth.Scheme, configFieldNames(auth))
		}
		f, value := &auth.ConfigFields[i], strings.TrimSpace(given[name])
		switch {
		case len(value) > maxValue:
			return nil, nil, domain.Invalid("credentials."+name, "credentials.%s is too long: at most %d bytes are allowed", name, maxValue)
		case strings.IndexFunc(value, unicode.IsControl) >= 0:
			return nil, nil, domain.Invalid("credentials."+name, "credentials.%s must be one line without control characters", name)
		case value == "" && f.Secret && !f.Required && kept[name] != nil:
			return nil, nil, domain.Invalid("credentials."+name, "credentials.%s cannot be taken away again", name).
				WithFix("Give a new value, or make a new auth config.")
		case value == "" && f.Secret && kept[name] != nil:
			return nil, nil, required(f)
		case value == "":
			delete(fields, name)
		case f.Secret:
			secrets[name] = value
		case f.Type == "url":
			if err := CheckCallbackURL("credentials."+name, value); err != nil {
				return nil, nil, err
			}
			fields[name] = value
		default:
			fields[name] = value
		}
	}
	for i := range auth.ConfigFields {
		f := &auth.ConfigFields[i]
		if f.Required && f.Default == "" && f.Name != fieldScopes && fields[f.Name] == "" && secrets[f.Name] == "" && kept[f.Name] == nil {
			return nil, nil, required(f)
		}
	}
	return fields, secrets, nil
}

func required(f *toolkit.Field) error {
	e := domain.Invalid("credentials."+f.Name, "credentials.%s (%s) is required", f.Name, label(f))
	if f.Description != "" {
		e.Fix = f.Description
	}
	return e
}

func configFieldNames(auth *toolkit.Auth) string {
	names := make([]string, 0, len(auth.ConfigFields))
	for _, f := range auth.ConfigFields {
		names = append(names, f.Name)
	}
	if len(names) == 0 {
		return "none"
	}
	return strings.Join(names, ", ")
}

// configError names the credential that a provider's addresses cannot be made from.
func configError(err error) error {
	e := domain.AsError(baseURLError(err))
	if e.Code == domain.CodeInvalid && e.Field != "" {
		c := *e
		c.Field, c.Message = "credentials."+e.Field, "credentials."+e.Message
		return &c
	}
	return e
}

const (
	maxScopes = 200
	maxScope  = 256
)

// configScopes judges scopes; a nil list is the toolkit's own choice.
func configScopes(auth *toolkit.Auth, scopes []string) ([]string, error) {
	if scopes == nil {
		return nil, nil
	}
	if auth.OAuth == nil && len(scopes) > 0 {
		return nil, domain.Invalid("credentials.scopes", "credentials.scopes: there are none to ask for with %s", auth.Scheme)
	}
	if len(scopes) > maxScopes {
		return nil, domain.Invalid("credentials.scopes", "credentials.scopes: at most %d are allowed, got %d", maxScopes, len(scopes))
	}
	out := make([]string, 0, len(scopes))
	for i, scope := range scopes {
		// RFC 6749, 3.3: printable ASCII without space, " and \.
		if scope == "" || len(scope) > maxScope || strings.ContainsFunc(scope, func(r rune) bool { return r <= ' ' || r > '~' || r == '"' || r == '\\' }) {
			at := fmt.Sprintf("credentials.scopes[%d]", i)
			return nil, domain.Invalid(at, "%s: expected a scope: at most %d printable characters without spaces", at, maxScope)
		}
		if !slices.Contains(out, scope) {
			out = append(out, scope)
		}
	}
	if len(out) == 0 {
		return nil, nil
	}
	return out, nil
}

// toolsOf checks that every slug is one of the toolkit's tools, and gives them
// as the catalogue spells them.
func toolsOf(tk *toolkit.Toolkit, field string, slugs []string) ([]string, error) {
	var out []string
	for i, slug := range slugs {
		known := strings.ToUpper(strings.TrimSpace(slug))
		if !slices.ContainsFunc(tk.Tools, func(t toolkit.Tool) bool { return t.Slug == known }) {
			at := fmt.Sprintf("%s[%d]", field, i)
			return nil, domain.Invalid(at, "%s: toolkit %s has no tool %q", at, tk.Slug, clip(slug)).
				WithFix("Find its tools with GET /tools?toolkit_slug=%s.", tk.Slug)
		}
		if !slices.Contains(out, known) {
			out = append(out, known)
		}
	}
	return out, nil
}
