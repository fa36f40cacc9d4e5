package offline

import (
	"go/ast"
	"go/constant"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"os"
	"regexp"
	"strings"
	"testing"
)

// A pattern is compiled at its first use, so a wrong one would be found by the
// person who says its sentence. This reads the source and compiles them all.
func TestEveryPatternCompiles(t *testing.T) {
	fset := token.NewFileSet()
	entries, err := os.ReadDir(".")
	if err != nil {
		t.Fatal(err)
	}
	var files []*ast.File
	for _, e := range entries {
		if name := e.Name(); strings.HasSuffix(name, ".go") && !strings.HasSuffix(name, "_test.go") {
			f, err := parser.ParseFile(fset, name, nil, parser.SkipObjectResolution)
			if err != nil {
				t.Fatal(err)
			}
			files = append(files, f)
		}
	}
	info := &types.Info{Types: map[ast.Expr]types.TypeAndValue{}}
	// Other packages are not needed to know the constants of this one.
	conf := types.Config{Importer: importer.Default(), IgnoreFuncBodies: true, Error: func(error) {}}
	_, _ = conf.Check("offline", fset, files, info)
	found := 0
	for _, f := range files {
		for _, d := range f.Decls {
			if g, ok := d.(*ast.GenDecl); !ok || g.Tok != token.VAR {
				continue
			}
			ast.Inspect(d, func(n ast.Node) bool {
				call, ok := n.(*ast.CallExpr)
				if !ok {
					return true
				}
				name, ok := call.Fun.(*ast.Ident)
				if !ok || (name.Name != "re" && name.Name != "exact") {
					return true
				}
				value := info.Types[call.Args[0]].Value
				if value == nil {
					t.Errorf("%s: the expression is no constant", fset.Position(call.Pos()))
					return true
				}
				found++
				if _, err := regexp.Compile(constant.StringVal(value)); err != nil {
					t.Errorf("%s: %v", fset.Position(call.Pos()), err)
				}
				return true
			})
		}
	}
	if found < 100 {
		t.Errorf("only %d patterns were found in the source", found)
	}
}
