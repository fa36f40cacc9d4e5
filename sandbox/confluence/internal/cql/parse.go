package cql

import (
	"slices"
	"strings"
)

// Limits on a query: its length in bytes and the depth of its parentheses.
const (
	MaxLength = 16 << 10
	MaxDepth  = 50
)

// Query is a parsed query. Where is nil when only an order was given.
type Query struct {
	Where *Expr
	Order []Order
}

// Order is one field of "order by".
type Order struct {
	Field string
	Desc  bool
}

// Expr is a list of terms or one clause.
type Expr struct {
	Not    bool
	Clause *Clause
	// Terms and Ops hold a list: Terms[0] Ops[0] Terms[1] …, evaluated left to right.
	Terms []*Expr
	Ops   []string // "and" | "or"
}

// Clause is one comparison.
type Clause struct {
	Field  string
	Op     string // = != ~ !~ > >= < <= in "not in"
	Values []Value
}

// Value is a word, a quoted string or a function call.
type Value struct {
	Text   string
	Quoted bool
	Func   bool // Text is the function's name
	Args   []string
}

// Parse reads a query. An error is a [*SyntaxError].
func Parse(src string) (*Query, error) {
	if len(src) > MaxLength {
		return nil, syntaxf("The query is longer than %d characters", MaxLength)
	}
	toks, err := lex(src)
	if err != nil {
		return nil, err
	}
	p := &parser{toks: toks}
	q := &Query{}
	if p.peek().kind == tEOF {
		return nil, syntaxf("The query is empty")
	}
	if !p.keyword("order") {
		if q.Where, err = p.list(0); err != nil {
			return nil, err
		}
	}
	if p.keyword("order") {
		if q.Order, err = p.order(); err != nil {
			return nil, err
		}
	}
	if t := p.peek(); t.kind != tEOF {
		return nil, syntaxf("Unexpected '%s' at position %d. Expecting 'and', 'or' or 'order by'", t.text, t.pos)
	}
	return q, nil
}

type parser struct {
	toks []token
	i    int
}

func (p *parser) peek() token { return p.toks[p.i] }

func (p *parser) next() token {
	t := p.toks[p.i]
	if t.kind != tEOF {
		p.i++
	}
	return t
}

func (p *parser) keyword(w string) bool {
	t := p.peek()
	return t.kind == tWord && strings.EqualFold(t.text, w)
}

func (p *parser) accept(w string) bool {
	if p.keyword(w) {
		p.i++
		return true
	}
	return false
}

func (p *parser) list(depth int) (*Expr, error) {
	if depth > MaxDepth {
		return nil, syntaxf("The query nests deeper than %d", MaxDepth)
	}
	if p.keyword("not") {
		return nil, syntaxf("A negated clause cannot be the first clause (position %d)", p.peek().pos)
	}
	first, err := p.term(depth)
	if err != nil {
		return nil, err
	}
	e := &Expr{Terms: []*Expr{first}}
	for {
		var op string
		switch {
		case p.accept("and"):
			op = "and"
		case p.accept("or"):
			op = "or"
		default:
			if len(e.Terms) == 1 {
				return first, nil
			}
			return e, nil
		}
		t, err := p.term(depth)
		if err != nil {
			return nil, err
		}
		e.Terms, e.Ops = append(e.Terms, t), append(e.Ops, op)
	}
}

func (p *parser) term(depth int) (*Expr, error) {
	not := p.accept("not")
	if p.peek().kind == tLParen {
		p.next()
		e, err := p.list(depth + 1)
		if err != nil {
			return nil, err
		}
		if t := p.next(); t.kind != tRParen {
			return nil, syntaxf("Expecting ')' but got '%s' at position %d", t.text, t.pos)
		}
		if not {
			return &Expr{Not: true, Terms: []*Expr{e}}, nil
		}
		return e, nil
	}
	c, err := p.clause()
	if err != nil {
		return nil, err
	}
	return &Expr{Not: not, Clause: c}, nil
}

var reservedWords = strings.Fields(`after and as avg before begin by commit contains count distinct else empty end
	explain from having if in inner insert into is isnull left like limit max min not null or order outer right
	select sum then was where update`)

func reserved(w string) bool { return slices.Contains(reservedWords, strings.ToLower(w)) }

func (p *parser) clause() (*Clause, error) {
	f := p.next()
	if f.kind != tWord && f.kind != tString {
		return nil, syntaxf("Expecting a field name but got '%s' at position %d", f.text, f.pos)
	}
	if f.kind == tWord && reserved(f.text) {
		return nil, syntaxf("'%s' at position %d is a reserved word; quote it", f.text, f.pos)
	}
	c := &Clause{Field: f.text}
	t := p.next()
	switch {
	case t.kind == tOp:
		c.Op = t.text
	case t.kind == tWord && strings.EqualFold(t.text, "in"):
		c.Op = "in"
	case t.kind == tWord && strings.EqualFold(t.text, "not") && p.accept("in"):
		c.Op = "not in"
	default:
		return nil, syntaxf("Expecting an operator after field '%s' but got '%s' at position %d", f.text, t.text, t.pos)
	}
	if c.Op != "in" && c.Op != "not in" {
		v, err := p.value()
		if err != nil {
			return nil, err
		}
		c.Values = []Value{v}
		return c, nil
	}
	if p.peek().kind != tLParen { // "in" may take a function: space in favouriteSpaces()
		v, err := p.value()
		if err != nil {
			return nil, err
		}
		if !v.Func {
			return nil, syntaxf("Expecting '(' after '%s' but got '%s'", c.Op, v.Text)
		}
		c.Values = []Value{v}
		return c, nil
	}
	p.next()
	vs, err := p.values()
	c.Values = vs
	return c, err
}

// values reads up to and including the closing parenthesis.
func (p *parser) values() ([]Value, error) {
	var out []Value
	for {
		v, err := p.value()
		if err != nil {
			return nil, err
		}
		out = append(out, v)
		switch t := p.next(); t.kind {
		case tComma:
		case tRParen:
			return out, nil
		default:
			return nil, syntaxf("Expecting ',' or ')' but got '%s' at position %d", t.text, t.pos)
		}
	}
}

func (p *parser) value() (Value, error) {
	t := p.next()
	switch {
	case t.kind == tString:
		return Value{Text: t.text, Quoted: true}, nil
	case t.kind != tWord:
		return Value{}, syntaxf("Expecting a value but got '%s' at position %d", t.text, t.pos)
	}
	if p.peek().kind == tLParen {
		p.next()
		v := Value{Text: t.text, Func: true}
		if p.peek().kind == tRParen {
			p.next()
			return v, nil
		}
		args, err := p.values()
		if err != nil {
			return Value{}, err
		}
		for _, a := range args {
			if a.Func {
				return Value{}, syntaxf("Function '%s' cannot take a function as an argument", t.text)
			}
			v.Args = append(v.Args, a.Text)
		}
		return v, nil
	}
	if reserved(t.text) {
		return Value{}, syntaxf("'%s' at position %d is a reserved word; quote it", t.text, t.pos)
	}
	return Value{Text: t.text}, nil
}

func (p *parser) order() ([]Order, error) {
	p.next()
	if !p.accept("by") {
		return nil, syntaxf("Expecting 'by' after 'order' but got '%s'", p.peek().text)
	}
	var out []Order
	for {
		t := p.next()
		if t.kind != tWord || reserved(t.text) {
			return nil, syntaxf("Expecting a field name after 'order by' but got '%s' at position %d", t.text, t.pos)
		}
		o := Order{Field: t.text}
		if p.accept("desc") {
			o.Desc = true
		} else {
			p.accept("asc")
		}
		out = append(out, o)
		if p.peek().kind != tComma {
			return out, nil
		}
		p.next()
	}
}
