package bm25

import (
	"bytes"
	"cmp"
	"slices"
)

const (
	minNear  = 4   // shorter unknown words have too many neighbours
	maxNear  = 3   // neighbours that count for one unknown word
	nearCost = 0.5 // what a neighbour is worth at most
	minDice  = 0.5 // shared trigrams below this are chance
)

// nearTerm is a known term in place of an unknown one.
type nearTerm struct {
	term  uint32
	worth float32
}

// nearIndex finds terms by spelling: by the trigrams they share, and, since a
// swap of two letters leaves a short word no trigram, by first letter and
// length.
type nearIndex struct {
	grams   map[[3]byte][]uint32
	buckets map[bucket][]uint32
}

type bucket struct {
	first  byte
	length uint8
}

func newNearIndex(words []string) nearIndex {
	n := nearIndex{grams: make(map[[3]byte][]uint32), buckets: make(map[bucket][]uint32)}
	for t, w := range words {
		if len(w) < minNear-1 {
			continue
		}
		eachGram([]byte(w), func(g [3]byte) {
			list := n.grams[g]
			if len(list) == 0 || list[len(list)-1] != uint32(t) {
				n.grams[g] = append(list, uint32(t))
			}
		})
		at := bucket{w[0], uint8(len(w))}
		n.buckets[at] = append(n.buckets[at], uint32(t))
	}
	return n
}

// eachGram gives the trigrams of a word with its beginning and end marked.
func eachGram(w []byte, yield func([3]byte)) {
	yield([3]byte{'^', w[0], w[1]})
	for i := 0; i+3 <= len(w); i++ {
		yield([3]byte(w[i : i+3]))
	}
	yield([3]byte{w[len(w)-2], w[len(w)-1], '$'})
}

// find gives the nearest terms of an unknown word, at most maxNear. The slice
// is good until the next call with the same scratch.
func (n *nearIndex) find(w []byte, words []string, s *scratch) []nearTerm {
	s.near = s.near[:0]
	if len(w) < minNear {
		return nil
	}
	eachGram(w, func(g [3]byte) {
		for _, t := range n.grams[g] {
			if s.counts[t] == 0 {
				s.shared = append(s.shared, t)
			}
			s.counts[t]++
		}
	})
	for _, t := range s.shared {
		if likeness := byGrams(w, words[t], int(s.counts[t])); likeness > 0 {
			s.near = append(s.near, nearTerm{t, nearCost * likeness})
		}
		s.counts[t] = 0
	}
	s.shared = s.shared[:0]
	for length := len(w) - 1; length <= len(w)+1; length++ {
		for _, t := range n.buckets[bucket{w[0], uint8(length)}] {
			if oneSlip(w, words[t]) {
				s.near = append(s.near, nearTerm{t, nearCost})
			}
		}
	}
	slices.SortFunc(s.near, func(a, b nearTerm) int {
		return cmp.Or(cmp.Compare(b.worth, a.worth), cmp.Compare(words[a.term], words[b.term]))
	})
	return s.near[:min(maxNear, len(s.near))]
}

// byGrams judges two words by their shared trigrams, or by one beginning with
// the other: doc for document, blogpost for blog.
func byGrams(w []byte, word string, shared int) float32 {
	short := min(len(w), len(word))
	if short >= minNear-1 && string(w[:short]) == word[:short] {
		return 0.8
	}
	dice := 2 * float32(shared) / float32(len(w)+len(word))
	if dice < minDice {
		return 0
	}
	return min(1, dice)
}

// oneSlip says whether one letter changed, added, left out or swapped with its
// neighbour makes w the word.
func oneSlip(w []byte, word string) bool {
	i := 0
	for i < len(w) && i < len(word) && w[i] == word[i] {
		i++
	}
	a, c := w[i:], []byte(word[i:])
	switch len(a) - len(c) {
	case 0:
		return len(a) > 0 && (bytes.Equal(a[1:], c[1:]) ||
			len(a) > 1 && a[0] == c[1] && a[1] == c[0] && bytes.Equal(a[2:], c[2:]))
	case 1:
		return bytes.Equal(a[1:], c)
	case -1:
		return bytes.Equal(a, c[1:])
	}
	return false
}
