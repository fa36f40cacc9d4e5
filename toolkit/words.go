package toolkit

import (
	"encoding/json"
	"fmt"
	"strings"
)

// String names the types in words: "a string", "an integer or null".
func (t types) String() string {
	var words []string
	for _, one := range []struct {
		bit  types
		name string
	}{
		{typeObject, "an object"},
		{typeArray, "an array"},
		{typeString, "a string"},
		{typeInteger, "an integer"},
		{typeNumber, "a number"},
		{typeBoolean, "a boolean"},
		{typeNull, "null"},
	} {
		if t&one.bit != 0 {
			words = append(words, one.name)
		}
	}
	return strings.Join(words, " or ")
}

// kindOf names a JSON value's type in words.
func kindOf(v any) string {
	switch v.(type) {
	case nil:
		return "null"
	case bool:
		return "a boolean"
	case string:
		return "a string"
	case json.Number:
		return "a number"
	case []any:
		return "an array"
	}
	return "an object"
}

// wanted says what a missing property should be, after the separator.
func (c *checker) wanted(sep string) string {
	if c == nil || (c.types == typeAny && c.enum == nil) {
		return ""
	}
	if c.enum != nil {
		return sep + "one of " + enumText(c.enum)
	}
	return sep + c.types.String()
}

func enumText(enum []any) string {
	words := make([]string, 0, len(enum))
	for _, e := range enum {
		words = append(words, fmt.Sprint(e))
	}
	return strings.Join(words, ", ")
}

// notListed says which values are allowed and which one may have been meant.
func (c *checker) notListed(v any) string {
	msg := "expected one of " + enumText(c.enum)
	s, ok := v.(string)
	if !ok {
		return msg
	}
	var names []string
	for _, e := range c.enum {
		if name, ok := e.(string); ok {
			names = append(names, name)
		}
	}
	if near := nearest(s, names); near != "" {
		msg += fmt.Sprintf("; did you mean %q?", near)
	}
	return msg
}

// unknownArgument says which argument may have been meant and which there are.
func unknownArgument(name string, known []string) string {
	if len(known) == 0 {
		return "unknown argument; none is expected here"
	}
	msg := "unknown argument"
	if near := nearest(name, known); near != "" {
		msg += fmt.Sprintf(", did you mean %q?", near)
	}
	return msg + " (expected: " + strings.Join(known, ", ") + ")"
}

// nearest gives the known name that was most probably meant, or "".
func nearest(name string, known []string) string {
	if len(name) > 100 {
		return ""
	}
	best, bestCost := "", 1000
	plain := fold(name)
	for _, k := range known {
		p := fold(k)
		cost := distance(plain, p)
		limit := max(len(p)/4, 1)
		switch {
		case cost <= limit:
		case len(p) > 1 && len(plain) > 1 && (strings.HasSuffix(plain, p) || strings.HasSuffix(p, plain) || strings.HasPrefix(plain, p) || strings.HasPrefix(p, plain)):
			cost += 100 // "pageId" for "id": weaker than a slip of the pen
		default:
			continue
		}
		if cost < bestCost {
			best, bestCost = k, cost
		}
	}
	return best
}

// fold makes space_id, spaceId and SPACE-ID equal.
func fold(s string) string {
	return strings.ToLower(strings.NewReplacer("_", "", "-", "", " ", "").Replace(s))
}

// distance counts the edits from a to b: insert, delete, replace, swap of neighbours.
func distance(a, b string) int {
	prev2, prev, cur := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range prev {
		prev[j] = j
	}
	for i := 1; i <= len(a); i++ {
		cur[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			cur[j] = min(prev[j]+1, cur[j-1]+1, prev[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				cur[j] = min(cur[j], prev2[j-2]+1)
			}
		}
		prev2, prev, cur = prev, cur, prev2
	}
	return prev[len(b)]
}

// namesThing says whether a property's name means an id or a key: id, ids,
// pageId, page_ids, spaceID, key, spaceKey.
func namesThing(name string) bool {
	for _, end := range []string{"id", "ids", "key", "keys"} {
		if strings.EqualFold(name, end) || strings.HasSuffix(name, "_"+end) || strings.HasSuffix(name, "-"+end) {
			return true
		}
	}
	for _, end := range []string{"Id", "Ids", "ID", "IDs", "Key", "Keys"} {
		if strings.HasSuffix(name, end) {
			return true
		}
	}
	return false
}
