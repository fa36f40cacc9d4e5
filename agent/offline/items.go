package offline

import (
	"encoding/json"
	"fmt"
	"strings"
)

// item is a thing that a result tells of: a page, a blog post, a space, a
// label, a comment.
type item struct {
	ID        string `json:"id,omitempty"`
	Key       string `json:"key,omitempty"`
	Title     string `json:"title,omitempty"`
	Kind      string `json:"kind,omitempty"` // page, blogpost, space …
	URL       string `json:"url,omitempty"`
	SpaceID   string `json:"space_id,omitempty"`
	SpaceName string `json:"space_name,omitempty"`
	Modified  string `json:"modified,omitempty"`
	Excerpt   string `json:"-"`
	Body      string `json:"-"`
}

// listOf reads the rows of a result: a list in results, items, data or the
// like, or the list itself.
func listOf(data json.RawMessage, kind string) (items []item, cursor string) {
	var rows []json.RawMessage
	var object map[string]json.RawMessage
	if json.Unmarshal(data, &rows) != nil && json.Unmarshal(data, &object) == nil {
		for _, name := range []string{"results", "items", "values", "pages", "spaces", "blogposts", "labels", "comments", "data"} {
			if json.Unmarshal(object[name], &rows) == nil {
				break
			}
		}
		for _, name := range []string{"next_cursor", "nextCursor", "cursor"} {
			if json.Unmarshal(object[name], &cursor) == nil && cursor != "" {
				break
			}
		}
	}
	for _, row := range rows {
		if it, ok := itemOf(row, kind); ok {
			items = append(items, it)
		}
	}
	return items, cursor
}

// itemOf reads one object. A search result holds its content one level down.
func itemOf(data json.RawMessage, kind string) (item, bool) {
	var o map[string]any
	if json.Unmarshal(data, &o) != nil {
		return item{}, false
	}
	it := fieldsOf(o)
	for _, name := range []string{"content", "space"} {
		inner, ok := o[name].(map[string]any)
		if !ok {
			continue
		}
		in := fieldsOf(inner)
		if it.ID == "" && (name == "content" || it.Kind != "content") {
			it.ID, it.Key, it.Kind = in.ID, in.Key, in.Kind
			if name == "space" {
				it.Kind = "space"
			}
			it.Title = orElse(in.Title, it.Title)
		} else if name == "space" {
			it.SpaceID, it.SpaceName = orElse(it.SpaceID, in.ID), orElse(it.SpaceName, in.Title)
		}
	}
	if it.Kind == "" || it.Kind == "global" || it.Kind == "personal" {
		it.Kind = kind
	}
	return it, it.ID != "" || it.Title != "" || it.Body != ""
}

func fieldsOf(o map[string]any) item {
	it := item{
		ID: text(o["id"]), Key: text(o["key"]), Title: orElse(text(o["title"]), text(o["name"])),
		Kind: strings.ToLower(strings.ReplaceAll(text(o["type"]), "_", "")), URL: text(o["url"]),
		SpaceID: orElse(text(o["spaceId"]), text(o["space_id"])), SpaceName: text(o["space_name"]),
		Modified: orElse(text(o["lastModified"]), text(o["createdAt"])), Excerpt: text(o["excerpt"]),
	}
	if links, ok := o["_links"].(map[string]any); ok && it.URL == "" && text(links["webui"]) != "" {
		if base := text(links["base"]); base != "" {
			it.URL = base + text(links["webui"])
		}
	}
	if v, ok := o["version"].(map[string]any); ok {
		it.Modified = orElse(text(v["createdAt"]), it.Modified)
	}
	it.Body = bodyOf(o["body"])
	return it
}

// bodyOf finds the text in a body, whatever format it is nested under.
func bodyOf(v any) string {
	switch v := v.(type) {
	case string:
		return v
	case map[string]any:
		if s, ok := v["value"].(string); ok {
			return s
		}
		for _, name := range []string{"storage", "export_view", "view"} {
			if s := bodyOf(v[name]); s != "" {
				return s
			}
		}
	}
	return ""
}

func text(v any) string {
	switch v := v.(type) {
	case string:
		return v
	case float64:
		return fmt.Sprintf("%.0f", v)
	}
	return ""
}

func orElse(s, other string) string {
	if s != "" {
		return s
	}
	return other
}

// link shows an item with its address.
func (it item) link() string {
	name := "“" + it.Title + "”"
	if it.URL != "" {
		return fmt.Sprintf("%s (%s)", name, it.URL)
	}
	return name
}

func (it item) noun() string {
	switch it.Kind {
	case "blogpost":
		return "blog post"
	case "":
		return "page"
	}
	return it.Kind
}
