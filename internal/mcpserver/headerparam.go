package mcpserver

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

// headerParam is an argument that a client repeats in a header, so that
// gateways can route by it (MCP 2026-07-28, x-mcp-header).
type headerParam struct {
	path   []string // of property names
	header string   // whole header name
}

type headerSchema struct {
	Type       any                     `json:"type"`
	Header     any                     `json:"x-mcp-header"`
	Properties map[string]headerSchema `json:"properties"`
}

// headerParams finds the arguments that a schema asks to be repeated, in the
// order of their paths.
func headerParams(schema json.RawMessage) []headerParam {
	if !strings.Contains(string(schema), "x-mcp-header") {
		return nil
	}
	var root headerSchema
	if json.Unmarshal(schema, &root) != nil {
		return nil
	}
	found := collectHeaders(root.Properties, nil)
	slices.SortFunc(found, func(a, b headerParam) int { return slices.Compare(a.path, b.path) })
	return found
}

func collectHeaders(props map[string]headerSchema, above []string) []headerParam {
	var found []headerParam
	for name, p := range props {
		path := append(slices.Clone(above), name)
		if h, ok := p.Header.(string); ok && h != "" {
			found = append(found, headerParam{path: path, header: "Mcp-Param-" + h})
		}
		found = append(found, collectHeaders(p.Properties, path)...)
	}
	return found
}

// checkHeaders compares a call's headers with its arguments. The error says
// which header is at fault.
func checkHeaders(params []headerParam, h http.Header, args json.RawMessage) error {
	for _, p := range params {
		value, present := argument(args, p.path)
		header := h.Get(p.header)
		where := strings.Join(p.path, ".")
		if !present {
			if len(h.Values(p.header)) > 0 {
				return fmt.Errorf("header %s is there, but the argument %q is not", p.header, where)
			}
			continue
		}
		if len(h.Values(p.header)) == 0 {
			return fmt.Errorf("header %s is missing: it must repeat the argument %q", p.header, where)
		}
		text, ok := decodeHeader(header)
		if !ok {
			return fmt.Errorf("header %s is not valid base64", p.header)
		}
		if !sameValue(text, value) {
			return fmt.Errorf("header %s does not repeat the argument %q", p.header, where)
		}
	}
	return nil
}

// argument finds the value at a path; null counts as absent.
func argument(args json.RawMessage, path []string) (value any, present bool) {
	for i, name := range path {
		members, ok := object(args)
		if !ok {
			return nil, false
		}
		raw, ok := members[name]
		if !ok {
			return nil, false
		}
		if i < len(path)-1 {
			args = raw
			continue
		}
		if json.Unmarshal(raw, &value) != nil {
			return nil, false
		}
	}
	return value, value != nil
}

// decodeHeader undoes the encoding of values that a header cannot carry.
func decodeHeader(v string) (string, bool) {
	inner, ok := strings.CutPrefix(v, "=?base64?")
	if !ok {
		return v, true
	}
	if inner, ok = strings.CutSuffix(inner, "?="); !ok {
		return v, true
	}
	text, err := base64.StdEncoding.DecodeString(inner)
	return string(text), err == nil
}

// maxSafe bounds the integers that every JSON reader keeps.
const maxSafe = 1<<53 - 1

func sameValue(text string, value any) bool {
	switch v := value.(type) {
	case string:
		return text == v
	case bool:
		return text == strconv.FormatBool(v)
	case float64:
		n, err := strconv.ParseFloat(text, 64)
		return err == nil && n == v && v == math.Trunc(v) && math.Abs(v) <= maxSafe
	}
	return false
}

// declaredHeaders gives those of h that a tool's schema declares.
func declaredHeaders(params []headerParam, h http.Header) http.Header {
	if len(params) == 0 || h == nil {
		return nil
	}
	out := http.Header{}
	for _, p := range params {
		if v := h.Values(p.header); len(v) > 0 {
			out[http.CanonicalHeaderKey(p.header)] = slices.Clone(v)
		}
	}
	return out
}
