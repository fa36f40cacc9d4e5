package cql

import (
	"fmt"
	"strings"
)

type kind int

const (
	tEOF kind = iota
	tWord
	tString
	tOp // = != ~ !~ > >= < <=
	tLParen
	tRParen
	tComma
)

type token struct {
	kind kind
	text string
	pos  int
}

// SyntaxError is a query that cannot be read. Its text follows the server's.
type SyntaxError struct{ Msg string }

func (e *SyntaxError) Error() string { return "Could not parse cql : " + e.Msg }

func syntaxf(format string, args ...any) error {
	return &SyntaxError{Msg: fmt.Sprintf(format, args...)}
}

// reservedChars force quoting of a value.
const reservedChars = "+.,;|%^$#@[]/"

func lex(src string) ([]token, error) {
	var out []token
	for i := 0; i < len(src); {
		c := src[i]
		switch {
		case c == ' ' || c == '\t' || c == '\n' || c == '\r':
			i++
		case c == '(':
			out = append(out, token{tLParen, "(", i})
			i++
		case c == ')':
			out = append(out, token{tRParen, ")", i})
			i++
		case c == ',':
			out = append(out, token{tComma, ",", i})
			i++
		case c == '"' || c == '\'':
			s, n, err := lexQuoted(src[i:], i)
			if err != nil {
				return nil, err
			}
			out = append(out, token{tString, s, i})
			i += n
		case strings.IndexByte("=!~<>", c) >= 0:
			op, err := lexOp(src[i:], i)
			if err != nil {
				return nil, err
			}
			out = append(out, token{tOp, op, i})
			i += len(op)
		default:
			n := lexWord(src[i:])
			if n == 0 {
				return nil, syntaxf("The character '%c' at position %d must be quoted", c, i)
			}
			out = append(out, token{tWord, src[i : i+n], i})
			i += n
		}
	}
	return append(out, token{tEOF, "<EOF>", len(src)}), nil
}

func lexOp(s string, pos int) (string, error) {
	for _, op := range []string{"!=", "!~", ">=", "<=", "=", "~", ">", "<"} {
		if strings.HasPrefix(s, op) {
			return op, nil
		}
	}
	return "", syntaxf("Unexpected character '%c' at position %d", s[0], pos)
}

func lexQuoted(s string, pos int) (string, int, error) {
	quote := s[0]
	var b strings.Builder
	for i := 1; i < len(s); i++ {
		switch s[i] {
		case '\\':
			if i+1 >= len(s) {
				return "", 0, syntaxf("Unterminated string starting at position %d", pos)
			}
			i++
			// A backslash before a quote or a backslash escapes it; before a wildcard it is kept.
			if s[i] != quote && s[i] != '\\' && s[i] != '"' && s[i] != '\'' {
				b.WriteByte('\\')
			}
			b.WriteByte(s[i])
		case quote:
			return b.String(), i + 1, nil
		default:
			b.WriteByte(s[i])
		}
	}
	return "", 0, syntaxf("Unterminated string starting at position %d", pos)
}

// lexWord gives the length of a bare word. Field names hold dots, values may
// hold wildcards and dashes; the other reserved characters end it.
func lexWord(s string) int {
	for i := 0; i < len(s); i++ {
		c := s[i]
		if c == '.' || c == '*' || c == '?' {
			continue
		}
		if strings.IndexByte(" \t\r\n()\"'=!~<>\\"+reservedChars, c) >= 0 {
			return i
		}
	}
	return len(s)
}
