package execute

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"sync"
	"unicode"

	"github.com/sluice-run/sluice/internal/policy"
	"github.com/sluice-run/sluice/toolkit"
)

// Keep says what of its arguments is kept with a call's record.
type Keep string

// What can be kept. Whatever is, the values of secret arguments and the content
// and handles of files are not; and there is a bound on the whole.
const (
	KeepRedacted Keep = "redacted" // texts to a short length, as the schema describes them; the default
	KeepFull     Keep = "full"     // texts to maxText
	KeepNone     Keep = "none"     // nothing but size and digest
)

// Bounds of what is kept.
const (
	maxKept     = 16 << 10 // bytes of one record
	maxText     = 8 << 10  // bytes of a text with KeepFull
	shortText   = 200      // bytes of a text that the schema describes
	unknownText = 64       // bytes of a text that the schema says nothing of
	maxItems    = 50       // of a list or object
	maxDepth    = 10
)

// hidden stands for a value that is not kept.
const hidden = "[hidden]"

// argShape is what a schema says of one value, as far as records care. nil: it says
// nothing.
type argShape struct {
	secret  bool
	file    bool // an object that names a file
	members map[string]*argShape
	items   *argShape
}

// schema is what is read of a JSON Schema.
type schema struct {
	Type       any                        `json:"type"`
	Format     string                     `json:"format"`
	Encoding   string                     `json:"contentEncoding"`
	WriteOnly  bool                       `json:"writeOnly"`
	Secret     bool                       `json:"secret"`
	XSecret    bool                       `json:"x-secret"`
	XSensitive bool                       `json:"x-sensitive"`
	File       bool                       `json:"file_uploadable"`
	Properties map[string]json.RawMessage `json:"properties"`
	Items      json.RawMessage            `json:"items"`
	AnyOf      []json.RawMessage          `json:"anyOf"`
	OneOf      []json.RawMessage          `json:"oneOf"`
	AllOf      []json.RawMessage          `json:"allOf"`
	Additional json.RawMessage            `json:"additionalProperties"`
}

// others is the name under which an object's shape keeps what further members
// are; no argument has it, since it is no text that JSON could hold.
const others = "\xff"

func shapeOf(raw json.RawMessage, depth int) *argShape {
	var s schema
	if len(raw) == 0 || depth > maxDepth || json.Unmarshal(raw, &s) != nil {
		return nil
	}
	out := &argShape{
		secret: s.WriteOnly || s.Secret || s.XSecret || s.XSensitive || s.Format == "password" ||
			s.Format == "binary" || s.Format == "byte" || s.Encoding != "",
		file: s.File,
	}
	for name, p := range s.Properties {
		out.put(name, shapeOf(p, depth+1))
	}
	if more := shapeOf(s.Additional, depth+1); more != nil {
		out.put(others, more)
	}
	out.items = shapeOf(s.Items, depth+1)
	for _, p := range slices.Concat(s.AnyOf, s.OneOf, s.AllOf) {
		out.join(shapeOf(p, depth+1))
	}
	return out
}

func (a *argShape) put(name string, member *argShape) {
	if a.members == nil {
		a.members = map[string]*argShape{}
	}
	if was := a.members[name]; was != nil {
		was.join(member)
		return
	}
	a.members[name] = member
}

// join adds what an alternative says: a value that one of them hides is hidden.
func (a *argShape) join(b *argShape) {
	if b == nil {
		return
	}
	a.secret, a.file = a.secret || b.secret, a.file || b.file
	for name, m := range b.members {
		a.put(name, m)
	}
	if a.items == nil {
		a.items = b.items
	} else {
		a.items.join(b.items)
	}
}

// shapes keeps what was read of tools' schemas, by tool. Imported toolkits come
// and go: when there are too many, it begins anew.
type shapes struct {
	mu sync.RWMutex
	of map[*toolkit.Tool]*argShape
}

const maxShapes = 10_000

func (s *shapes) get(t *toolkit.Tool) *argShape {
	if t == nil {
		return nil
	}
	s.mu.RLock()
	shape, ok := s.of[t]
	s.mu.RUnlock()
	if ok {
		return shape
	}
	shape = shapeOf(t.Input, 0)
	if t.Slug == policy.MultiExecute && shape != nil { // each call of it has its own record
		if tools := shape.members["tools"]; tools != nil && tools.items != nil {
			tools.items.put("arguments", &argShape{secret: true})
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.of == nil || len(s.of) >= maxShapes {
		s.of = map[*toolkit.Tool]*argShape{}
	}
	s.of[t] = shape
	return shape
}

// secretNames are in the names of arguments that are secret whatever the schema
// says, in small letters and without - and _; pageName is of those that only look
// so.
var (
	secretNames = []string{
		"passwd", "password", "passphrase", "secret", "credential", "authorization", "cookie", "apikey", "privatekey", "token", "s3key",
	}
	pageName = regexp.MustCompile(`(?i)(page|next|sync|cursor|continuation|start|max|count|num)[-_]?tokens?|tokens?[-_]?(limit|count|budget)`)
)

func secretName(name string) bool {
	folded := strings.Map(func(c rune) rune {
		if c == '-' || c == '_' {
			return -1
		}
		return unicode.ToLower(c)
	}, name)
	return slices.ContainsFunc(secretNames, func(s string) bool { return strings.Contains(folded, s) }) && !pageName.MatchString(name)
}

// secretText is what looks like a secret in any text: headers, keys, tokens of
// known forms, and user:password@ of addresses. secretSigns is what each match of
// it has: most texts have none, and need no long look.
var (
	secretText  = regexp.MustCompile(`\b((?i:bearer|basic)[ :"=]+)[0-9A-Za-z._~+/=-]{8,}|\b(?:ATATT|ATCTT|ak_|sk-|xox[a-z]-|gh[pousr]_|github_pat_|AKIA|eyJ)[0-9A-Za-z._~+/=-]{12,}|://[^/\s@]{1,200}@|-----BEGIN [A-Z ]*PRIVATE KEY-----[^-]*`)
	secretSigns = []string{"ATATT", "ATCTT", "ak_", "sk-", "xox", "ghp_", "gho_", "ghu_", "ghs_", "ghr_", "github_pat_", "AKIA", "eyJ", "://", "-----BEGIN"}
)

func masked(text string) string {
	signed := func(s string) bool { return strings.Contains(text, s) }
	if !slices.ContainsFunc(secretSigns, signed) {
		small := strings.ToLower(text)
		if !strings.Contains(small, "bearer") && !strings.Contains(small, "basic") {
			return text
		}
	}
	return secretText.ReplaceAllString(text, "${1}"+hidden)
}

// redactor writes what is kept of one call's arguments.
type redactor struct {
	full bool
	left int // bytes
}

// redact gives what is kept of arguments, as a JSON object; nil for nothing.
func redact(keep Keep, args any, shape *argShape) json.RawMessage {
	if keep == KeepNone || args == nil {
		return nil
	}
	r := &redactor{full: keep == KeepFull, left: maxKept}
	out, ok := r.value(args, shape, 0).(map[string]any)
	if !ok || len(out) == 0 {
		return nil
	}
	raw, err := json.Marshal(out)
	if err != nil { // it was JSON
		return nil
	}
	if len(raw) > 2*maxKept { // of signs that JSON spells long
		return json.RawMessage(`{"…":"[too long to keep]"}`)
	}
	return raw
}

func (r *redactor) value(v any, shape *argShape, depth int) any {
	if shape != nil && shape.secret {
		return r.spend(hidden)
	}
	switch v := v.(type) {
	case map[string]any:
		return r.object(v, shape, depth)
	case []any:
		return r.list(v, shape, depth)
	case string:
		return r.text(v, shape)
	case json.Number:
		return r.spend(json.Number(clip(v.String(), shortText)))
	}
	r.left -= 5
	return v // true, false, null
}

func (r *redactor) object(m map[string]any, shape *argShape, depth int) any {
	if depth >= maxDepth {
		return r.spend(fmt.Sprintf("[%d members]", len(m)))
	}
	names := make([]string, 0, len(m))
	for name := range m {
		names = append(names, name)
	}
	slices.Sort(names)
	out := make(map[string]any, min(len(names), maxItems))
	for i, name := range names {
		if i >= maxItems || r.left <= 0 {
			out["…"] = fmt.Sprintf("[%d more]", len(names)-i)
			break
		}
		member := shape.member(name)
		shown := masked(clip(name, unknownText))
		r.left -= len(shown) + 4
		if (shape != nil && shape.file && name != "name" && name != "mimetype") || secretName(name) {
			out[shown] = r.spend(hidden)
			continue
		}
		out[shown] = r.value(m[name], member, depth+1)
	}
	return out
}

func (a *argShape) member(name string) *argShape {
	if a == nil {
		return nil
	}
	if m, ok := a.members[name]; ok {
		return m
	}
	return a.members[others]
}

func (r *redactor) list(l []any, shape *argShape, depth int) any {
	if depth >= maxDepth {
		return r.spend(fmt.Sprintf("[%d items]", len(l)))
	}
	var item *argShape
	if shape != nil {
		item = shape.items
	}
	out := make([]any, 0, min(len(l), maxItems))
	for i, v := range l {
		if i >= maxItems || r.left <= 0 {
			out = append(out, fmt.Sprintf("[%d more]", len(l)-i))
			break
		}
		r.left--
		out = append(out, r.value(v, item, depth+1))
	}
	return out
}

// text keeps the beginning of a text.
func (r *redactor) text(s string, shape *argShape) any {
	most := unknownText
	switch {
	case r.full:
		most = maxText
	case shape != nil:
		most = shortText
	}
	most = max(0, min(most, r.left))
	// Masked before it is cut: half a token is still one.
	kept := masked(clip(s, most+256))
	if len(s) <= most {
		return r.spend(kept)
	}
	return r.spend(clip(kept, most) + fmt.Sprintf("… [%d bytes in all]", len(s)))
}

func (r *redactor) spend(v any) any {
	switch t := v.(type) {
	case string:
		r.left -= len(t) + 2
	case json.Number:
		r.left -= len(t)
	}
	return v
}

// printable keeps what upstream gave as an id to visible characters.
func printable(s string) string {
	return clip(strings.Map(func(c rune) rune {
		if c <= ' ' || c > '~' {
			return -1
		}
		return c
	}, clip(s, 512)), 128)
}
