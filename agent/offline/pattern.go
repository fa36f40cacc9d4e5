package offline

import (
	"regexp"
	"sync"
)

// pattern is a regular expression that is compiled when it is first used: there
// are over a hundred, and most programs that link this package are not asked
// to understand a sentence.
type pattern struct{ compiled func() *regexp.Regexp }

// exact makes a pattern that tells capitals from small letters, re one that does
// not. Both panic at the first use of an expression that does not compile.
func exact(s string) *pattern {
	return &pattern{compiled: sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(s) })}
}

func re(s string) *pattern { return exact(`(?i)` + s) }

// The methods are those of regexp.Regexp.

func (p *pattern) MatchString(s string) bool            { return p.compiled().MatchString(s) }
func (p *pattern) FindString(s string) string           { return p.compiled().FindString(s) }
func (p *pattern) FindStringIndex(s string) []int       { return p.compiled().FindStringIndex(s) }
func (p *pattern) FindStringSubmatch(s string) []string { return p.compiled().FindStringSubmatch(s) }

func (p *pattern) FindStringSubmatchIndex(s string) []int {
	return p.compiled().FindStringSubmatchIndex(s)
}

func (p *pattern) ReplaceAllString(s, with string) string {
	return p.compiled().ReplaceAllString(s, with)
}
func (p *pattern) Split(s string, n int) []string { return p.compiled().Split(s, n) }
func (p *pattern) ReplaceAllStringFunc(s string, f func(string) string) string {
	return p.compiled().ReplaceAllStringFunc(s, f)
}
