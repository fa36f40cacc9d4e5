package toolkit

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"math/big"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// maxProblems bounds how many problems one answer lists.
const maxProblems = 20

// validate checks args and gives them with defaults filled in. Where a value's
// meaning is beyond doubt it is converted instead of refused: "25" for an
// integer or a number, 123 for a string whose name says that it is an id or a
// key, "true" for a boolean, 10.0 for an integer, and null for an optional
// argument means that it is absent.
func (v *validator) validate(args json.RawMessage) (json.RawMessage, error) {
	args = bytes.TrimSpace(args)
	if len(args) == 0 || string(args) == "null" {
		args = json.RawMessage("{}")
	}
	var value any
	if err := decodeNumbers(args, &value); err != nil {
		return nil, &Error{Kind: KindInvalid, Message: "The arguments are not valid JSON: " + err.Error() + "."}
	}
	object, ok := value.(map[string]any)
	if !ok {
		return nil, &Error{
			Kind:    KindInvalid,
			Message: "The arguments must be a JSON object, not " + kindOf(value) + ".",
		}
	}
	ch := check{}
	v.root.object(&ch, nil, object)
	if len(ch.problems) > 0 {
		return nil, ch.err()
	}
	if v.complete != nil {
		if err := v.judge(object); err != nil {
			return nil, err
		}
	}
	if !ch.changed {
		return args, nil
	}
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(object); err != nil {
		return nil, fmt.Errorf("toolkit: marshal arguments: %w", err)
	}
	return bytes.TrimSuffix(out.Bytes(), []byte("\n")), nil
}

// judge runs the complete implementation.
func (v *validator) judge(object map[string]any) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = &Error{Kind: KindInvalid, Message: "The arguments could not be checked against the input schema.", Cause: fmt.Errorf("%v", p)}
		}
	}()
	if err := v.complete.Validate(plainNumbers(object)); err != nil {
		return &Error{Kind: KindInvalid, Message: "The arguments do not fit the input schema: " + innermost(err), Cause: err}
	}
	return nil
}

// innermost takes the last, most exact part of a chain of "validating x: …".
func innermost(err error) string {
	msg, where := err.Error(), ""
	for {
		rest, ok := strings.CutPrefix(msg, "validating ")
		if !ok {
			break
		}
		at, cause, ok := strings.Cut(rest, ": ")
		if !ok {
			break
		}
		where, msg = at, cause
	}
	if len(msg) > 500 {
		msg = strings.ToValidUTF8(msg[:500], "") + "…"
	}
	if where == "" || where == "root" {
		return msg
	}
	return "at " + where + ": " + msg
}

// plainNumbers copies v with numbers as Go numbers.
func plainNumbers(v any) any {
	switch v := v.(type) {
	case json.Number:
		if n, err := v.Int64(); err == nil {
			return n
		}
		// Beyond the range of float64 this gives infinity; a number as text would
		// cost as much as its exponent says.
		f, _ := v.Float64()
		return max(min(f, math.MaxFloat64), -math.MaxFloat64)
	case map[string]any:
		out := make(map[string]any, len(v))
		for k, e := range v {
			out[k] = plainNumbers(e)
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i, e := range v {
			out[i] = plainNumbers(e)
		}
		return out
	}
	return v
}

// check is one validation: what is wrong so far, and whether a value was
// converted or filled in.
type check struct {
	problems []problem
	more     int
	changed  bool
}

type problem struct{ field, message string }

// path is where in the arguments a value stands, from the leaf up.
type path struct {
	up    *path
	name  string
	index int // of an array, when name is empty
}

func (p *path) String() string {
	if p == nil {
		return ""
	}
	if p.name == "" {
		return p.up.String() + "[" + strconv.Itoa(p.index) + "]"
	}
	if p.up == nil {
		return p.name
	}
	return p.up.String() + "." + p.name
}

func (ch *check) add(at *path, format string, args ...any) {
	if len(ch.problems) == maxProblems {
		ch.more++
		return
	}
	ch.problems = append(ch.problems, problem{at.String(), fmt.Sprintf(format, args...)})
}

// err gives all problems as one error, in the order of their names; Field is
// the first one's.
func (ch *check) err() *Error {
	slices.SortStableFunc(ch.problems, func(a, b problem) int { return strings.Compare(a.field, b.field) })
	var b strings.Builder
	if len(ch.problems) > 1 {
		fmt.Fprintf(&b, "%d problems with the arguments. ", len(ch.problems)+ch.more)
	}
	for i, p := range ch.problems {
		if i > 0 {
			b.WriteString("; ")
		}
		if p.field != "" {
			b.WriteString(p.field + ": ")
		}
		b.WriteString(p.message)
	}
	if ch.more > 0 {
		fmt.Fprintf(&b, "; and %d more", ch.more)
	}
	return &Error{Kind: KindInvalid, Field: ch.problems[0].field, Message: b.String()}
}

// object checks an object's properties and fills in its defaults.
func (c *checker) object(ch *check, at *path, object map[string]any) {
	for name, value := range object {
		sub := c.props[name]
		if sub == nil {
			if c.extra != nil {
				sub = c.extra
			} else {
				if c.closed {
					ch.add(&path{up: at, name: name}, "%s", unknownArgument(name, c.names))
				}
				continue
			}
		}
		if value == nil && sub.types != typeAny && sub.types&typeNull == 0 && !c.requires(name) {
			delete(object, name)
			ch.changed = true
			continue
		}
		here := path{up: at, name: name}
		if converted, changed := sub.value(ch, &here, value); changed {
			object[name] = converted
			ch.changed = true
		}
	}
	for _, name := range c.required {
		if _, ok := object[name]; !ok {
			ch.add(&path{up: at, name: name}, "is required%s", c.props[name].wanted(", "))
		}
	}
	for _, d := range c.defaults {
		if _, ok := object[d.name]; !ok {
			object[d.name] = d.value
			ch.changed = true
		}
	}
}

func (c *checker) requires(name string) bool {
	for _, r := range c.required {
		if r == name {
			return true
		}
	}
	return false
}

// value checks one value. It gives what to put in its place when it was converted.
func (c *checker) value(ch *check, at *path, v any) (any, bool) {
	converted := false
	if c.types != typeAny {
		var ok bool
		if v, converted, ok = c.convert(v); !ok {
			ch.add(at, "expected %s, got %s", c.types, kindOf(v))
			return v, false
		}
	}
	if c.enum != nil && v != nil && !c.listed(v) {
		ch.add(at, "%s", c.notListed(v))
		return v, false
	}
	switch v := v.(type) {
	case string:
		c.text(ch, at, v)
	case json.Number:
		c.number(ch, at, v)
	case []any:
		c.array(ch, at, v)
	case map[string]any:
		c.object(ch, at, v)
	}
	return v, converted
}

// convert says whether v has one of the types, after converting what is meant.
func (c *checker) convert(v any) (_ any, converted, ok bool) {
	switch x := v.(type) {
	case nil:
		return v, false, c.types&typeNull != 0
	case bool:
		return v, false, c.types&typeBoolean != 0
	case map[string]any:
		return v, false, c.types&typeObject != 0
	case []any:
		return v, false, c.types&typeArray != 0
	case string:
		if c.types&typeString != 0 {
			return v, false, true
		}
		return c.fromText(x)
	case json.Number:
		return c.fromNumber(x)
	}
	return v, false, false
}

// fromText reads a number or a boolean that came in quotes.
func (c *checker) fromText(s string) (any, bool, bool) {
	switch {
	case c.types&typeBoolean != 0 && (s == "true" || s == "false"):
		return s == "true", true, true
	case c.types&(typeInteger|typeNumber) != 0 && isDigits(strings.TrimPrefix(s, "-")):
		return json.Number(s), true, true
	}
	return s, false, false
}

// fromNumber takes a number as it is, as a whole number, or as an id.
func (c *checker) fromNumber(n json.Number) (any, bool, bool) {
	if c.types&typeNumber != 0 {
		return n, false, true
	}
	whole := isDigits(strings.TrimPrefix(n.String(), "-"))
	if c.types&typeInteger != 0 {
		if whole {
			return n, false, true
		}
		if text, ok := wholeNumber(n.String()); ok {
			return json.Number(text), true, true
		}
		return n, false, false
	}
	if c.types&typeString != 0 && c.isID && whole {
		return n.String(), true, true
	}
	return n, false, false
}

// wholeNumber writes 10.0 and 1e2 as 10 and 100.
func wholeNumber(s string) (string, bool) {
	f, err := strconv.ParseFloat(s, 64)
	if err != nil || f > 1e15 || f < -1e15 || f != float64(int64(f)) {
		return "", false
	}
	return strconv.FormatInt(int64(f), 10), true
}

// isDigits says whether s is a JSON integer without its sign.
func isDigits(s string) bool {
	if s == "" || len(s) > 19 || (len(s) > 1 && s[0] == '0') {
		return false
	}
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return true
}

func (c *checker) text(ch *check, at *path, s string) {
	if c.minLength == 0 && c.maxLength < 0 {
		return
	}
	n := utf8.RuneCountInString(s)
	switch {
	case n < c.minLength && n == 0:
		ch.add(at, "must not be empty")
	case n < c.minLength:
		ch.add(at, "expected at least %d characters, got %d", c.minLength, n)
	case c.maxLength >= 0 && n > c.maxLength:
		ch.add(at, "expected at most %d characters, got %d", c.maxLength, n)
	}
}

func (c *checker) number(ch *check, at *path, n json.Number) {
	if c.min == nil && c.max == nil && c.xmin == nil && c.xmax == nil {
		return
	}
	f, err := n.Float64()
	if err != nil {
		ch.add(at, "the number is too large")
		return
	}
	switch {
	case c.min != nil && f < *c.min:
		ch.add(at, "expected at least %s", number(*c.min))
	case c.max != nil && f > *c.max:
		ch.add(at, "expected at most %s", number(*c.max))
	case c.xmin != nil && f <= *c.xmin:
		ch.add(at, "expected more than %s", number(*c.xmin))
	case c.xmax != nil && f >= *c.xmax:
		ch.add(at, "expected less than %s", number(*c.xmax))
	}
}

func number(f float64) string { return strconv.FormatFloat(f, 'f', -1, 64) }

func (c *checker) array(ch *check, at *path, list []any) {
	switch {
	case len(list) < c.minItems:
		ch.add(at, "expected at least %d items, got %d", c.minItems, len(list))
	case c.maxItems >= 0 && len(list) > c.maxItems:
		ch.add(at, "expected at most %d items, got %d", c.maxItems, len(list))
	}
	if c.items == nil {
		return
	}
	for i, v := range list {
		here := path{up: at, index: i}
		if converted, changed := c.items.value(ch, &here, v); changed {
			list[i] = converted
			ch.changed = true
		}
	}
}

// listed says whether v is one of the enum's values.
func (c *checker) listed(v any) bool {
	for _, e := range c.enum {
		if e == v {
			return true
		}
		a, ok1 := e.(json.Number)
		b, ok2 := v.(json.Number)
		if ok1 && ok2 && sameNumber(a, b) {
			return true
		}
	}
	return false
}

func sameNumber(a, b json.Number) bool {
	x, ok1 := exact(a)
	y, ok2 := exact(b)
	return ok1 && ok2 && x.Cmp(y) == 0
}

// exact reads a number of moderate size without loss.
func exact(n json.Number) (*big.Rat, bool) {
	if len(n) > 40 || strings.ContainsAny(n.String(), "eE") {
		f, err := n.Float64()
		if err != nil {
			return nil, false
		}
		r := new(big.Rat).SetFloat64(f)
		return r, r != nil
	}
	return new(big.Rat).SetString(n.String())
}

// decodeNumbers reads exactly one JSON value and keeps numbers as written.
func decodeNumbers(data []byte, v any) error {
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.UseNumber()
	if err := dec.Decode(v); err != nil {
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			return errors.New("the text ends too early")
		}
		return err
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return errors.New("there is more after the first value")
	}
	return nil
}
