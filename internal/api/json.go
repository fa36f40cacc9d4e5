package api

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"

	"github.com/danielgtaylor/huma/v2"
)

// jsonFormat reads and writes bodies. huma reads a body twice: as plain values
// to validate them, then into the operation's type.
var jsonFormat = huma.Format{
	Marshal: func(w io.Writer, v any) error {
		enc := json.NewEncoder(w)
		enc.SetEscapeHTML(false)
		return enc.Encode(v)
	},
	Unmarshal: func(data []byte, v any) error {
		if err := json.Unmarshal(data, v); err != nil {
			return whereMalformed(err)
		}
		if plain, ok := v.(*any); ok {
			*plain = withoutNulls(*plain)
			if *plain == nil {
				*plain = map[string]any{}
			}
		}
		return nil
	},
}

// whereMalformed says where a body stops being JSON, without quoting it.
func whereMalformed(err error) error {
	var syntax *json.SyntaxError
	if errors.As(err, &syntax) {
		return fmt.Errorf("malformed JSON at byte %d: %s", syntax.Offset, syntax.Error())
	}
	var mistyped *json.UnmarshalTypeError
	if errors.As(err, &mistyped) {
		return fmt.Errorf("%s: expected %s, got %s (at byte %d)", mistyped.Field, mistyped.Type, mistyped.Value, mistyped.Offset)
	}
	return err
}

// withoutNulls drops null members: where the contract lets a field be absent it
// may be null as well.
func withoutNulls(v any) any {
	switch v := v.(type) {
	case map[string]any:
		for k, e := range v {
			if e == nil {
				delete(v, k)
				continue
			}
			v[k] = withoutNulls(e)
		}
	case []any:
		for i, e := range v {
			v[i] = withoutNulls(e)
		}
	}
	return v
}

// given is a field that may be absent, null or set: a change of a session
// treats the three differently.
type given[T any] struct {
	Present, Null bool
	Value         T
}

// UnmarshalJSON is called only for fields that are there.
func (g *given[T]) UnmarshalJSON(data []byte) error {
	g.Present = true
	if bytes.Equal(bytes.TrimSpace(data), []byte("null")) {
		g.Null = true
		return nil
	}
	return json.Unmarshal(data, &g.Value)
}

// Schema shows the field as its value.
func (given[T]) Schema(r huma.Registry) *huma.Schema {
	t := reflect.TypeFor[T]()
	return r.Schema(t, true, t.Name())
}

// set gives the value when there is one.
func (g given[T]) set() bool { return g.Present && !g.Null }

// object is any JSON object, kept as it came.
type object json.RawMessage

// Schema says that it is an object.
func (object) Schema(huma.Registry) *huma.Schema {
	return &huma.Schema{Type: huma.TypeObject, AdditionalProperties: true}
}

// MarshalJSON gives {} for none.
func (o object) MarshalJSON() ([]byte, error) {
	if len(o) == 0 {
		return []byte("{}"), nil
	}
	return o, nil
}

// UnmarshalJSON keeps the bytes.
func (o *object) UnmarshalJSON(data []byte) error {
	if bytes.Equal(bytes.TrimSpace(data), []byte("null")) {
		*o = nil
		return nil
	}
	*o = append((*o)[:0], data...)
	return nil
}

// empty says whether o is absent or {}.
func (o object) empty() bool {
	var m map[string]json.RawMessage
	return len(o) == 0 || (json.Unmarshal(o, &m) == nil && len(m) == 0)
}

// stringOrList reads "a" and ["a", "b"] alike.
type stringOrList []string

// UnmarshalJSON reads either form.
func (l *stringOrList) UnmarshalJSON(data []byte) error {
	var one string
	if json.Unmarshal(data, &one) == nil {
		if one != "" {
			*l = stringOrList{one}
		}
		return nil
	}
	var many []string
	if err := json.Unmarshal(data, &many); err != nil {
		return errors.New("expected a string or a list of strings")
	}
	*l = many
	return nil
}

// Schema leaves the form open: the two forms are told apart when reading.
func (stringOrList) Schema(huma.Registry) *huma.Schema {
	return &huma.Schema{Description: "A string or a list of strings"}
}
