package confluence

import (
	"fmt"
	"slices"
	"strings"
)

// diffLine is a line of a comparison: kept (' '), taken away ('-') or added ('+'),
// with the section that it stands in. before and after are how many lines of the
// older and the newer text come before it.
type diffLine struct {
	op            byte
	text          string
	section       string
	before, after int
}

// maxEdits bounds how many lines two texts may differ in to be compared line by line.
const maxEdits = 1000

// compare gives the shortest way from one text to another. When they differ in
// more than maxEdits lines the part that differs is given as taken away and added.
func compare(older, newer []textLine) []diffLine {
	a, b := sectioned(older), sectioned(newer)
	head := 0
	for head < len(a) && head < len(b) && a[head].text == b[head].text {
		head++
	}
	tail := 0
	for tail < len(a)-head && tail < len(b)-head && a[len(a)-1-tail].text == b[len(b)-1-tail].text {
		tail++
	}
	out := make([]diffLine, 0, len(b))
	add := func(op byte, l diffLine) {
		l.op = op
		out = append(out, l)
	}
	for _, l := range b[:head] {
		add(' ', l)
	}
	x, y := head, head
	for _, op := range shortest(a[head:len(a)-tail], b[head:len(b)-tail]) {
		switch op {
		case '-':
			add(op, a[x])
			x++
		case '+':
			add(op, b[y])
			y++
		default:
			add(op, b[y])
			x, y = x+1, y+1
		}
	}
	for _, l := range b[len(b)-tail:] {
		add(' ', l)
	}
	return numbered(out)
}

// numbered brings the lines between two that were kept into the order in which
// people read them, and counts.
func numbered(lines []diffLine) []diffLine {
	section := ""
	for i := 0; i < len(lines); {
		end := i
		for end < len(lines) && lines[end].op != ' ' {
			end++
		}
		copy(lines[i:end], tidied(lines[i:end], section))
		if end < len(lines) {
			section = lines[end].section
		}
		i = end + 1
	}
	before, after := 0, 0
	for i, l := range lines {
		lines[i].before, lines[i].after = before, after
		if l.op != '+' {
			before++
		}
		if l.op != '-' {
			after++
		}
	}
	return lines
}

// tidied puts what changed in the section that a block begins in first, then what
// is gone, then what is new.
func tidied(block []diffLine, section string) []diffLine {
	var here, gone, added []diffLine
	for _, op := range []byte{'-', '+'} {
		still := true
		for _, l := range block {
			if l.op != op {
				continue
			}
			switch still = still && l.section == section; {
			case still:
				here = append(here, l)
			case op == '-':
				gone = append(gone, l)
			default:
				added = append(added, l)
			}
		}
	}
	return slices.Concat(here, gone, added)
}

// sectioned names the section of every line: its heading and those above it.
func sectioned(lines []textLine) []diffLine {
	out := make([]diffLine, 0, len(lines))
	var path [7]string
	section := ""
	for _, l := range lines {
		text := l.text
		if l.level > 0 && l.level < len(path) {
			text = strings.Repeat("#", l.level) + " " + l.text
			path[l.level] = l.text
			clear(path[l.level+1:])
			section = strings.Join(slices.DeleteFunc(slices.Clone(path[:]), func(s string) bool { return s == "" }), " > ")
		}
		out = append(out, diffLine{text: text, section: section})
	}
	return out
}

// shortest is the algorithm of Myers, "An O(ND) Difference Algorithm and Its
// Variations" (1986): the steps from a to b, of which the fewest are no keeping.
func shortest(a, b []diffLine) []byte {
	most := min(len(a)+len(b), maxEdits)
	far := make([]int, 2*most+3) // how far each diagonal has come
	at := most + 1
	var trace [][]int
	for d := 0; d <= most; d++ {
		for k := -d; k <= d; k += 2 {
			x := far[at+k-1] + 1
			if k == -d || k != d && far[at+k-1] < far[at+k+1] {
				x = far[at+k+1]
			}
			for x < len(a) && x-k < len(b) && a[x].text == b[x-k].text {
				x++
			}
			far[at+k] = x
			if x >= len(a) && x-k >= len(b) {
				return steps(trace, len(a), len(b))
			}
		}
		trace = append(trace, slices.Clone(far[at-d:at+d+1]))
	}
	return append([]byte(strings.Repeat("-", len(a))), strings.Repeat("+", len(b))...)
}

// steps walks back from the end to what led there.
func steps(trace [][]int, x, y int) []byte {
	var out []byte
	for d := len(trace); d > 0; d-- {
		far := func(k int) int { return trace[d-1][k+d-1] }
		k := x - y
		from, op := k-1, byte('-')
		if k == -d || k != d && far(k-1) < far(k+1) {
			from, op = k+1, '+'
		}
		fromX := far(from)
		fromY := fromX - from
		for x > fromX && y > fromY {
			out = append(out, ' ')
			x, y = x-1, y-1
		}
		out = append(out, op)
		x, y = fromX, fromY
	}
	for range x {
		out = append(out, ' ')
	}
	slices.Reverse(out)
	return out
}

// around a change, so many lines that stayed are shown.
const contextLines = 2

// sectionDiff is what changed in one section.
type sectionDiff struct {
	Heading string `json:"heading" jsonschema_description:"The section, with the headings above it: Plan > Risks; empty before the first heading."`
	Added   int    `json:"added" jsonschema_description:"How many lines were added."`
	Removed int    `json:"removed" jsonschema_description:"How many lines were taken away."`
	Diff    string `json:"diff,omitempty" jsonschema_description:"Unified diff of the section: lines with + are new, lines with - are gone."`
}

// bySection gives the sections with changes, in the order of the text, each with
// its unified diff.
func bySection(lines []diffLine) []sectionDiff {
	shown := make([]bool, len(lines))
	for i, l := range lines {
		if l.op == ' ' {
			continue
		}
		for j := max(0, i-contextLines); j <= min(len(lines)-1, i+contextLines); j++ {
			shown[j] = shown[j] || lines[j].section == l.section
		}
	}
	out := []sectionDiff{}
	texts := map[string]*strings.Builder{}
	for i := 0; i < len(lines); {
		end := i + 1
		for end < len(lines) && shown[end] && shown[i] && lines[end].section == lines[i].section {
			end++
		}
		if section := lines[i].section; shown[i] {
			if texts[section] == nil {
				texts[section] = &strings.Builder{}
				out = append(out, sectionDiff{Heading: section})
			}
			at := slices.IndexFunc(out, func(s sectionDiff) bool { return s.Heading == section })
			added, removed := hunk(texts[section], lines[i:end])
			out[at].Added += added
			out[at].Removed += removed
		}
		i = end
	}
	for i := range out {
		out[i].Diff = texts[out[i].Heading].String()
	}
	return out
}

// hunk writes lines that follow each other as one hunk of a unified diff.
func hunk(b *strings.Builder, lines []diffLine) (added, removed int) {
	var text strings.Builder
	for _, l := range lines {
		switch l.op {
		case '+':
			added++
		case '-':
			removed++
		}
		text.WriteString(string(l.op) + l.text + "\n")
	}
	kept := len(lines) - added - removed
	fmt.Fprintf(b, "@@ -%s +%s @@\n%s", span(lines[0].before, kept+removed), span(lines[0].after, kept+added), text.String())
	return added, removed
}

// span is a range of lines as hunks write it.
func span(before, n int) string {
	if n == 0 {
		return fmt.Sprintf("%d,0", before)
	}
	return fmt.Sprintf("%d,%d", before+1, n)
}
