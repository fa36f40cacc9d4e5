package confluence

import (
	"encoding/json"
	"errors"

	"github.com/sluice-run/sluice/sandbox/confluence/internal/body"
)

// bodyIn is a body as a request writes it: {representation, value}, or one
// member named after the representation that holds it.
type bodyIn struct {
	Representation string
	Value          string
	given          bool
}

func (b *bodyIn) UnmarshalJSON(data []byte) error {
	type flat struct {
		Representation string  `json:"representation"`
		Value          *string `json:"value"`
	}
	var in struct {
		flat
		Storage *flat `json:"storage"`
		ADF     *flat `json:"atlas_doc_format"`
		Wiki    *flat `json:"wiki"`
	}
	if err := json.Unmarshal(data, &in); err != nil {
		return err
	}
	one := in.flat
	for name, f := range map[string]*flat{"storage": in.Storage, "atlas_doc_format": in.ADF, "wiki": in.Wiki} {
		if f != nil {
			one = *f
			if one.Representation == "" {
				one.Representation = name
			}
		}
	}
	b.Representation = one.Representation
	if one.Value != nil {
		b.Value, b.given = *one.Value, true
	}
	return nil
}

// stored is a body ready to be kept.
type stored struct {
	storage string
	doc     *body.Node
}

// intake turns a written body into canonical storage. seed varies generated ids.
func (b *bodyIn) intake(seed string) (stored, *apiError) {
	if b == nil || (b.Value == "" && b.Representation == "") {
		return stored{doc: &body.Node{Name: "#root"}}, nil
	}
	src := b.Value
	switch b.Representation {
	case "storage", "":
		if b.Representation == "" {
			return stored{}, badRequest("body.representation is required. Valid values are [storage, atlas_doc_format, wiki]")
		}
	case "wiki":
		src = body.FromWiki(b.Value)
	case "atlas_doc_format":
		var err error
		if src, err = body.FromADF(b.Value); err != nil {
			return stored{}, badRequest("%s", err.Error())
		}
	default:
		return stored{}, badRequest("Provided value {%s} for 'body.representation' is not valid. Valid values are [storage, atlas_doc_format, wiki]", b.Representation)
	}
	return storageOf(src, seed)
}

func storageOf(src, seed string) (stored, *apiError) {
	doc, err := body.ParseStorage(src)
	var syntax *body.SyntaxError
	if errors.As(err, &syntax) {
		return stored{}, badRequest("%s", syntax.Error())
	}
	if err != nil {
		return stored{}, badRequest("Error parsing xhtml: %v", err)
	}
	return stored{storage: body.Canonical(doc, seed), doc: doc}, nil
}

var (
	listFormats   = []string{"storage", "atlas_doc_format"}
	singleFormats = []string{"storage", "atlas_doc_format", "view", "export_view", "anonymous_export_view", "styled_view", "editor"}
)

type bodyValue struct {
	Representation string `json:"representation"`
	Value          string `json:"value"`
}

// render shows a version in a body format; c's lock is held.
func (c *call) render(x *content, v *version, format string) string {
	switch format {
	case "storage", "editor":
		return v.storage
	case "atlas_doc_format":
		return body.ToADF(v.doc())
	}
	return body.View(v.doc(), c.links(x))
}

func (c *call) bodies(x *content, v *version, format string) map[string]bodyValue {
	if format == "" {
		return nil
	}
	return map[string]bodyValue{format: {Representation: format, Value: c.render(x, v, format)}}
}

func (c *call) links(x *content) body.Links {
	return body.Links{
		Page: func(key, title string) (string, bool) {
			sp := c.st.spaces[x.spaceID]
			if key != "" {
				sp = c.st.spaceOf(key)
			}
			if sp == nil {
				return "", false
			}
			p := c.st.contents[c.st.titles[titleKey{sp.id, foldTitle(title)}]]
			if p == nil {
				return "", false
			}
			return "/wiki" + c.st.webui(p), true
		},
		User: c.st.displayName,
		File: func(name string) (string, bool) {
			f := c.st.attached(x, name)
			if f == nil {
				return "", false
			}
			if c.r == nil { // the site's own pages, which nobody signs in to
				return c.mediaURL(f.current()), true
			}
			return c.base + "/wiki" + c.st.downloadLink(f, f.current()), true
		},
		Children: func() [][2]string {
			var out [][2]string
			for _, k := range c.visibleOnes(c.st.children[x.id]) {
				out = append(out, [2]string{k.title(), "/wiki" + c.st.webui(k)})
			}
			return out
		},
	}
}
