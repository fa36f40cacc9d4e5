// Package bm25 ranks short documents for a query in plain words: fielded BM25
// (BM25F) in memory.
//
// An Index is built once and never changes. All that does not depend on the
// query (term frequency, field weight, field length, rarity) is folded into
// one number for each term and document when it is built, so that a search
// only adds up numbers. Words that no document has are matched to near ones,
// by spelling and by beginning, for a part of their worth.
package bm25
