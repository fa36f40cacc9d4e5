package archtest

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

const root = "../.."

// source is one Go file of ours.
type source struct {
	name  string // from the root, with slashes
	pkg   string // its folder
	test  bool
	text  string
	file  *ast.File
	fset  *token.FileSet
	paths []string          // all imports
	names map[string]string // by the name used in the file: import path
}

// sources reads every Go file of the module once.
var sources = sync.OnceValues(func() ([]source, error) { return readAll(root) })

func readAll(root string) ([]source, error) {
	var out []source
	err := filepath.WalkDir(root, func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			if p != root && foreign(p, d.Name()) {
				return fs.SkipDir
			}
			return nil
		}
		if !strings.HasSuffix(p, ".go") {
			return nil
		}
		rel, err := filepath.Rel(root, p)
		if err != nil {
			return err
		}
		s, err := parse(filepath.ToSlash(rel), p)
		if err != nil {
			return err
		}
		out = append(out, s)
		return nil
	})
	return out, err
}

// foreign says whether a folder is not part of the module.
func foreign(p, name string) bool {
	if strings.HasPrefix(name, ".") || strings.HasPrefix(name, "_") || name == "node_modules" || name == "testdata" {
		return true
	}
	_, err := os.Stat(filepath.Join(p, "go.mod"))
	return err == nil
}

func parse(name, file string) (source, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return source{}, err
	}
	return parseText(name, string(text))
}

func parseText(name, text string) (source, error) {
	fset := token.NewFileSet()
	f, err := parser.ParseFile(fset, name, text, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		return source{}, err
	}
	s := source{
		name: name, pkg: path.Dir(name), test: strings.HasSuffix(name, "_test.go"),
		text: text, file: f, fset: fset, names: make(map[string]string),
	}
	for _, im := range f.Imports {
		target := strings.Trim(im.Path.Value, `"`)
		s.paths = append(s.paths, target)
		used := path.Base(target)
		if im.Name != nil {
			used = im.Name.Name
		}
		s.names[used] = target
	}
	return s, nil
}

// fits says whether pkg is one of the patterns in list, which are separated by
// spaces. own stands for the folder that "own" means; it may be empty.
func fits(pkg, list, own string) bool {
	for pattern := range strings.FieldsSeq(list) {
		if pattern == "own" {
			if own != "" && (pkg == own || strings.HasPrefix(pkg, own+"/")) {
				return true
			}
			continue
		}
		if match(pattern, pkg) {
			return true
		}
	}
	return false
}

// match compares folder by folder: * is one, a last ** one or more.
func match(pattern, pkg string) bool {
	if pattern == "*" {
		return true
	}
	want, have := strings.Split(pattern, "/"), strings.Split(pkg, "/")
	for i, w := range want {
		if w == "**" {
			return len(have) > i
		}
		if i >= len(have) || (w != "*" && w != have[i]) {
			return false
		}
	}
	return len(want) == len(have)
}

// roomOf gives the row of a package and its own folder: the part of its path
// that the row's pattern spells without **.
func roomOf(pkg string) (may, own string, known bool) {
	for _, r := range rooms {
		if !match(r.pkg, pkg) {
			continue
		}
		fixed := strings.Count(strings.TrimSuffix(r.pkg, "/**"), "/") + 1
		return r.may, strings.Join(strings.Split(pkg, "/")[:fixed], "/"), true
	}
	return "", "", false
}

func mustSources(t *testing.T) []source {
	t.Helper()
	all, err := sources()
	if err != nil {
		t.Fatal(err)
	}
	if len(all) < 20 {
		t.Fatalf("only %d Go files found: the walk is broken", len(all))
	}
	return all
}
