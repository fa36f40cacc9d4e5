package toolkit

import (
	"errors"
	"fmt"
	"net/url"
	"reflect"
	"strconv"
	"strings"
)

// maxSteps bounds how many schemas one value may have to be checked against.
const maxSteps = 10_000

var errLoop = errors.New("the input schema is not usable: it refers to itself without going deeper into the arguments")

// refuseLoops fails for schemas that would be checked against one value without
// end, or against so many schemas that it would take too long. Schemas come
// from other servers: validation must not be a way to stop ours. It gives every
// schema of the document.
func refuseLoops(doc map[string]any) ([]map[string]any, error) {
	l := loopFinder{root: doc, steps: map[uintptr]int{}, anchors: map[string]map[string]any{}}
	if err := l.collect(doc); err != nil {
		return nil, err
	}
	for _, one := range l.all {
		for _, key := range []string{"$ref", "$dynamicRef"} {
			if ref, ok := one[key].(string); ok && l.target(ref) == nil {
				return nil, fmt.Errorf("the input schema is not usable: it refers to %q, which it does not contain", ref)
			}
		}
		if n := l.count(one); n < 0 {
			return nil, errLoop
		} else if n > maxSteps {
			return nil, errors.New("the input schema is not usable: too many alternatives for one value")
		}
	}
	return l.all, nil
}

type loopFinder struct {
	root    map[string]any
	all     []map[string]any
	anchors map[string]map[string]any
	steps   map[uintptr]int // by the map's identity; 0 while being counted
}

// count gives how many schemas a value is checked against when it is checked
// against s, itself included; negative when there is no end.
func (l *loopFinder) count(s map[string]any) int {
	id := reflect.ValueOf(s).Pointer()
	if n, ok := l.steps[id]; ok {
		if n == 0 {
			return -1
		}
		return n
	}
	l.steps[id] = 0
	total := 1
	for _, next := range l.sameValue(s) {
		n := l.count(next)
		if n < 0 {
			return -1
		}
		total = min(total+n, maxSteps+1)
	}
	l.steps[id] = total
	return total
}

// sameValue lists the schemas that are checked against the same value as s.
func (l *loopFinder) sameValue(s map[string]any) []map[string]any {
	var next []map[string]any
	add := func(v any) {
		if m, ok := v.(map[string]any); ok {
			next = append(next, m)
		}
	}
	for _, key := range []string{"$ref", "$dynamicRef"} {
		if ref, ok := s[key].(string); ok {
			if t := l.target(ref); t != nil {
				next = append(next, t)
			}
		}
	}
	for _, key := range []string{"not", "if", "then", "else"} {
		add(s[key])
	}
	for _, key := range []string{"allOf", "anyOf", "oneOf"} {
		list, _ := s[key].([]any)
		for _, v := range list {
			add(v)
		}
	}
	for _, key := range []string{"dependentSchemas", "dependencies"} {
		group, _ := s[key].(map[string]any)
		for _, v := range group {
			add(v)
		}
	}
	return next
}

// collect lists every schema of the document.
func (l *loopFinder) collect(s map[string]any) error {
	l.all = append(l.all, s)
	for _, key := range []string{"$anchor", "$dynamicAnchor", "$id"} {
		name, ok := s[key].(string)
		if !ok {
			continue
		}
		if key != "$id" {
			name = "#" + name
		}
		if _, twice := l.anchors[name]; twice {
			return fmt.Errorf("the input schema is not usable: %q is defined twice", name)
		}
		l.anchors[name] = s
	}
	for key, v := range s {
		var err error
		switch key {
		case "default", "const", "enum", "examples", "required":
		case "properties", "patternProperties", "$defs", "definitions", "dependentSchemas", "dependencies":
			group, _ := v.(map[string]any)
			for _, one := range group {
				err = errors.Join(err, l.collectAny(one))
			}
		default:
			err = l.collectAny(v)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (l *loopFinder) collectAny(v any) error {
	switch v := v.(type) {
	case map[string]any:
		return l.collect(v)
	case []any:
		for _, one := range v {
			if err := l.collectAny(one); err != nil {
				return err
			}
		}
	}
	return nil
}

func (l *loopFinder) target(ref string) map[string]any {
	if ref == "#" {
		return l.root
	}
	if s, ok := l.anchors[ref]; ok {
		return s
	}
	pointer, ok := strings.CutPrefix(ref, "#/")
	if !ok {
		return nil
	}
	var at any = l.root
	for part := range strings.SplitSeq(pointer, "/") {
		if plain, err := url.PathUnescape(part); err == nil {
			part = plain
		}
		part = strings.ReplaceAll(strings.ReplaceAll(part, "~1", "/"), "~0", "~")
		switch v := at.(type) {
		case map[string]any:
			at = v[part]
		case []any:
			i, err := strconv.Atoi(part)
			if err != nil || i < 0 || i >= len(v) {
				return nil
			}
			at = v[i]
		default:
			return nil
		}
	}
	s, _ := at.(map[string]any)
	return s
}
