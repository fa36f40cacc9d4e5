package catalog_test

import (
	"context"
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sluice-run/sluice/internal/catalog"
	"github.com/sluice-run/sluice/internal/domain"
	"github.com/sluice-run/sluice/toolkit"
)

func rawTool(t *testing.T, slug, name, description string, keywords ...string) toolkit.Tool {
	t.Helper()
	tool, err := toolkit.Raw(slug, name, description, toolkit.About{Keywords: keywords}, toolkit.Hints{},
		json.RawMessage(`{"type":"object","properties":{"id":{"type":"string","description":"which one"}}}`),
		json.RawMessage(`{"type":"object","properties":{}}`),
		func(context.Context, *toolkit.Call, json.RawMessage) (*toolkit.Result, error) { return nil, nil })
	if err != nil {
		t.Fatal(err)
	}
	return tool
}

func twoToolkits(t *testing.T) *catalog.Catalog {
	t.Helper()
	c, err := catalog.New(
		&toolkit.Toolkit{Slug: "mail", Name: "Mail", Version: "20260101_00", Tools: []toolkit.Tool{
			rawTool(t, "MAIL_SEND", "Send Message", "Send a message to somebody.", "post", "write"),
			rawTool(t, "MAIL_LIST", "List Messages", "List messages of a folder.", "inbox"),
		}},
		&toolkit.Toolkit{Slug: "wiki", Name: "Wiki", Version: "20260202_00", Tools: []toolkit.Tool{
			rawTool(t, "WIKI_CREATE_PAGE", "Create Page", "Make a new page.", "write", "document"),
		}},
	)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func slugs(hits []catalog.Hit) []string {
	got := []string{}
	for _, h := range hits {
		got = append(got, h.Tool.Slug)
	}
	return got
}

func TestNewRefuses(t *testing.T) {
	t.Parallel()
	tool := rawTool(t, "A_TOOL", "A", "a")
	for name, tc := range map[string]struct {
		toolkits []*toolkit.Toolkit
		want     string
	}{
		"two toolkits of one slug": {[]*toolkit.Toolkit{{Slug: "a"}, {Slug: "a"}}, "twice"},
		"an upper case slug":       {[]*toolkit.Toolkit{{Slug: "A"}}, "lower case"},
		"two tools of one slug": {[]*toolkit.Toolkit{
			{Slug: "a", Tools: []toolkit.Tool{tool}}, {Slug: "b", Tools: []toolkit.Tool{tool}},
		}, "twice"},
		"a tool name that models refuse": {[]*toolkit.Toolkit{
			{Slug: "a", Tools: []toolkit.Tool{rawTool(t, "A TOOL", "A", "a")}},
		}, "letters"},
		"a tool name over 64": {[]*toolkit.Toolkit{
			{Slug: "a", Tools: []toolkit.Tool{rawTool(t, strings.Repeat("A", 65), "A", "a")}},
		}, "64"},
	} {
		if _, err := catalog.New(tc.toolkits...); err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: got error %v, want one with %q", name, err, tc.want)
		}
	}
}

func TestTool(t *testing.T) {
	t.Parallel()
	c := twoToolkits(t)
	for _, tc := range []struct {
		slug, version string
		want          domain.Code
		says          string
	}{
		{slug: "MAIL_SEND"},
		{slug: "mail_send", version: "latest"},
		{slug: "MAIL_SEND", version: "20260101_00"},
		{slug: "MAIL_SEND", version: "00000000_00"},
		{slug: "MAIL_SEND", version: "20250101_00", want: domain.CodeNotFound, says: "20260101_00"},
		{slug: "MAIL_SENT", want: domain.CodeNotFound, says: "MAIL_SEND"},
		{slug: "", want: domain.CodeNotFound},
	} {
		tool, err := c.Tool(t.Context(), "pr_1", tc.slug, tc.version)
		if got := domain.CodeOf(err); got != tc.want {
			t.Errorf("Tool(%q, %q): got code %q, want %q", tc.slug, tc.version, got, tc.want)
		}
		if err != nil && !strings.Contains(domain.AsError(err).Fix, tc.says) {
			t.Errorf("Tool(%q, %q): fix %q does not name %q", tc.slug, tc.version, domain.AsError(err).Fix, tc.says)
		}
		if err == nil && tool.Slug != "MAIL_SEND" {
			t.Errorf("Tool(%q): got %s", tc.slug, tool.Slug)
		}
	}
}

func TestSearch(t *testing.T) {
	t.Parallel()
	c := twoToolkits(t)
	all := func(*catalog.Tool) bool { return true }
	for _, tc := range []struct {
		useCase string
		allow   func(*catalog.Tool) bool
		want    []string
	}{
		{"send somebody a message", all, []string{"MAIL_SEND", "MAIL_LIST"}},
		{"look into my inbox", all, []string{"MAIL_LIST"}},
		{"write in the wiki", all, []string{"WIKI_CREATE_PAGE"}},
		{"write with mail", all, []string{"MAIL_SEND"}},
		{"send somebody a message", func(t *catalog.Tool) bool { return t.Slug != "MAIL_SEND" }, []string{"MAIL_LIST"}},
		{"quantum chromodynamics", all, []string{}},
		{"", all, []string{}},
	} {
		got := slugs(c.Search(t.Context(), "pr_1", tc.useCase, 5, tc.allow))
		if tc.useCase == "write with mail" || tc.useCase == "write in the wiki" {
			got = got[:min(1, len(got))]
		}
		if diff := cmp.Diff(tc.want, got); diff != "" {
			t.Errorf("Search(%q) (-want +got):\n%s", tc.useCase, diff)
		}
	}
}

// Callers send slugs of any length: what is far too long is neither compared
// nor repeated.
func TestUnknownSlugOfAnyLength(t *testing.T) {
	t.Parallel()
	c := twoToolkits(t)
	long := strings.Repeat("MAIL_SEND", 1<<14)
	if near := c.Nearest(t.Context(), "p", long, 3); len(near) > 0 {
		t.Errorf("near %v: a text of %d bytes was compared", near, len(long))
	}
	_, tool := c.Tool(t.Context(), "p", long, "")
	_, kit := c.Toolkit(t.Context(), "p", long)
	_, version := c.Tool(t.Context(), "p", "MAIL_SEND", long)
	for _, err := range []error{tool, kit, version} {
		if domain.CodeOf(err) != domain.CodeNotFound || len(err.Error()) > 400 {
			t.Errorf("code %s, %d bytes", domain.CodeOf(err), len(err.Error()))
		}
	}
}
