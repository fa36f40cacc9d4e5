package client_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestGuide keeps docs/go-client.md true: what it shows of Go is in an example,
// word for word, and so compiles and runs.
func TestGuide(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile(filepath.Join("..", "docs", "go-client.md"))
	must(t, err)
	files, err := filepath.Glob("example*_test.go")
	must(t, err)
	var examples strings.Builder
	for _, name := range files {
		b, err := os.ReadFile(name)
		must(t, err)
		examples.WriteString(unindented(string(b)))
	}
	blocks := strings.Split(string(page), "```go\n")[1:]
	for _, block := range blocks {
		code, _, _ := strings.Cut(block, "```")
		if !strings.Contains(examples.String(), unindented(code)) {
			t.Errorf("no example has:\n%s", code)
		}
	}
	if len(blocks) < 5 {
		t.Errorf("the guide shows %d pieces of Go", len(blocks))
	}
}

// unindented is a text without the space around its lines.
func unindented(text string) string {
	lines := strings.Split(text, "\n")
	for i, l := range lines {
		lines[i] = strings.TrimSpace(l)
	}
	return strings.Join(lines, "\n")
}
