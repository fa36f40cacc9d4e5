package catalog

import (
	"cmp"
	"slices"
	"strings"
)

// maxAlike bounds the slugs that are compared: callers send text of any length,
// and nothing much longer than a slug is like one.
const maxAlike = 128

// nearest gives up to n of known that share most words with slug, or differ
// from it by a few letters; nothing when none is alike.
func nearest(slug string, known []string, n int) []string {
	if len(slug) > maxAlike {
		return nil
	}
	type match struct {
		slug  string
		score float64
	}
	var found []match
	want := trigrams(slug)
	for _, k := range known {
		have := trigrams(k)
		common := 0
		for g := range want {
			if have[g] {
				common++
			}
		}
		if total := len(want) + len(have); total > 0 {
			if score := 2 * float64(common) / float64(total); score >= 0.4 {
				found = append(found, match{k, score})
			}
		}
	}
	slices.SortFunc(found, func(a, b match) int {
		return cmp.Or(cmp.Compare(b.score, a.score), cmp.Compare(a.slug, b.slug))
	})
	slugs := make([]string, 0, n)
	for _, m := range found[:min(n, len(found))] {
		slugs = append(slugs, m.slug)
	}
	return slugs
}

// trigrams are the three-letter windows of s, with its ends marked.
func trigrams(s string) map[string]bool {
	s = "^" + strings.ToLower(s) + "$"
	set := make(map[string]bool, len(s))
	for i := 0; i+3 <= len(s); i++ {
		set[s[i:i+3]] = true
	}
	return set
}
