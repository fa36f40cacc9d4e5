package connect

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"
	"unicode"

	"github.com/sluice-run/sluice/internal/domain"
	"github.com/sluice-run/sluice/internal/store"
	"github.com/sluice-run/sluice/toolkit"
)

// maxValue bounds one typed value in bytes.
const maxValue = 8 << 10

// Complete takes what the person typed, checks it with the toolkit's own check
// call, seals the secrets, makes the account ACTIVE and uses the link up. Bad
// input or refused credentials leave the link usable; the error names the
// field. It gives the account and, when the link has one, the address to send
// the browser to.
func (s *Service) Complete(ctx context.Context, token string, values map[string]string) (*domain.ConnectedAccount, string, error) {
	form, err := s.Form(ctx, token)
	if err != nil {
		return nil, "", err
	}
	a := form.Account
	if form.Leaves() {
		return nil, "", domain.Errorf(domain.CodeUnsupported, "%s is connected on its own page", form.Toolkit.Name)
	}
	sealed, err := s.prove(ctx, form.Toolkit, &form.Auth, &a, values)
	if err != nil {
		return nil, "", err
	}
	if was := form.Account.Identity["id"]; was != "" && a.Identity["id"] != was {
		return nil, "", anotherPerson(form, a.Identity)
	}
	if err := s.activate(ctx, form, &a, sealed); err != nil {
		return nil, "", err
	}
	return &a, callback(form.Link.CallbackURL, &a), nil
}

// Connect does Initiate and Complete in one step, for callers that have the
// values at hand (REST, the terminal). Nothing is kept when they are refused.
func (s *Service) Connect(ctx context.Context, in Start, values map[string]string) (*domain.ConnectedAccount, error) {
	tk, cfg, err := s.resolve(ctx, &in)
	if err != nil {
		return nil, err
	}
	a := s.newAccount(in, tk, cfg)
	sealed, err := s.prove(ctx, tk, authOf(tk, cfg.Scheme), &a, values)
	if err != nil {
		return nil, err
	}
	a.Status = domain.AccountActive
	if err := s.insert(ctx, &a, cfg, func(tx store.Tx) error { return putSecrets(ctx, tx, &a, sealed) }); err != nil {
		return nil, err
	}
	return &a, nil
}

// prove checks values, has the upstream confirm them, and puts the public ones
// and the identity into a. It gives the sealed secrets. It runs outside any
// transaction: it calls upstream.
func (s *Service) prove(ctx context.Context, tk *toolkit.Toolkit, auth *toolkit.Auth, a *domain.ConnectedAccount, values map[string]string) (map[string][]byte, error) {
	fields, secrets, err := split(auth, unfound(auth, a, values))
	if err != nil {
		return nil, err
	}
	if auth.OAuth != nil {
		secrets, err = s.proveService(ctx, tk, auth, a, fields)
	} else {
		err = s.resolveFields(ctx, tk, auth, a, fields, secrets)
	}
	if err != nil {
		return nil, err
	}
	identity, err := s.check(ctx, tk, auth, fields, secrets)
	if err != nil {
		return nil, err
	}
	a.Fields, a.Identity = fields, identity
	return s.seal(ctx, a, secrets)
}

// unfound leaves out of values what was found out when the account connected
// before, and nobody typed.
func unfound(auth *toolkit.Auth, a *domain.ConnectedAccount, values map[string]string) map[string]string {
	out := maps.Clone(values)
	maps.DeleteFunc(out, func(name, value string) bool {
		return value == a.Fields[name] && !slices.ContainsFunc(auth.Fields, func(f toolkit.Field) bool { return f.Name == name })
	})
	return out
}

// resolveFields adds to fields what the toolkit finds out by itself.
func (s *Service) resolveFields(ctx context.Context, tk *toolkit.Toolkit, auth *toolkit.Auth, a *domain.ConnectedAccount, fields map[string]string, secrets toolkit.Secrets) (err error) {
	if auth.Resolve == nil {
		return nil
	}
	var config map[string]string
	if a.AuthConfigID != "" {
		cfg, err := s.AuthConfig(ctx, a.ProjectID, a.AuthConfigID)
		if err != nil {
			return err
		}
		config = cfg.Fields
	}
	call, err := s.call(tk, auth, fields, secrets, nil, nil)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	defer func() {
		if p := recover(); p != nil {
			err = domain.Internal("finding out the account's address", fmt.Errorf("panic: %v", p))
		}
	}()
	found, err := auth.Resolve(ctx, call, config)
	if err != nil {
		return checkError(tk, auth, secrets, err)
	}
	maps.Copy(fields, found)
	return nil
}

// split sorts typed values into public fields and secrets.
func split(auth *toolkit.Auth, values map[string]string) (map[string]string, toolkit.Secrets, error) {
	fields, secrets := map[string]string{}, toolkit.Secrets{}
	for i := range auth.Fields {
		f := &auth.Fields[i]
		value := strings.TrimSpace(values[f.Name])
		if value == "" {
			value = f.Default
		}
		switch {
		case value == "" && f.Required:
			return nil, nil, domain.Invalid(f.Name, "%s (%s) is required", label(f), f.Name)
		case value == "":
			continue
		case len(value) > maxValue:
			return nil, nil, domain.Invalid(f.Name, "%s (%s) is too long: at most %d bytes are allowed", label(f), f.Name, maxValue)
		case strings.IndexFunc(value, unicode.IsControl) >= 0:
			return nil, nil, domain.Invalid(f.Name, "%s (%s) must be one line without control characters", label(f), f.Name)
		}
		if f.Secret {
			secrets[f.Name] = value
		} else {
			fields[f.Name] = value
		}
	}
	for _, name := range slices.Sorted(maps.Keys(values)) {
		if values[name] != "" && !slices.ContainsFunc(auth.Fields, func(f toolkit.Field) bool { return f.Name == name }) {
			return nil, nil, domain.Invalid(clip(name), "%s is not asked for; expected: %s", clip(name), fieldNames(auth))
		}
	}
	return fields, secrets, nil
}

func label(f *toolkit.Field) string {
	if f.DisplayName != "" {
		return f.DisplayName
	}
	return f.Name
}

func fieldNames(auth *toolkit.Auth) string {
	names := make([]string, 0, len(auth.Fields))
	for _, f := range auth.Fields {
		names = append(names, f.Name)
	}
	return strings.Join(names, ", ")
}

// check has the upstream say whose the credentials are.
func (s *Service) check(ctx context.Context, tk *toolkit.Toolkit, auth *toolkit.Auth, fields map[string]string, secrets toolkit.Secrets) (identity toolkit.Identity, err error) {
	call, err := s.call(tk, auth, fields, secrets, nil, nil)
	if err != nil {
		return nil, err
	}
	if tk.Check == nil {
		return toolkit.Identity{}, nil
	}
	outer := ctx
	ctx, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	defer func() {
		if p := recover(); p != nil {
			identity, err = nil, domain.Internal("checking the credentials", fmt.Errorf("panic: %v", p))
		}
	}()
	identity, err = tk.Check(ctx, call)
	if err == nil {
		return identity, nil
	}
	if outer.Err() != nil {
		return nil, domain.Errorf(domain.CodeCanceled, "the connection was canceled").WithCause(outer.Err())
	}
	return nil, checkError(tk, auth, secrets, err)
}

// checkError says what upstream answered, by the field at fault where known.
// Should a message repeat a secret, it is cut out.
func checkError(tk *toolkit.Toolkit, auth *toolkit.Auth, secrets toolkit.Secrets, err error) error {
	var te *toolkit.Error
	var ours *domain.Error
	switch {
	case errors.As(err, &te):
	case errors.As(err, &ours) && ours.Code != domain.CodeInternal && ours.Code != domain.CodeUnavailable:
		// The guarded client refused the address, and says which and why.
		e := domain.Invalid("", "%s cannot be reached: %s", tk.Name, hide(ours.Message, secrets))
		e.Fix = hide(ours.Fix, secrets)
		return e.WithCause(err)
	default:
		return domain.Errorf(domain.CodeUnavailable, "%s could not be reached to check the credentials", tk.Name).
			WithFix("Check the address, and try again.").WithCause(err)
	}
	e := domain.Invalid(te.Field, "%s", hide(te.Message, secrets))
	e.Fix = hide(te.Fix, secrets)
	switch te.Kind {
	case toolkit.KindUnavailable:
		e.Code = domain.CodeUnavailable
	case toolkit.KindRateLimited:
		e.Code, e.RetryAfter = domain.CodeRateLimited, seconds(te.RetryAfter)
	case toolkit.KindAuth, toolkit.KindForbidden:
		if e.Field == "" {
			e.Field = secretField(auth)
		}
		e.Message = fmt.Sprintf("%s refused the credentials: %s", tk.Name, e.Message)
	}
	if te.Kind == toolkit.KindAuth {
		return e.WithCause(errors.Join(errRefused, te.Cause))
	}
	return e.WithCause(te.Cause)
}

// errRefused is among the causes of an error by which the upstream said that
// credentials are not good.
var errRefused = errors.New("connect: the credentials were refused")

func secretField(auth *toolkit.Auth) string {
	for _, f := range auth.Fields {
		if f.Secret {
			return f.Name
		}
	}
	return ""
}

func hide(text string, secrets toolkit.Secrets) string {
	for _, v := range secrets {
		if len(v) >= 4 {
			text = strings.ReplaceAll(text, v, "[hidden]")
		}
	}
	return text
}

// callback appends what the application waiting there needs to know. The
// account's id is there in both spellings that clients look for.
func callback(raw string, a *domain.ConnectedAccount) string {
	return withParams(raw, a, map[string]string{"status": "success"})
}

func withParams(raw string, a *domain.ConnectedAccount, params map[string]string) string {
	u, err := url.Parse(raw)
	if raw == "" || err != nil {
		return ""
	}
	q := u.Query()
	for name, value := range params {
		q.Set(name, value)
	}
	q.Set("connectedAccountId", a.ID)
	q.Set("connected_account_id", a.ID)
	q.Set("appName", a.Toolkit)
	u.RawQuery = q.Encode()
	return u.String()
}
