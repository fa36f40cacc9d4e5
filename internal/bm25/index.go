package bm25

import (
	"cmp"
	"math"
	"slices"
	"strings"
	"sync"
)

// The usual constants of BM25: how soon repetition stops counting, and how
// much a long field is held against its words.
const (
	k1 = 1.2
	b  = 0.6
)

// maxQueryTerms bounds the distinct terms of a query that count, maxQueryBytes
// what is read of it.
const (
	maxQueryTerms = 64
	maxQueryBytes = 4 << 10
)

// Field is a part of a document. Fields of one name are compared in length
// with each other. Weight says how many times more a word counts here than in
// a field of weight 1.
type Field struct {
	Name   string
	Weight float64
	Text   string
}

// Doc is what is ranked. IDs should be unique.
type Doc struct {
	ID     string
	Fields []Field
}

// Hit is a found document. Scores compare within one search only.
type Hit struct {
	Doc   int // its place in what Build got
	ID    string
	Score float64
}

// Index answers searches. It is safe for concurrent use.
type Index struct {
	ids      []string
	terms    map[string]uint32
	words    []string // by term
	starts   []uint32 // by term: where its postings begin; one more at the end
	postings []posting
	near     nearIndex
	scratch  sync.Pool
}

// posting is what a term adds to the score of a document.
type posting struct {
	doc   uint32
	worth float32
}

// Build makes an index of docs.
func Build(docs []Doc) *Index {
	x := &Index{ids: make([]string, len(docs)), terms: make(map[string]uint32)}
	lengths := averageLengths(docs)
	type entry struct {
		term uint32
		posting
	}
	var entries []entry
	var buf [maxToken]byte
	for i, d := range docs {
		x.ids[i] = d.ID
		weighed := make(map[uint32]float64)
		for _, f := range d.Fields {
			terms := x.fieldTerms(f.Text, buf[:0])
			norm := 1 - b + b*float64(len(terms))/lengths[f.Name]
			for _, t := range terms {
				weighed[t] += f.Weight / norm
			}
		}
		for t, tf := range weighed {
			if tf > 0 {
				entries = append(entries, entry{t, posting{uint32(i), float32(tf / (k1 + tf))}})
			}
		}
	}
	slices.SortFunc(entries, func(p, q entry) int {
		return cmp.Or(cmp.Compare(p.term, q.term), cmp.Compare(p.doc, q.doc))
	})
	x.postings = make([]posting, len(entries))
	x.starts = make([]uint32, len(x.words)+1)
	for i, e := range entries {
		x.postings[i] = e.posting
		x.starts[e.term+1] = uint32(i + 1)
	}
	for t := range x.words {
		x.starts[t+1] = max(x.starts[t], x.starts[t+1]) // terms of weightless fields have none
		list := x.postings[x.starts[t]:x.starts[t+1]]
		n := float64(len(list))
		rarity := float32(math.Log(1 + (float64(len(docs))-n+0.5)/(n+0.5)))
		for i := range list {
			list[i].worth *= rarity
		}
	}
	x.near = newNearIndex(x.words)
	x.scratch.New = func() any { return newScratch(len(docs), len(x.words)) }
	return x
}

func averageLengths(docs []Doc) map[string]float64 {
	sum, count := make(map[string]float64), make(map[string]float64)
	var buf [maxToken]byte
	for _, d := range docs {
		for _, f := range d.Fields {
			n := 0
			eachToken(f.Text, buf[:0], func([]byte) { n++ })
			sum[f.Name] += float64(n)
			count[f.Name]++
		}
	}
	for name := range sum {
		sum[name] = max(1, sum[name]/count[name])
	}
	return sum
}

func (x *Index) fieldTerms(text string, buf []byte) []uint32 {
	var out []uint32
	eachToken(text, buf, func(token []byte) {
		t, ok := x.terms[string(token)]
		if !ok {
			t = uint32(len(x.words))
			word := string(token)
			x.terms[word] = t
			x.words = append(x.words, word)
		}
		out = append(out, t)
	})
	return out
}

// Len is the number of documents.
func (x *Index) Len() int { return len(x.ids) }

// Search gives the best k documents that filter accepts, best first; equal
// scores are ordered by ID. A nil filter accepts all. The result is the same
// each time. filter gets a document's place in what Build got, and is not
// asked for documents that could not be among the best.
func (x *Index) Search(query string, k int, filter func(doc int) bool) []Hit {
	if k <= 0 || len(x.ids) == 0 {
		return nil
	}
	s := x.scratch.Get().(*scratch)
	defer x.scratch.Put(s)
	x.match(cutQuery(query), s)
	return x.best(s, k, filter)
}

func cutQuery(query string) string {
	if len(query) <= maxQueryBytes {
		return query
	}
	return strings.ToValidUTF8(query[:maxQueryBytes], "")
}

// match adds up the scores of all documents that share a term with the query.
func (x *Index) match(query string, s *scratch) {
	s.seen = s.seen[:0]
	eachToken(query, s.word[:0], func(token []byte) {
		if len(s.seen) >= maxQueryTerms {
			return
		}
		t, known := x.terms[string(token)]
		if known {
			if !slices.Contains(s.seen, t) {
				s.seen = append(s.seen, t)
				x.add(t, 1, s)
			}
			return
		}
		for _, n := range x.near.find(token, x.words, s) {
			if !slices.Contains(s.seen, n.term) {
				s.seen = append(s.seen, n.term)
				x.add(n.term, n.worth, s)
			}
		}
	})
}

func (x *Index) add(term uint32, worth float32, s *scratch) {
	for _, p := range x.postings[x.starts[term]:x.starts[term+1]] {
		if s.scores[p.doc] == 0 {
			s.touched = append(s.touched, p.doc)
		}
		s.scores[p.doc] += worth * p.worth
	}
}

// best picks the k best and leaves s clean.
func (x *Index) best(s *scratch, k int, filter func(int) bool) []Hit {
	k = min(k, len(s.touched))
	hits := make([]Hit, 0, k)
	for _, doc := range s.touched {
		h := Hit{Doc: int(doc), ID: x.ids[doc], Score: float64(s.scores[doc])}
		s.scores[doc] = 0
		if len(hits) == k && compare(h, hits[k-1]) > 0 {
			continue
		}
		if filter != nil && !filter(h.Doc) {
			continue
		}
		at, _ := slices.BinarySearchFunc(hits, h, compare)
		if len(hits) == k {
			hits = hits[:k-1]
		}
		hits = slices.Insert(hits, at, h)
	}
	s.touched = s.touched[:0]
	return hits
}

func compare(p, q Hit) int {
	return cmp.Or(cmp.Compare(q.Score, p.Score), strings.Compare(p.ID, q.ID), cmp.Compare(p.Doc, q.Doc))
}

// scratch is the room one search works in. Between searches scores and counts
// are all zero.
type scratch struct {
	scores  []float32 // by document
	touched []uint32  // documents with a score
	seen    []uint32  // terms counted
	counts  []uint8   // by term: trigrams shared
	shared  []uint32  // terms with a count
	near    []nearTerm
	word    [maxToken]byte
}

func newScratch(docs, terms int) *scratch {
	return &scratch{scores: make([]float32, docs), counts: make([]uint8, terms)}
}
