package offline

import (
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"unicode"
)

// schema is as much of a JSON Schema as filling in arguments takes.
type schema struct {
	Type        any               `json:"type"`
	Description string            `json:"description"`
	Properties  map[string]schema `json:"properties"`
	Required    []string          `json:"required"`
	Items       *schema           `json:"items"`
	Enum        []any             `json:"enum"`
	Default     any               `json:"default"`
	Maximum     *float64          `json:"maximum"`
	AnyOf       []schema          `json:"anyOf"`
}

func parseSchema(raw json.RawMessage) schema {
	var s schema
	_ = json.Unmarshal(raw, &s) // a schema that cannot be read has no properties
	return s
}

func (s schema) is(typ string) bool {
	switch t := s.Type.(type) {
	case string:
		return t == typ
	case []any:
		return slices.Contains(t, any(typ))
	}
	return slices.ContainsFunc(s.AnyOf, func(o schema) bool { return o.is(typ) })
}

// has: a property of this name, and type where one is given.
func (s schema) has(name, typ string) bool {
	p, ok := s.Properties[name]
	return ok && (typ == "" || p.is(typ))
}

// role is what an argument means.
type role string

const (
	roleID     role = "id"     // of the page or blog post in hand
	roleSpace  role = "space"  // the space
	roleTitle  role = "title"  // of what is made or looked for
	roleBody   role = "body"   // the text
	roleParent role = "parent" // page above
	roleLabels role = "labels"
	roleQuery  role = "query" // words to search for
	roleCQL    role = "cql"   // a query in Confluence Query Language
	roleLimit  role = "limit"
	roleCursor role = "cursor"
)

// roles by the words of a property's name. The first that fits counts.
func roleOf(name, kind string) role {
	w := splitName(name)
	has := func(words ...string) bool {
		return slices.ContainsFunc(words, func(s string) bool { return slices.Contains(w, s) })
	}
	last := ""
	if len(w) > 0 {
		last = w[len(w)-1]
	}
	switch {
	case slices.Equal(w, []string{"cql"}):
		return roleCQL
	case has("cursor"):
		return roleCursor
	case has("limit") || slices.Equal(w, []string{"max", "results"}) || slices.Equal(w, []string{"page", "size"}):
		return roleLimit
	case has("query", "q", "keywords") || slices.Equal(w, []string{"text"}) && kind == "search":
		return roleQuery
	case has("parent") && !has("comment"):
		return roleParent
	case has("space") && (len(w) == 1 || last == "id" || last == "key"):
		return roleSpace
	case slices.Equal(w, []string{"title"}) || slices.Equal(w, []string{"name"}) && kind != "label":
		return roleTitle
	case has("body", "content", "text", "markdown") && last != "id" && last != "format" && last != "type":
		return roleBody
	case has("labels", "label", "tags"):
		return roleLabels
	case slices.Equal(w, []string{"id"}) || slices.Equal(w, []string{"content", "id"}):
		return roleID
	case slices.Equal(w, []string{"page", "id"}) && kind != "blogpost", slices.Equal(w, []string{"blogpost", "id"}) && kind != "page":
		return roleID
	}
	return ""
}

// splitName makes words of spaceId, space_id, space-id.
func splitName(name string) []string {
	var words []string
	word := ""
	flush := func() {
		if word != "" {
			words = append(words, strings.ToLower(word))
			word = ""
		}
	}
	runes := []rune(name)
	for i, r := range runes {
		switch {
		case r == '_' || r == '-' || r == ' ':
			flush()
		case unicode.IsUpper(r) && i > 0 && unicode.IsLower(runes[i-1]):
			flush()
			word = string(r)
		default:
			word += string(r)
		}
	}
	flush()
	joined := strings.ReplaceAll(strings.Join(words, " "), "blog post", "blogpost")
	return strings.Fields(joined)
}

// values are what is known, by meaning. Space and parents are items, so that
// id or key can be given as the schema wants.
type values struct {
	kind   string // page, blogpost, label, search …
	id     string
	space  *item
	title  string
	html   *string
	parent *item
	labels []string
	query  string
	cql    string
	limit  int
	cursor string
}

// fill makes arguments for a tool. missing names required arguments that have
// no value; unplaced names values that the tool has no place for.
func fill(s schema, v values) (args map[string]any, missing []string, unplaced []role) {
	args = map[string]any{}
	placed := map[role]bool{}
	for _, name := range s.order() {
		p := s.Properties[name]
		r := roleOf(name, v.kind)
		if placed[r] && r != "" {
			continue
		}
		if value, ok := v.value(r, name, p); ok {
			args[name], placed[r] = value, true
		}
	}
	for _, name := range s.Required {
		if _, ok := args[name]; ok {
			continue
		}
		p := s.Properties[name]
		switch {
		case p.Default != nil:
			args[name] = p.Default
		case len(p.Enum) == 1:
			args[name] = p.Enum[0]
		default:
			missing = append(missing, name)
		}
	}
	for _, r := range v.given() {
		if !placed[r] {
			unplaced = append(unplaced, r)
		}
	}
	return args, missing, unplaced
}

// order is required properties first, then the others by name.
func (s schema) order() []string {
	var rest []string
	for name := range s.Properties {
		if !slices.Contains(s.Required, name) {
			rest = append(rest, name)
		}
	}
	slices.Sort(rest)
	return append(slices.Clone(s.Required), rest...)
}

func (v values) given() []role {
	var out []role
	add := func(r role, given bool) {
		if given {
			out = append(out, r)
		}
	}
	add(roleID, v.id != "")
	add(roleSpace, v.space != nil)
	add(roleTitle, v.title != "")
	add(roleBody, v.html != nil)
	add(roleParent, v.parent != nil)
	add(roleLabels, len(v.labels) > 0)
	add(roleQuery, v.query != "")
	add(roleCQL, v.cql != "")
	return out
}

func (v values) value(r role, name string, p schema) (any, bool) {
	switch r {
	case roleID:
		return scalar(v.id, p)
	case roleSpace:
		if v.space == nil {
			return nil, false
		}
		id := v.space.ID
		if w := splitName(name); w[len(w)-1] == "key" || id == "" {
			id = v.space.Key
		}
		return scalar(id, p)
	case roleTitle:
		return scalar(v.title, p)
	case roleParent:
		if v.parent == nil {
			return nil, false
		}
		return scalar(v.parent.ID, p)
	case roleBody:
		if v.html == nil {
			return nil, false
		}
		return bodyValue(*v.html, p)
	case roleLabels:
		return labelValue(v.labels, p)
	case roleQuery:
		return scalar(v.query, p)
	case roleCQL:
		return scalar(v.cql, p)
	case roleCursor:
		return scalar(v.cursor, p)
	case roleLimit:
		n := v.limit
		if p.Maximum != nil && float64(n) > *p.Maximum {
			n = int(*p.Maximum)
		}
		return n, n > 0
	}
	return nil, false
}

// scalar gives text as a string or, where the schema wants one, as a number or
// a list of one.
func scalar(text string, p schema) (any, bool) {
	switch {
	case text == "":
		return nil, false
	case p.is("string") || p.Type == nil:
		return text, true
	case p.is("integer") || p.is("number"):
		n, err := strconv.ParseInt(text, 10, 64)
		return n, err == nil
	case p.is("array") && p.Items != nil:
		one, ok := scalar(text, *p.Items)
		return []any{one}, ok
	}
	return nil, false
}

// bodyValue puts a text where the schema has a place for it: a plain string,
// {value, representation}, or the same inside an object called storage.
func bodyValue(html string, p schema) (any, bool) {
	if p.is("string") {
		return html, true
	}
	inner := map[string]any{}
	target := p
	storage, nested := p.Properties["storage"]
	if nested && storage.Properties != nil {
		target = storage
	}
	if !target.has("value", "") {
		return nil, false
	}
	inner["value"] = html
	if target.has("representation", "") {
		inner["representation"] = "storage"
	}
	if nested && storage.Properties != nil {
		return map[string]any{"storage": inner}, true
	}
	return inner, true
}

func labelValue(labels []string, p schema) (any, bool) {
	if len(labels) == 0 {
		return nil, false
	}
	if !p.is("array") || p.Items == nil {
		return strings.Join(labels, ","), len(labels) == 1 && p.is("string")
	}
	var out []any
	for _, l := range labels {
		if p.Items.has("name", "") {
			one := map[string]any{"name": l}
			if slices.Contains(p.Items.Required, "prefix") {
				one["prefix"] = "global"
			}
			out = append(out, one)
		} else {
			out = append(out, l)
		}
	}
	return out, true
}
