package connect_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sluice-run/sluice/internal/connect"
	"github.com/sluice-run/sluice/internal/connect/connecttest"
	"github.com/sluice-run/sluice/internal/domain"
)

func TestBranding(t *testing.T) {
	t.Parallel()
	w := connecttest.New(t)
	ctx := t.Context()
	get := func(project string) connect.Branding {
		t.Helper()
		b, err := w.Connect.Branding(ctx, project)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	if got := get(connecttest.Project); got != (connect.Branding{Name: connecttest.Project}) {
		t.Errorf("the usual: %+v", got)
	}
	want := connect.Branding{Name: "Acme", Logo: "https://acme.example/a/logo.png", Color: "#aabbcc"}
	got, err := w.Connect.SetBranding(ctx, connecttest.Project, connect.Branding{Name: " Acme ", Logo: want.Logo, Color: "#AABBCC"})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	for name, bad := range map[string]connect.Branding{
		"name: long":        {Name: strings.Repeat("x", 61)},
		"name: control":     {Name: "a\nb"},
		"name: direction":   {Name: "a\u202eb"},
		"color: name":       {Color: "red"},
		"color: css":        {Color: "#000;}body{"},
		"logo: http":        {Logo: "http://acme.example/logo.png"},
		"logo: script":      {Logo: "javascript:alert(1)"},
		"logo: html":        {Logo: "data:text/html;base64,AAAA"},
		"logo: not base64":  {Logo: "data:image/png;base64,<svg onload=1>"},
		"logo: plain svg":   {Logo: "data:image/svg+xml,<svg/>"},
		"logo: policy":      {Logo: "https://acme.example/a;script-src%20*"},
		"logo: policy host": {Logo: "https://acme.example;script-src/a"},
		"logo: wildcard":    {Logo: "https://*.example/a"},
		"logo: query":       {Logo: "https://acme.example/a?user=1"},
		"logo: user":        {Logo: "https://me@acme.example/a"},
		"logo: large":       {Logo: "data:image/png;base64," + strings.Repeat("A", 64<<10)},
	} {
		_, err := w.Connect.SetBranding(ctx, connecttest.Project, bad)
		field, _, _ := strings.Cut(name, ":")
		if e := domain.AsError(err); err == nil || e.Code != domain.CodeInvalid || e.Field != field {
			t.Errorf("%s: got %v", name, err)
		}
	}
	if diff := cmp.Diff(want, get(connecttest.Project)); diff != "" {
		t.Errorf("a refused branding changed something: %s", diff)
	}
	if got := get(connecttest.Other); got.Name != connecttest.Other {
		t.Errorf("another project: %+v", got)
	}
	if got, err := w.Connect.SetBranding(ctx, connecttest.Project, connect.Branding{}); err != nil || got.Name != connecttest.Project || got.Logo != "" {
		t.Errorf("back to the usual: %+v, %v", got, err)
	}
}
