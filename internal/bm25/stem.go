package bm25

// stem takes the endings of English inflection from a lower-case word, in
// place: pages → page, updating → updat, copies → copi, deletion → delet. What
// is left is a key, not a word; equal keys matter, not their look. It is the
// first step of Porter's algorithm, and of the later ones -ion and the final e.
func stem(w []byte) []byte {
	if len(w) <= 3 {
		return plural(w)
	}
	for _, c := range w {
		if c < 'a' || c > 'z' {
			return w // versions, numbers, other languages
		}
	}
	w = plural(w)
	w = past(w)
	if n := len(w); n >= 8 && ends(w, "ion") && (w[n-4] == 't' || w[n-4] == 's') {
		w = w[:n-3]
	}
	if n := len(w); n > 3 && w[n-1] == 'e' {
		w = w[:n-1]
	}
	if n := len(w); n > 2 && w[n-1] == 'y' && !vowel(w, n-2) {
		w[n-1] = 'i'
	}
	return w
}

func plural(w []byte) []byte {
	n := len(w)
	switch {
	case n < 3 || w[n-1] != 's':
		return w
	case ends(w, "sses"), ends(w, "ches"), ends(w, "shes"), ends(w, "xes"):
		return w[:n-2]
	case n > 4 && ends(w, "ies"):
		w[n-3] = 'y'
		return w[:n-2]
	case ends(w, "ss"), ends(w, "us"), ends(w, "is"):
		return w
	case n == 3 && !vowel(w, 0) && !vowel(w, 1):
		return w // sms, dns
	}
	return w[:n-1]
}

// past takes -ed and -ing from words that have a vowel before them, and mends
// the doubled consonant: tagged → tag.
func past(w []byte) []byte {
	n := len(w)
	cut := 0
	switch {
	case ends(w, "eed"):
		if n > 4 {
			return w[:n-1]
		}
		return w
	case ends(w, "ed"):
		cut = 2
	case ends(w, "ing"):
		cut = 3
	}
	if cut == 0 || n-cut < 2 || !hasVowel(w[:n-cut]) {
		return w
	}
	w = w[:n-cut]
	n = len(w)
	if n == 2 && !vowel(w, 1) {
		w = w[:3]
		w[2] = 'e' // using → use
		return w
	}
	if n > 3 && w[n-1] == w[n-2] && !vowel(w, n-1) {
		switch w[n-1] {
		case 'l', 's', 'z':
		default:
			return w[:n-1]
		}
	}
	return w
}

func ends(w []byte, suffix string) bool {
	return len(w) > len(suffix) && string(w[len(w)-len(suffix):]) == suffix
}

func hasVowel(w []byte) bool {
	for i := range w {
		if vowel(w, i) {
			return true
		}
	}
	return false
}

func vowel(w []byte, i int) bool {
	switch w[i] {
	case 'a', 'e', 'i', 'o', 'u':
		return true
	case 'y':
		return i > 0 && !vowel(w, i-1)
	}
	return false
}
