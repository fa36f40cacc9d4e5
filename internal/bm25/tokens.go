package bm25

import (
	"unicode"
	"unicode/utf8"
)

// maxToken bounds a token in bytes; the rest of a longer word is dropped.
const maxToken = 64

// stopWords carry no meaning for a search of tools. Short on purpose: rarity
// takes care of words that are common in the documents.
var stopWords = map[string]struct{}{
	"a": {}, "an": {}, "the": {}, "of": {}, "to": {}, "in": {}, "on": {}, "at": {}, "for": {}, "from": {}, "by": {}, "with": {},
	"as": {}, "into": {}, "and": {}, "or": {}, "but": {}, "if": {}, "is": {}, "are": {}, "am": {}, "was": {}, "were": {}, "be": {},
	"been": {}, "it": {}, "its": {}, "this": {}, "that": {}, "these": {}, "those": {}, "there": {}, "i": {}, "me": {}, "my": {},
	"we": {}, "us": {}, "our": {}, "you": {}, "your": {}, "can": {}, "could": {}, "would": {}, "should": {}, "will": {}, "shall": {},
	"may": {}, "please": {}, "do": {}, "does": {}, "did": {}, "have": {}, "has": {}, "had": {}, "want": {}, "need": {}, "let": {},
	"how": {}, "what": {}, "which": {}, "so": {}, "some": {}, "any": {}, "via": {}, "s": {}, "t": {}, "d": {}, "ll": {}, "re": {}, "ve": {},
}

// Tokens gives the terms of a text as the index knows them: lower-case, cut at
// everything that is no letter or digit and inside camelCase, without stop
// words, stemmed.
func Tokens(text string) []string {
	var out []string
	var buf [maxToken]byte
	eachToken(text, buf[:0], func(token []byte) { out = append(out, string(token)) })
	return out
}

// eachToken calls yield with each term; the bytes are good until it returns.
// buf is room to work in.
func eachToken(text string, buf []byte, yield func([]byte)) {
	word := buf[:0]
	flush := func() {
		if len(word) > 0 {
			if _, stop := stopWords[string(word)]; !stop {
				yield(stem(word))
			}
		}
		word = buf[:0]
	}
	var last rune // of the current word, as spelled; 0 at its beginning
	for i, r := range text {
		switch {
		case !unicode.IsLetter(r) && !unicode.IsDigit(r):
			flush()
			last = 0
			continue
		case ideograph(r):
			// No spaces to cut at: each sign is a word.
			flush()
			word = utf8.AppendRune(word, r)
			flush()
			last = 0
			continue
		case unicode.IsUpper(r) && last != 0:
			// pageId → page, id; HTTPServer → http, server
			if !unicode.IsUpper(last) || startsLower(text[i+utf8.RuneLen(r):]) {
				flush()
			}
		}
		last = r
		if len(word)+utf8.UTFMax <= maxToken {
			word = utf8.AppendRune(word, unicode.ToLower(r))
		}
	}
	flush()
}

func ideograph(r rune) bool {
	return r >= 0x3040 && unicode.In(r, unicode.Han, unicode.Hiragana, unicode.Katakana)
}

// startsLower says whether text goes on in lower case; the plural s of an
// abbreviation (URLs) does not count.
func startsLower(text string) bool {
	r, size := utf8.DecodeRuneInString(text)
	if !unicode.IsLower(r) {
		return false
	}
	if r != 's' {
		return true
	}
	next, _ := utf8.DecodeRuneInString(text[size:])
	return unicode.IsLetter(next)
}
