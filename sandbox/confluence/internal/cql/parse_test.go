package cql_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/sluice-run/sluice/sandbox/confluence/internal/cql"
)

// text writes an expression with all parentheses, to compare and to read back.
func text(e *cql.Expr) string {
	var s string
	if c := e.Clause; c != nil {
		vs := make([]string, len(c.Values))
		for i, v := range c.Values {
			vs[i] = value(v)
		}
		s = c.Field + " " + c.Op + " " + strings.Join(vs, ", ")
		if (c.Op == "in" || c.Op == "not in") && !c.Values[0].Func {
			s = c.Field + " " + c.Op + " (" + strings.Join(vs, ", ") + ")"
		}
	} else {
		parts := []string{text(e.Terms[0])}
		for i, op := range e.Ops {
			parts = append(parts, op, text(e.Terms[i+1]))
		}
		s = "(" + strings.Join(parts, " ") + ")"
	}
	if e.Not {
		return "not " + s
	}
	return s
}

func value(v cql.Value) string {
	if v.Func {
		args := make([]string, len(v.Args))
		for i, a := range v.Args {
			args[i] = quote(a)
		}
		return v.Text + "(" + strings.Join(args, ", ") + ")"
	}
	return quote(v.Text)
}

func quote(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s) + `"`
}

func TestParse(t *testing.T) {
	for _, tc := range []struct{ in, want string }{
		{`type = page`, `type = "page"`},
		{`type=page AND space = 'DOC'`, `(type = "page" and space = "DOC")`},
		{`a = 1 or b = 2 and c = 3`, `(a = "1" or b = "2" and c = "3")`},
		{`(a = 1 or b = 2) and not c = 3`, `((a = "1" or b = "2") and not c = "3")`},
		{`title ~ "say \"hi\""`, `title ~ "say \"hi\""`},
		{`title ~ "a\\b"`, `title ~ "a\\b"`},
		{`space in (A, "~b")`, `space in ("A", "~b")`},
		{`type not in (page, blogpost)`, `type not in ("page", "blogpost")`},
		{`space in favouriteSpaces()`, `space in favouriteSpaces()`},
		{`created >= startOfMonth("-1M")`, `created >= startOfMonth("-1M")`},
		{`lastmodified<now('-4w')`, `lastmodified < now("-4w")`},
		{`created > 2026-01-02`, `created > "2026-01-02"`},
		{`text ~ plan*`, `text ~ "plan*"`},
		{`user.fullname ~ jo`, `user.fullname ~ "jo"`},
		{`a != 1 and b !~ x and c <= 3`, `(a != "1" and b !~ "x" and c <= "3")`},
	} {
		q, err := cql.Parse(tc.in)
		if err != nil {
			t.Errorf("Parse(%s): %v", tc.in, err)
			continue
		}
		if got := text(q.Where); got != tc.want {
			t.Errorf("Parse(%s) = %s, want %s", tc.in, got, tc.want)
		}
	}
	q, err := cql.Parse(`type = page order by created desc, title, space asc`)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]cql.Order{{Field: "created", Desc: true}, {Field: "title"}, {Field: "space"}}, q.Order); diff != "" {
		t.Errorf("order (-want +got):\n%s", diff)
	}
}

func TestParseRefuses(t *testing.T) {
	for _, tc := range []struct{ in, says string }{
		{``, "empty"},
		{`type`, "Expecting an operator after field 'type' but got '<EOF>'"},
		{`type =`, "Expecting a value but got '<EOF>'"},
		{`type = page and`, "Expecting a field name"},
		{`not type = page`, "negated clause cannot be the first"},
		{`(type = page`, "Expecting ')'"},
		{`type = page)`, "Unexpected ')'"},
		{`type = page space = A`, "Unexpected 'space'"},
		{`title ~ "open`, "Unterminated string"},
		{`title = a;b`, "';'"},
		{`space = select`, "reserved word"},
		{`select = 1`, "reserved word"},
		{`space in A`, "Expecting '('"},
		{`space in ()`, "Expecting a value"},
		{`type = page order created`, "Expecting 'by'"},
		{`type = page order by`, "Expecting a field name after 'order by'"},
		{`a ! b`, "Unexpected character '!'"},
		{strings.Repeat("(", 60) + "a=1" + strings.Repeat(")", 60), "nests deeper"},
		{"a=" + strings.Repeat("1", cql.MaxLength), "longer than"},
		{`created > now(now())`, "function"},
	} {
		_, err := cql.Parse(tc.in)
		var syntax *cql.SyntaxError
		if !errors.As(err, &syntax) || !strings.Contains(err.Error(), tc.says) || !strings.HasPrefix(err.Error(), "Could not parse cql : ") {
			t.Errorf("Parse(%.60s) = %v, want a syntax error with %q", tc.in, err, tc.says)
		}
	}
}

// TestParseReadsBack: what is parsed, written out and parsed again is the same.
func TestParseReadsBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		src := genList(t, 0)
		q, err := cql.Parse(src)
		if err != nil {
			t.Fatalf("Parse(%s): %v", src, err)
		}
		once := text(q.Where)
		again, err := cql.Parse(once)
		if err != nil {
			t.Fatalf("Parse(%s): %v", once, err)
		}
		if twice := text(again.Where); twice != once {
			t.Fatalf("%s\nbecame %s\nthen   %s", src, once, twice)
		}
	})
}

func genList(t *rapid.T, depth int) string {
	s := genTerm(t, depth)
	for range rapid.IntRange(0, 3).Draw(t, "more") {
		op := rapid.SampledFrom([]string{" and ", " OR ", " and not ", " or not "}).Draw(t, "op")
		s += op + genTerm(t, depth)
	}
	return s
}

func genTerm(t *rapid.T, depth int) string {
	if depth < 4 && rapid.IntRange(0, 3).Draw(t, "paren") == 0 {
		return "(" + genList(t, depth+1) + ")"
	}
	v := quote(rapid.String().Draw(t, "value"))
	switch rapid.IntRange(0, 3).Draw(t, "kind") {
	case 0:
		return "space in (" + v + ", x)"
	case 1:
		return "created >= now(" + v + ")"
	}
	return fmt.Sprintf("title %s %s", rapid.SampledFrom([]string{"=", "!=", "~", "!~"}).Draw(t, "cmp"), v)
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{`type = page`, `a in (b, "c") order by d desc`, `not ( " \`, `x ~ "\"y\"" and (z = now("-1d"))`, "a=\xff"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, src string) {
		q, err := cql.Parse(src)
		var syntax *cql.SyntaxError
		switch {
		case err != nil && !errors.As(err, &syntax):
			t.Fatalf("Parse(%q) failed with %T", src, err)
		case err == nil && q.Where == nil && len(q.Order) == 0:
			t.Fatalf("Parse(%q) gave nothing", src)
		}
	})
}
