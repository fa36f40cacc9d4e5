package conformance

import (
	"cmp"
	"fmt"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
)

// pass is one run of a suite over one endpoint.
type pass struct {
	name string // as expected.yaml spells it: endpoint/run
	got  map[string][]check
	want []string // scenarios that must have been run
}

// expectation is an entry of expected.yaml: what does not pass, where, and why.
type expectation struct {
	Reason string `yaml:"reason"`
	// Where lists passes; empty means every pass.
	Where []string `yaml:"where"`
	// Scenarios are scenario or scenario:check-id; the latter excuses one check.
	Scenarios []string `yaml:"scenarios"`
}

// Scenarios that must run beside the required ones of a revision.
var (
	extraLegacy = []string{"server-session-lifecycle", "json-schema-2020-12"}
	extraModern = []string{"json-schema-2020-12", "http-header-validation", "http-custom-header-server-validation"}
)

// mayFail names, by endpoint, the scenarios that expected.yaml may excuse as a
// whole. An ordinary session must pass what needs no fixture; the fixtures must
// pass everything but what Sluice has no primitive for.
var mayFail = map[string]*regexp.Regexp{
	"real": regexp.MustCompile(`^(tools-call-|elicitation-|completion-|prompts-get-|resources-(read|templates|subscribe|unsubscribe)|json-schema-|` +
		`http-custom-header-|tasks-|input-required-result-(basic|request-state|multi|missing|non-tool|result-type|tampered|capability|ignore))`),
	"fixture": regexp.MustCompile(`^(completion-|prompts-get-|resources-(read|templates|subscribe|unsubscribe)|tools-call-(sampling|with-logging)$|tasks-|` +
		`input-required-result-(basic-sampling|basic-list-roots|multiple-input-requests|capability-check|non-tool-request)$)`),
}

func TestConformance(t *testing.T) {
	released, preview := suites(t)
	var passes []pass
	for _, endpoint := range []struct{ name, url string }{
		{"real", boot(t, ordinary).proxied},
		{"fixture", boot(t, fixtureOnly, fixtures()).proxied},
	} {
		passes = append(passes,
			pass{name: endpoint.name + "/0.1.16", got: released.server(t, endpoint.url, "--suite", "all")},
			pass{
				name: endpoint.name + "/2025-11-25", want: append(preview.required(t, "2025-11-25"), extraLegacy...),
				got: preview.server(t, endpoint.url, "--requirements", "2025-11-25"),
			},
			pass{
				name: endpoint.name + "/2026-07-28", want: append(preview.required(t, "2026-07-28"), extraModern...),
				got: preview.server(t, endpoint.url, "--requirements", "2026-07-28"),
			})
	}
	judge(t, passes, expectations(t))
}

func expectations(t *testing.T) []expectation {
	t.Helper()
	data, err := os.ReadFile("expected.yaml")
	must(t, err)
	var list []expectation
	must(t, yaml.UnmarshalWithOptions(data, &list, yaml.Strict()))
	for _, e := range list {
		if len(strings.Fields(e.Reason)) < 4 {
			t.Errorf("expected.yaml: %v need a reason", e.Scenarios)
		}
	}
	return list
}

// verdict sums up a scenario of a pass.
type verdict struct {
	good, bad int
	failures  []check
}

func judgeScenario(checks []check) verdict {
	var v verdict
	for _, c := range checks {
		switch c.Status {
		case "SUCCESS":
			v.good++
		case "FAILURE", "WARNING": // a SHOULD that is not met needs its reason too
			v.bad++
			v.failures = append(v.failures, c)
		}
	}
	return v
}

// judge compares every scenario with what is expected and prints a table. A
// scenario without a check that was passed counts as failed; an expectation
// that no longer holds fails too.
func judge(t *testing.T, passes []pass, list []expectation) {
	used := map[string]bool{}
	excused := func(where, scenario string) bool {
		hit := false
		for i, e := range list {
			if slices.Contains(e.Scenarios, scenario) && (len(e.Where) == 0 || slices.Contains(e.Where, where)) {
				used[fmt.Sprintf("%d %s %s", i, where, scenario)] = true
				hit = true
			}
		}
		return hit
	}
	var table strings.Builder
	fmt.Fprintf(&table, "\n%-22s %9s %9s %9s %9s\n", "pass", "scenarios", "passed", "excused", "checks")
	for _, p := range passes {
		names := slices.Sorted(maps.Keys(p.got))
		for _, w := range p.want {
			if _, ran := p.got[w]; !ran {
				names = append(names, w)
			}
		}
		passed, excuses, checks := 0, 0, 0
		for _, name := range names {
			v := judgeScenario(p.got[name])
			checks += v.good
			whole := excused(p.name, name)
			switch {
			case whole && v.bad == 0 && v.good > 0:
				t.Errorf("%s: %s passes: take it out of expected.yaml", p.name, name)
			case whole:
				excuses++
				if endpoint, _, _ := strings.Cut(p.name, "/"); !mayFail[endpoint].MatchString(name) {
					t.Errorf("%s: %s may not be excused", p.name, name)
				}
			case v.good+v.bad == 0:
				t.Errorf("%s: %s made no check", p.name, name)
			default:
				left := slices.DeleteFunc(v.failures, func(c check) bool { return excused(p.name, name+":"+c.ID) })
				for _, c := range left {
					t.Errorf("%s: %s: %s: %s", p.name, name, c.ID, cmp.Or(c.ErrorMessage, "failed"))
				}
				if len(left) == 0 {
					passed++
				}
			}
		}
		fmt.Fprintf(&table, "%-22s %9d %9d %9d %9d\n", p.name, len(names), passed, excuses, checks)
	}
	for i, e := range list {
		for _, s := range e.Scenarios {
			if !slices.ContainsFunc(slices.Collect(maps.Keys(used)), func(k string) bool {
				return strings.HasPrefix(k, fmt.Sprintf("%d ", i)) && strings.HasSuffix(k, " "+s)
			}) {
				t.Errorf("expected.yaml: %s did not happen: take it out", s)
			}
		}
	}
	t.Log(table.String())
}
