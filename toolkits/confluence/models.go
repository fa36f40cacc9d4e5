package confluence

import (
	"encoding/json"
	"strings"

	"github.com/sluice-run/sluice/toolkit"
)

// page is a page, as the API gives it, with its full address.
type page struct {
	ID         string   `json:"id" jsonschema_description:"Id of the page."`
	Status     string   `json:"status,omitempty" jsonschema_description:"current, draft, archived, trashed …"`
	Title      string   `json:"title" jsonschema_description:"Title of the page."`
	SpaceID    string   `json:"spaceId,omitempty" jsonschema_description:"Id of its space."`
	ParentID   string   `json:"parentId,omitempty" jsonschema_description:"Id of what it is under."`
	ParentType string   `json:"parentType,omitempty" jsonschema_description:"What it is under: page, folder …"`
	Position   *int     `json:"position,omitempty" jsonschema_description:"Position among its siblings."`
	AuthorID   string   `json:"authorId,omitempty" jsonschema_description:"Account id of who created it."`
	OwnerID    string   `json:"ownerId,omitempty" jsonschema_description:"Account id of its owner."`
	CreatedAt  string   `json:"createdAt,omitempty" jsonschema_description:"When it was created."`
	Version    *version `json:"version,omitempty" jsonschema_description:"Its version."`
	Body       *body    `json:"body,omitempty" jsonschema_description:"Its text, in the format that was asked for."`
	Labels     []label  `json:"labels,omitempty" jsonschema_description:"Its labels, when asked for."`
	URL        string   `json:"url,omitempty" jsonschema_description:"Full address for people."`
	Links      links    `json:"_links,omitzero" jsonschema_description:"Links as the API gives them."`
}

// blogpost is a blog post, as the API gives it, with its full address.
type blogpost struct {
	ID        string   `json:"id" jsonschema_description:"Id of the blog post."`
	Status    string   `json:"status,omitempty" jsonschema_description:"current, draft, trashed …"`
	Title     string   `json:"title" jsonschema_description:"Title of the blog post."`
	SpaceID   string   `json:"spaceId,omitempty" jsonschema_description:"Id of its space."`
	AuthorID  string   `json:"authorId,omitempty" jsonschema_description:"Account id of who created it."`
	CreatedAt string   `json:"createdAt,omitempty" jsonschema_description:"When it was created."`
	Version   *version `json:"version,omitempty" jsonschema_description:"Its version."`
	Body      *body    `json:"body,omitempty" jsonschema_description:"Its text, in the format that was asked for."`
	Labels    []label  `json:"labels,omitempty" jsonschema_description:"Its labels, when they were asked for or set."`
	URL       string   `json:"url,omitempty" jsonschema_description:"Full address for people."`
	Links     links    `json:"_links,omitzero" jsonschema_description:"Links as the API gives them."`
}

type version struct {
	Number    int    `json:"number" jsonschema_description:"Number of the version, from 1."`
	Message   string `json:"message,omitempty" jsonschema_description:"Comment on the version."`
	MinorEdit bool   `json:"minorEdit,omitempty" jsonschema_description:"Whether nobody was notified."`
	AuthorID  string `json:"authorId,omitempty" jsonschema_description:"Account id of who made it."`
	CreatedAt string `json:"createdAt,omitempty" jsonschema_description:"When it was made."`
}

// links are the API's own; webui is relative to base.
type links struct {
	WebUI  string `json:"webui,omitempty"`
	EditUI string `json:"editui,omitempty"`
	TinyUI string `json:"tinyui,omitempty"`
	Base   string `json:"base,omitempty"`
}

// body holds a text in one of the API's formats.
type body struct {
	Storage   *bodyText `json:"storage,omitempty" jsonschema_description:"Storage format, XHTML."`
	ADF       *bodyText `json:"atlas_doc_format,omitempty" jsonschema_description:"Atlassian document format, JSON as text."`
	View      *bodyText `json:"view,omitempty" jsonschema_description:"HTML as shown."`
	Export    *bodyText `json:"export_view,omitempty" jsonschema_description:"HTML for export, with macros rendered."`
	Anonymous *bodyText `json:"anonymous_export_view,omitempty" jsonschema_description:"HTML for export, as anybody sees it."`
	Styled    *bodyText `json:"styled_view,omitempty" jsonschema_description:"HTML with styles."`
	Editor    *bodyText `json:"editor,omitempty" jsonschema_description:"HTML of the editor."`
}

// orNil gives nil for the empty body that the API sends when none was asked for.
func (b *body) orNil() *body {
	if b == nil || *b == (body{}) {
		return nil
	}
	return b
}

// text gives the first text that is there.
func (b *body) text() (bodyText, bool) {
	if b == nil {
		return bodyText{}, false
	}
	for _, t := range []*bodyText{b.Storage, b.ADF} {
		if t != nil {
			return *t, true
		}
	}
	return bodyText{}, false
}

type bodyText struct {
	Representation string `json:"representation" jsonschema_description:"The format's name."`
	Value          string `json:"value" jsonschema_description:"The text."`
}

type label struct {
	ID     string `json:"id,omitempty" jsonschema_description:"Id of the label."`
	Name   string `json:"name" jsonschema_description:"Name of the label."`
	Prefix string `json:"prefix,omitempty" jsonschema_description:"global, team, my or system."`
}

type space struct {
	ID          string     `json:"id" jsonschema_description:"Id of the space."`
	Key         string     `json:"key" jsonschema_description:"Key of the space."`
	Name        string     `json:"name" jsonschema_description:"Name of the space."`
	Type        string     `json:"type,omitempty" jsonschema_description:"global, personal …"`
	Status      string     `json:"status,omitempty" jsonschema_description:"current, archived …"`
	AuthorID    string     `json:"authorId,omitempty" jsonschema_description:"Account id of who created it."`
	OwnerID     string     `json:"spaceOwnerId,omitempty" jsonschema_description:"Account id of its owner."`
	CreatedAt   string     `json:"createdAt,omitempty" jsonschema_description:"When it was created."`
	HomepageID  string     `json:"homepageId,omitempty" jsonschema_description:"Id of its home page."`
	Description *spaceText `json:"description,omitempty" jsonschema_description:"What it is for."`
	Icon        *spaceIcon `json:"icon,omitempty" jsonschema_description:"Its icon."`
	URL         string     `json:"url,omitempty" jsonschema_description:"Full address for people."`
	Links       links      `json:"_links,omitzero" jsonschema_description:"Links as the API gives them."`
}

type spaceText struct {
	Plain *bodyText `json:"plain,omitempty" jsonschema_description:"As plain text."`
	View  *bodyText `json:"view,omitempty" jsonschema_description:"As HTML."`
}

type spaceIcon struct {
	Path string `json:"path,omitempty" jsonschema_description:"Path of the image."`
	Link string `json:"apiDownloadLink,omitempty" jsonschema_description:"Where the image can be downloaded."`
}

// The input of a body, in both shapes that agents know.

// bodyInput takes {"storage":{"value":…}} and {"representation":…,"value":…}.
type bodyInput struct {
	Storage        *bodyValue `json:"storage,omitempty" jsonschema_description:"The text, nested; the same as giving value and representation directly."`
	Value          string     `json:"value,omitempty" jsonschema_description:"The text. Storage format is XHTML: <p>Hello</p><h2>Part</h2>. Not Markdown."`
	Representation string     `json:"representation,omitempty" jsonschema:"enum=storage,enum=atlas_doc_format,enum=wiki,default=storage" jsonschema_description:"Format of value: storage (XHTML), atlas_doc_format (ADF as JSON text) or wiki markup."`
}

type bodyValue struct {
	Value          string `json:"value" jsonschema_description:"The text. Storage format is XHTML: <p>Hello</p><h2>Part</h2>. Not Markdown."`
	Representation string `json:"representation,omitempty" jsonschema:"enum=storage,enum=atlas_doc_format,enum=wiki,default=storage" jsonschema_description:"Format of value: storage (XHTML), atlas_doc_format (ADF as JSON text) or wiki markup."`
}

// bodyWrite is what the API takes.
type bodyWrite struct {
	Representation string `json:"representation"`
	Value          string `json:"value"`
}

// write gives the body for the API. Nil in gives nil.
func (in *bodyInput) write() (*bodyWrite, error) {
	if in == nil {
		return nil, nil
	}
	out, field := bodyWrite{in.Representation, in.Value}, "body.value"
	if in.Storage != nil {
		if in.Value != "" {
			return nil, toolkit.Invalid("body", "body: give body.storage or body.value, not both")
		}
		out, field = bodyWrite{in.Storage.Representation, in.Storage.Value}, "body.storage.value"
	}
	if out.Representation == "" {
		out.Representation = "storage"
	}
	switch {
	case strings.TrimSpace(out.Value) == "" && in.Storage == nil:
		return nil, toolkit.Invalid("body.value", "body.value: expected the text; for an empty page give <p></p>")
	case len(out.Value) > maxBody:
		return nil, &toolkit.Error{
			Kind: toolkit.KindTooLarge, Field: field, Message: "The text is larger than the 5 MB that Confluence takes.",
			Fix: "Split it over several pages.",
		}
	case out.Representation == "atlas_doc_format" && !isADF(out.Value):
		return nil, toolkit.Invalid(field, `%s: expected a JSON text such as {"type":"doc","version":1,"content":[…]} for atlas_doc_format`, field)
	}
	return &out, nil
}

func isADF(s string) bool {
	var doc struct {
		Type string `json:"type"`
	}
	return json.Unmarshal([]byte(s), &doc) == nil && doc.Type == "doc"
}

// address joins the base of the links, or the site's, and the relative link.
func (c *client) address(l links, base string) string {
	if l.WebUI == "" {
		return ""
	}
	if l.Base != "" {
		base = l.Base
	}
	if base == "" {
		base = c.base + "/wiki"
	}
	return strings.TrimRight(base, "/") + l.WebUI
}
