package confluence

import (
	"archive/zip"
	"bytes"
	"encoding/csv"
	"strconv"
	"strings"
	"time"

	"github.com/sluice-run/sluice/sandbox/confluence/internal/body"
)

// macroRoutes read single macros of a body; beside them stand two calls whose
// answers are files or come from templates.
func macroRoutes() map[string]endpoint {
	const macro = "GET /content/{id}/history/{version}/macro/id/{macro}"
	return map[string]endpoint{
		macro:                         (*call).getMacro,
		macro + "/convert/{to}":       (*call).renderMacro,
		macro + "/convert/async/{to}": (*call).renderMacroLater,
		"PUT /content/blueprint/instance/{draft}":  (*call).publishBlueprint,
		"POST /content/blueprint/instance/{draft}": (*call).publishBlueprint,
		"GET /audit/export":                        (*call).exportAudit,
	}
}

// macro finds the macro that a path names. The lock is held.
func (c *call) macro() (*content, *body.Node, *apiError) {
	x, err := c.contentV1()
	if err != nil {
		return nil, nil, err
	}
	id := c.r.PathValue("macro")
	for _, v := range x.versions {
		if strconv.Itoa(v.number) != c.r.PathValue("version") {
			continue
		}
		if n := body.Macro(v.doc(), id); n != nil {
			return x, n, nil
		}
	}
	return nil, nil, notFound("No macro found with id %s in version %s of the content with id %d", id, c.r.PathValue("version"), x.id)
}

type v1Macro struct {
	Name       string                       `json:"name"`
	Body       string                       `json:"body"`
	Parameters map[string]map[string]string `json:"parameters"`
	Links      v1Links                      `json:"_links"`
}

func (c *call) getMacro() (any, *apiError) {
	c.rlock()
	_, n, err := c.macro()
	if err != nil {
		return nil, err
	}
	text, params := body.MacroParts(n)
	out := v1Macro{Name: n.Attr("ac:name"), Body: text, Parameters: map[string]map[string]string{}, Links: v1Links{Self: c.base + c.r.URL.Path}}
	for k, v := range params {
		out.Parameters[k] = map[string]string{"value": v}
	}
	return out, nil
}

type v1Rendered struct {
	Value          string            `json:"value"`
	Representation string            `json:"representation"`
	Expandable     map[string]string `json:"_expandable"`
}

func rendered(value, to string) v1Rendered {
	return v1Rendered{value, to, map[string]string{"content": "", "embeddedContent": "", "webresource": "", "mediaToken": ""}}
}

// renderAs writes a body in a format that can be read. The lock is held.
func (c *call) renderAs(doc *body.Node, x *content, to string) (string, *apiError) {
	switch to {
	case "view", "export_view", "styled_view", "anonymous_export_view":
		return body.View(doc, c.links(x)), nil
	case "storage", "editor", "editor2":
		return body.Write(doc), nil
	case "atlas_doc_format":
		return body.ToADF(doc), nil
	}
	return "", badRequest("A body cannot be converted to '%s'", to)
}

func (c *call) renderMacro() (any, *apiError) {
	c.rlock()
	x, n, err := c.macro()
	if err != nil {
		return nil, err
	}
	to := c.r.PathValue("to")
	value, err := c.renderAs(&body.Node{Name: "#root", Children: []*body.Node{n}}, x, to)
	if err != nil {
		return nil, err
	}
	return rendered(value, to), nil
}

func (c *call) renderMacroLater() (any, *apiError) {
	c.lock()
	x, n, err := c.macro()
	if err != nil {
		return nil, err
	}
	to := c.r.PathValue("to")
	if to != "view" && to != "export_view" && to != "styled_view" {
		return nil, badRequest("A macro cannot be converted to '%s'. It can be to view, export_view and styled_view", to)
	}
	value, err := c.renderAs(&body.Node{Name: "#root", Children: []*body.Node{n}}, x, to)
	if err != nil {
		return nil, err
	}
	return c.keepConversion(value, to), nil
}

// convertNow is the removed call that converts a body at once.
func (c *call) convertNow() (any, *apiError) {
	in := convertIn{To: c.r.PathValue("to"), SpaceKey: c.q.Get("spaceKeyContext"), ContentID: c.q.Get("contentIdContext")}
	if err := c.decode(&in.Body); err != nil {
		return nil, err
	}
	c.rlock()
	doc, x, err := c.convertible(in)
	if err != nil {
		return nil, err
	}
	value, err := c.renderAs(doc, x, in.To)
	if err != nil {
		return nil, err
	}
	return rendered(value, in.To), nil
}

// publishBlueprint publishes a draft that was made from a blueprint.
func (c *call) publishBlueprint() (any, *apiError) {
	var in struct {
		Version struct {
			Number int `json:"number"`
		} `json:"version"`
		Title string `json:"title"`
		Type  string `json:"type"`
		Space *struct {
			Key string `json:"key"`
		} `json:"space"`
	}
	if err := c.decode(&in); err != nil {
		return nil, err
	}
	if in.Title == "" || in.Type != string(typePage) {
		return nil, badRequest("title and type 'page' must be specified")
	}
	id, e := strconv.ParseInt(c.r.PathValue("draft"), 10, 64)
	c.lock()
	x := c.st.contents[id]
	if e != nil || x == nil || x.typ != typePage || x.status != statusDraft || !c.st.visible(x, c.me) {
		return nil, notFound("No draft found with id: %s", c.r.PathValue("draft"))
	}
	if in.Space != nil && c.st.spaceOf(in.Space.Key) != c.st.spaces[x.spaceID] {
		return nil, badRequest("The draft is in another space than %s", in.Space.Key)
	}
	if in.Version.Number != 1 {
		return nil, conflict("The version of a new page must be 1, got %d", in.Version.Number)
	}
	if err := c.st.update(x, changeIn{title: in.Title, status: statusCurrent, number: 1, authorID: c.me.AccountID}, c.now()); err != nil {
		return nil, err
	}
	return c.showV1(x, x.current(), parseExpand([]string{"body.storage", "history", "space", "version", "ancestors"})), nil
}

// rawFile is an answer that is a file.
type rawFile struct {
	typ, name string
	data      []byte
}

// exportAudit gives the audit log as a file that spreadsheets read.
func (c *call) exportAudit() (any, *apiError) {
	format, err := c.oneOf("format", "csv", "csv", "zip")
	if err != nil {
		return nil, err
	}
	from, err := c.epochParam("startDate")
	if err != nil {
		return nil, err
	}
	until, err := c.epochParam("endDate")
	if err != nil {
		return nil, err
	}
	want := strings.ToLower(c.q.Get("searchString"))
	c.rlock()
	if err := c.adminOnly(); err != nil {
		return nil, err
	}
	var b bytes.Buffer
	w := csv.NewWriter(&b)
	_ = w.Write([]string{"Date", "Author", "Author account", "Address", "Category", "Summary", "Description", "Affected object"}) // a buffer takes everything
	for _, r := range c.st.audit {
		row := []string{r.at.Format(time.RFC3339), c.st.displayName(r.account), r.account, r.address, r.category, r.summary, r.desc, r.object.Name}
		if r.at.Before(from) || !until.IsZero() && r.at.After(until) || !strings.Contains(strings.ToLower(strings.Join(row, " ")), want) {
			continue
		}
		_ = w.Write(row)
	}
	w.Flush()
	if format == "csv" {
		return rawFile{"text/csv", "audit.csv", b.Bytes()}, nil
	}
	var packed bytes.Buffer
	z := zip.NewWriter(&packed)
	if f, e := z.Create("audit.csv"); e == nil {
		_, _ = f.Write(b.Bytes())
	}
	_ = z.Close()
	return rawFile{"application/zip", "audit.zip", packed.Bytes()}, nil
}
