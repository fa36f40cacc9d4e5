package confluence_test

import (
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
)

// exception is a known defect of a document of Atlassian's, and its cure.
type exception struct {
	file, reason string
	apply        func(*testing.T, *openapi3.T)
}

// exceptions lists every place where the documents contradict the cloud or themselves.
var exceptions = []exception{
	{
		file:   "openapi-v2.json",
		reason: "parentId, parentType, position, childPosition and lastOwnerId of pages are null at the root and in the trash, though not marked nullable",
		apply:  nullable("parentId", "parentType", "position", "childPosition", "lastOwnerId"),
	},
	{
		file:   "openapi-v2.json",
		reason: "mediaTypeDescription of an attachment is null for types that the site has no words for, though not marked nullable",
		apply:  nullable("mediaTypeDescription"),
	},
	{
		file:   "openapi-v2.json",
		reason: "an attachment's id is 'att' and digits, but some paths say that it is an integer",
		apply:  textIDs("/attachments/{id}"),
	},
	{
		file:   "openapi-v2.json",
		reason: "the pattern of attachment ids, '(att)?0-9+', lacks its brackets and fits no id",
		apply:  pathPattern("attachment-id", `^(att)?[0-9]+$`),
	},
	{
		file:   "openapi-v1.json",
		reason: "the answer of copying a page is keyed by a media type with a charset, which no other is",
		apply: func(_ *testing.T, doc *openapi3.T) {
			for _, item := range doc.Paths.Map() {
				for _, op := range item.Operations() {
					for _, res := range op.Responses.Map() {
						if m := res.Value.Content["application/json;charset=UTF-8"]; m != nil {
							res.Value.Content["application/json"] = m
						}
					}
				}
			}
		},
	},
	{
		file:   "openapi-v1.json",
		reason: "two paths of body conversion differ in the name of their parameter only, which no router can tell apart",
		apply: func(t *testing.T, doc *openapi3.T) {
			to, id := doc.Paths.Value("/wiki/rest/api/contentbody/convert/async/{to}"), doc.Paths.Value("/wiki/rest/api/contentbody/convert/async/{id}")
			if to == nil || id == nil {
				t.Fatal("the paths of body conversion are gone from the document")
			}
			for _, p := range id.Get.Parameters {
				if p.Value.In == "path" {
					p.Value.Name = "to"
				}
			}
			to.Get = id.Get
			doc.Paths.Delete("/wiki/rest/api/contentbody/convert/async/{id}")
		},
	},
	{
		file:   "openapi-v1.json",
		reason: "the schema of multipart forms does not say that it is an object",
		apply: func(_ *testing.T, doc *openapi3.T) {
			for _, item := range doc.Paths.Map() {
				for _, op := range item.Operations() {
					if op.RequestBody == nil || op.RequestBody.Value == nil {
						continue
					}
					if m := op.RequestBody.Value.Content["multipart/form-data"]; m != nil {
						m.Schema.Value.Type = &openapi3.Types{"object"}
					}
				}
			}
		},
	},
	{
		file:   "openapi-v2.json",
		reason: "description, icon and homepageId of a space are null unless asked for or present, though not marked nullable",
		apply:  nullable("description", "icon", "homepageId"),
	},
	{
		file:   "openapi-v2.json",
		reason: "a body is 'one of' two schemas without required members, so every body matches both: read it as 'any of'",
		apply: func(_ *testing.T, doc *openapi3.T) {
			eachSchema(doc, func(s *openapi3.Schema) {
				if b := s.Properties["body"]; b != nil && b.Value != nil && len(b.Value.OneOf) > 1 {
					b.Value.AnyOf, b.Value.OneOf = b.Value.OneOf, nil
				}
			})
		},
	},
	{
		file:   "openapi-v2.json",
		reason: "the default of prefix, 'my, team', is not one of its values",
		apply: func(_ *testing.T, doc *openapi3.T) {
			dropDefault(doc, "prefix")
		},
	},
	{
		file:   "openapi-v2.json",
		reason: "createdAt of a folder is milliseconds since 1970, not a time in words",
		apply: func(_ *testing.T, doc *openapi3.T) {
			for _, path := range []string{"/folders", "/folders/{id}"} {
				for _, op := range doc.Paths.Value(path).Operations() {
					res := op.Responses.Value("200")
					if res == nil {
						continue
					}
					for _, s := range res.Value.Content["application/json"].Schema.Value.AllOf {
						if s.Value.Properties["createdAt"] != nil {
							s.Value.Properties["createdAt"] = &openapi3.SchemaRef{Value: openapi3.NewInt64Schema()}
						}
					}
				}
			}
		},
	},
	{
		file:   "openapi-v1.json",
		reason: "the look and feel of a space can be set to 'theme', which the answer that tells it does not list",
		apply: func(t *testing.T, doc *openapi3.T) {
			s := doc.Components.Schemas["LookAndFeelSettings"]
			if s == nil {
				t.Fatal("LookAndFeelSettings is gone from the document")
			}
			s.Value.Properties["selected"].Value.Enum = append(s.Value.Properties["selected"].Value.Enum, "theme")
		},
	},
	{
		file:   "openapi-v1-2021-removed.json",
		reason: "the words that location takes stand at the list, not at its items",
		apply: func(_ *testing.T, doc *openapi3.T) {
			for _, item := range doc.Paths.Map() {
				for _, op := range item.Operations() {
					for _, p := range op.Parameters {
						if p.Value != nil && p.Value.Name == "location" && p.Value.Schema != nil {
							p.Value.Schema.Value.Enum = nil
						}
					}
				}
			}
		},
	},
	{
		file:   "openapi-v1-2021-removed.json",
		reason: "the default of status is a list inside a list of words",
		apply: func(_ *testing.T, doc *openapi3.T) {
			dropDefault(doc, "status")
		},
	},
}

func nullable(names ...string) func(*testing.T, *openapi3.T) {
	return func(_ *testing.T, doc *openapi3.T) {
		eachSchema(doc, func(s *openapi3.Schema) {
			for _, n := range names {
				p := s.Properties[n]
				if p == nil || p.Value == nil {
					continue
				}
				own := *p.Value
				own.Nullable = true
				if len(own.Enum) > 0 {
					own.Enum = append(append([]any{}, own.Enum...), nil)
				}
				s.Properties[n] = &openapi3.SchemaRef{Value: &own}
			}
		})
	}
}

func dropDefault(doc *openapi3.T, param string) {
	for _, item := range doc.Paths.Map() {
		for _, op := range item.Operations() {
			for _, p := range op.Parameters {
				if p.Value != nil && p.Value.Name == param && p.Value.Schema != nil {
					p.Value.Schema.Value.Default = nil
				}
			}
		}
	}
}

// eachSchema visits every schema of a document once.
func eachSchema(doc *openapi3.T, f func(*openapi3.Schema)) {
	seen := map[*openapi3.Schema]bool{}
	var walk func(*openapi3.SchemaRef)
	walk = func(r *openapi3.SchemaRef) {
		if r == nil || r.Value == nil || seen[r.Value] {
			return
		}
		s := r.Value
		seen[s] = true
		f(s)
		for _, p := range s.Properties {
			walk(p)
		}
		walk(s.Items)
		for _, list := range []openapi3.SchemaRefs{s.AllOf, s.AnyOf, s.OneOf} {
			for _, x := range list {
				walk(x)
			}
		}
	}
	for _, s := range doc.Components.Schemas {
		walk(s)
	}
	for _, item := range doc.Paths.Map() {
		for _, op := range item.Operations() {
			if op.RequestBody != nil && op.RequestBody.Value != nil {
				for _, m := range op.RequestBody.Value.Content {
					walk(m.Schema)
				}
			}
			for _, res := range op.Responses.Map() {
				if res.Value != nil {
					for _, m := range res.Value.Content {
						walk(m.Schema)
					}
				}
			}
		}
	}
	for _, b := range doc.Components.RequestBodies {
		if b.Value != nil {
			for _, m := range b.Value.Content {
				walk(m.Schema)
			}
		}
	}
}

// textIDs makes the path parameters called id of the paths below a prefix text.
func textIDs(prefix string) func(*testing.T, *openapi3.T) {
	return func(_ *testing.T, doc *openapi3.T) {
		for path, item := range doc.Paths.Map() {
			if !strings.HasPrefix(path, prefix) {
				continue
			}
			for _, op := range item.Operations() {
				for _, p := range op.Parameters {
					if p.Value != nil && p.Value.In == "path" && p.Value.Name == "id" {
						p.Value.Schema = openapi3.NewStringSchema().NewRef()
					}
				}
			}
		}
	}
}

func pathPattern(name, pattern string) func(*testing.T, *openapi3.T) {
	return func(_ *testing.T, doc *openapi3.T) {
		for _, item := range doc.Paths.Map() {
			for _, op := range item.Operations() {
				for _, p := range op.Parameters {
					if p.Value != nil && p.Value.In == "path" && p.Value.Name == name {
						p.Value.Schema.Value.Pattern = pattern
					}
				}
			}
		}
	}
}
