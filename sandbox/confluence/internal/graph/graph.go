// Package graph turns Go values into JSON and back with their unexported fields.
//
// The sandbox keeps its state in unexported structs that many files add fields
// to. A dump must hold all of them: one forgotten field would be lost silently.
// So the fields are walked, not listed; those that can be computed again carry
// the tag `dump:"-"`.
//
// Structs become objects without their zero fields, maps objects with sorted
// keys, byte slices base64, times RFC 3339. Interfaces, functions and channels
// are errors. Pointers are followed: a value that two pointers share becomes two.
package graph

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"time"
	"unsafe"
)

var (
	timeType = reflect.TypeFor[time.Time]()
	rawType  = reflect.TypeFor[json.RawMessage]()
	byteType = reflect.TypeFor[[]byte]()
)

// maxDepth bounds how deep values nest.
const maxDepth = 1_000

// Marshal gives the JSON of what ptr points to.
func Marshal(ptr any) ([]byte, error) {
	v, err := encode(reflect.ValueOf(ptr).Elem(), 0)
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return nil, fmt.Errorf("writing a dump: %w", err)
	}
	return bytes.TrimRight(b.Bytes(), "\n"), nil
}

// field gives field i of an addressable struct so that it can be read and set.
func field(v reflect.Value, i int) reflect.Value {
	f := v.Field(i)
	return reflect.NewAt(f.Type(), unsafe.Pointer(f.UnsafeAddr())).Elem() //nolint:gosec // the only way to an unexported field
}

func skipped(f reflect.StructField) bool { return f.Tag.Get("dump") == "-" }

func encode(v reflect.Value, depth int) (any, error) {
	if depth > maxDepth {
		return nil, fmt.Errorf("values nest deeper than %d", maxDepth)
	}
	switch v.Type() {
	case timeType, rawType, byteType:
		return v.Interface(), nil
	}
	switch v.Kind() {
	case reflect.Bool, reflect.String, reflect.Int, reflect.Int64, reflect.Int32, reflect.Uint32, reflect.Uint64:
		return v.Interface(), nil
	case reflect.Pointer:
		if v.IsNil() {
			return nil, nil
		}
		return encode(v.Elem(), depth+1)
	case reflect.Slice:
		out := make([]any, 0, v.Len())
		for i := range v.Len() {
			x, err := encode(v.Index(i), depth+1)
			if err != nil {
				return nil, err
			}
			out = append(out, x)
		}
		return out, nil
	case reflect.Map:
		return encodeMap(v, depth)
	case reflect.Struct:
		return encodeStruct(v, depth)
	}
	return nil, fmt.Errorf("a value of type %s cannot be dumped", v.Type())
}

func encodeMap(v reflect.Value, depth int) (any, error) {
	out := make(map[string]any, v.Len())
	for it := v.MapRange(); it.Next(); {
		elem := reflect.New(v.Type().Elem()).Elem() // an addressable copy
		elem.Set(it.Value())
		x, err := encode(elem, depth+1)
		if err != nil {
			return nil, err
		}
		switch k := it.Key(); k.Kind() {
		case reflect.String:
			out[k.String()] = x
		case reflect.Int64:
			out[strconv.FormatInt(k.Int(), 10)] = x
		default:
			return nil, fmt.Errorf("a map with keys of type %s cannot be dumped", k.Type())
		}
	}
	return out, nil
}

func encodeStruct(v reflect.Value, depth int) (any, error) {
	out := map[string]any{}
	for i := range v.NumField() {
		sf := v.Type().Field(i)
		f := field(v, i)
		if skipped(sf) || f.IsZero() {
			continue
		}
		x, err := encode(f, depth+1)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", sf.Name, err)
		}
		out[sf.Name] = x
	}
	return out, nil
}

// Unmarshal sets what ptr points to from the JSON that [Marshal] gave. Fields
// that the JSON does not name keep their values; a name that is no field is an
// error.
func Unmarshal(data []byte, ptr any) error {
	return decode(data, reflect.ValueOf(ptr).Elem(), 0)
}

func decode(data json.RawMessage, v reflect.Value, depth int) error {
	if depth > maxDepth {
		return fmt.Errorf("values nest deeper than %d", maxDepth)
	}
	switch v.Type() {
	case rawType:
		v.SetBytes(slices.Clone(data))
		return nil
	case timeType, byteType:
		return json.Unmarshal(data, v.Addr().Interface())
	}
	switch v.Kind() {
	case reflect.Bool, reflect.String, reflect.Int, reflect.Int64, reflect.Int32, reflect.Uint32, reflect.Uint64:
		return json.Unmarshal(data, v.Addr().Interface())
	case reflect.Pointer:
		if string(data) == "null" {
			v.SetZero()
			return nil
		}
		elem := reflect.New(v.Type().Elem())
		v.Set(elem)
		return decode(data, elem.Elem(), depth+1)
	case reflect.Slice:
		var list []json.RawMessage
		if err := json.Unmarshal(data, &list); err != nil {
			return err
		}
		v.Set(reflect.MakeSlice(v.Type(), len(list), len(list)))
		for i, raw := range list {
			if err := decode(raw, v.Index(i), depth+1); err != nil {
				return err
			}
		}
		return nil
	case reflect.Map:
		return decodeMap(data, v, depth)
	case reflect.Struct:
		return decodeStruct(data, v, depth)
	}
	return fmt.Errorf("a value of type %s cannot be read from a dump", v.Type())
}

func decodeMap(data json.RawMessage, v reflect.Value, depth int) error {
	var m map[string]json.RawMessage
	if err := json.Unmarshal(data, &m); err != nil {
		return err
	}
	v.Set(reflect.MakeMapWithSize(v.Type(), len(m)))
	for name, raw := range m {
		key := reflect.New(v.Type().Key()).Elem()
		if key.Kind() == reflect.String {
			key.SetString(name)
		} else {
			n, err := strconv.ParseInt(name, 10, 64)
			if err != nil {
				return fmt.Errorf("the key %q is not a number", name)
			}
			key.SetInt(n)
		}
		elem := reflect.New(v.Type().Elem()).Elem()
		if err := decode(raw, elem, depth+1); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		v.SetMapIndex(key, elem)
	}
	return nil
}

func decodeStruct(data json.RawMessage, v reflect.Value, depth int) error {
	var m map[string]json.RawMessage
	if err := json.Unmarshal(data, &m); err != nil {
		return err
	}
	for name, raw := range m {
		sf, ok := v.Type().FieldByName(name)
		if !ok || len(sf.Index) != 1 || skipped(sf) {
			return fmt.Errorf("%q is no part of a %s", name, v.Type().Name())
		}
		if err := decode(raw, field(v, sf.Index[0]), depth+1); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return nil
}
