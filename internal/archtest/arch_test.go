package archtest

import (
	"fmt"
	"go/ast"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"
)

func report(t *testing.T, rule func(source) []string) {
	t.Helper()
	for _, s := range mustSources(t) {
		for _, fault := range rule(s) {
			t.Errorf("%s: %s", s.name, fault)
		}
	}
}

func TestImports(t *testing.T)      { report(t, importRule) }
func TestDependencies(t *testing.T) { report(t, dependencyRule) }
func TestNoInit(t *testing.T)       { report(t, initRule) }
func TestNoSleep(t *testing.T)      { report(t, sleepRule) }
func TestFileSize(t *testing.T)     { report(t, sizeRule) }
func TestOneWayOut(t *testing.T)    { report(t, clientRule) }
func TestNoDotImports(t *testing.T) { report(t, dotRule) }
func TestPackageDocs(t *testing.T) {
	documented := make(map[string]bool)
	for _, s := range mustSources(t) {
		if !s.test {
			documented[s.pkg] = documented[s.pkg] || s.file.Doc != nil
		}
	}
	for pkg, ok := range documented {
		if !ok {
			t.Errorf("%s: no package comment: say what the package is for in doc.go", pkg)
		}
	}
}

// importRule holds a file to its package's row.
func importRule(s source) []string {
	may, own, known := roomOf(s.pkg)
	if !known {
		return []string{"package " + s.pkg + " is not in the architecture table"}
	}
	var out []string
	for _, target := range s.paths {
		in, ours := strings.CutPrefix(target, module+"/")
		if !ours || in == s.pkg || fits(in, may, own) {
			continue
		}
		if s.test && testMayImport(s.pkg, in, own) {
			continue
		}
		out = append(out, fmt.Sprintf("%s may not import %s", s.pkg, in))
	}
	return out
}

// testMayImport is the looser rule of tests: anything below, and what helps.
func testMayImport(pkg, in, own string) bool {
	if strings.HasPrefix(pkg, "sandbox/") {
		return false // the judge of the toolkits must not lean on them, in tests either
	}
	if in == "internal/cli" {
		return false
	}
	return fits(in, testsMay, own)
}

// dependencyRule holds third-party imports to their owners.
func dependencyRule(s source) []string {
	inTest := s.test || fits(s.pkg, testPackages, "")
	var out []string
	for _, target := range s.paths {
		first, _, _ := strings.Cut(target, "/")
		if !strings.Contains(first, ".") || strings.HasPrefix(target, module+"/") {
			continue
		}
		may, known := ownerOf(target)
		switch {
		case !known:
			out = append(out, target+" has no owner in the table")
		case fits(s.pkg, may, ""), inTest && fits("tests", may, ""):
		case s.test && strings.HasPrefix(may, "internal/"):
			// A test may look at its subject with the subject's own library
			// only in the owner's package.
			out = append(out, target+" belongs to "+may+", for tests too")
		default:
			out = append(out, target+" belongs to "+may)
		}
	}
	return out
}

func ownerOf(target string) (may string, known bool) {
	longest := 0
	for _, o := range owners {
		if (target == o.dep || strings.HasPrefix(target, o.dep+"/")) && len(o.dep) > longest {
			may, known, longest = o.may, true, len(o.dep)
		}
	}
	return may, known
}

func initRule(s source) []string {
	for _, d := range s.file.Decls {
		if f, ok := d.(*ast.FuncDecl); ok && f.Recv == nil && f.Name.Name == "init" {
			return []string{"init() hides what a program does at start: call a function from where it is wired"}
		}
	}
	return nil
}

// sleepRule: a test that sleeps is slow or flaky, mostly both. Under synctest
// time is not real, and sleeping is how it passes.
func sleepRule(s source) []string {
	if !s.test && !fits(s.pkg, testPackages, "") {
		return nil
	}
	if _, fake := s.names["synctest"]; fake {
		return nil
	}
	return uses(s, "time", "Sleep", "time.Sleep in a test: wait for a channel, or use testing/synctest")
}

var generated = regexp.MustCompile(`(?m)^// Code generated .* DO NOT EDIT\.$`)

func sizeRule(s source) []string {
	if lines := strings.Count(s.text, "\n"); lines > maxLines && !generated.MatchString(s.text) {
		return []string{fmt.Sprintf("%d lines, more than %d: a file holds one thing", lines, maxLines)}
	}
	return nil
}

// clientRule: traffic that does not pass httpx is not guarded.
func clientRule(s source) []string {
	if s.test || fits(s.pkg, ownClients, "") || fits(s.name, ownClients, "") {
		return nil
	}
	var out []string
	for _, name := range []string{"DefaultClient", "DefaultTransport", "Get", "Post", "PostForm", "Head", "Transport"} {
		out = append(out, uses(s, "net/http", name, "http."+name+" goes around the guard: take a client of internal/httpx")...)
	}
	ast.Inspect(s.file, func(n ast.Node) bool {
		if lit, ok := n.(*ast.CompositeLit); ok && isSelector(s, lit.Type, "net/http", "Client") {
			out = append(out, "http.Client{} goes around the guard: take a client of internal/httpx")
		}
		return true
	})
	return out
}

func dotRule(s source) []string {
	if target, dot := s.names["."]; dot {
		return []string{"dot import of " + target}
	}
	return nil
}

func uses(s source, pkg, name, fault string) []string {
	var out []string
	ast.Inspect(s.file, func(n ast.Node) bool {
		if e, ok := n.(ast.Expr); ok && isSelector(s, e, pkg, name) {
			out = append(out, fmt.Sprintf("line %d: %s", s.fset.Position(e.Pos()).Line, fault))
		}
		return true
	})
	return out
}

func isSelector(s source, e ast.Expr, pkg, name string) bool {
	sel, ok := e.(*ast.SelectorExpr)
	if !ok || sel.Sel.Name != name {
		return false
	}
	id, ok := sel.X.(*ast.Ident)
	return ok && s.names[id.Name] == pkg
}

// TestModule checks go.mod: no replace, so that go install works, and SQLite
// with the very libc that it was built against; another one corrupts memory.
func TestModule(t *testing.T) {
	text, err := os.ReadFile(root + "/go.mod")
	if err != nil {
		t.Fatal(err)
	}
	if regexp.MustCompile(`(?m)^\s*replace\b`).Match(text) {
		t.Error("go.mod has a replace: go install would refuse the module")
	}
	ours := versionOf(string(text), "modernc.org/libc")
	out, err := exec.CommandContext(t.Context(), "go", "list", "-m", "-f", "{{.GoMod}}", "modernc.org/sqlite").Output()
	if err != nil {
		t.Fatalf("finding the go.mod of modernc.org/sqlite: %v", err)
	}
	theirs, err := os.ReadFile(strings.TrimSpace(string(out)))
	if err != nil {
		t.Fatal(err)
	}
	if want := versionOf(string(theirs), "modernc.org/libc"); want == "" || ours != want {
		t.Errorf("modernc.org/libc is %q, but modernc.org/sqlite was built against %q: go get modernc.org/libc@%s", ours, want, want)
	}
}

func versionOf(goMod, dep string) string {
	m := regexp.MustCompile(`(?m)^\s*(?:require\s+)?` + regexp.QuoteMeta(dep) + `\s+(v\S+)`).FindStringSubmatch(goMod)
	if m == nil {
		return ""
	}
	return m[1]
}
