package config

import (
	"slices"
	"strings"
)

// Unknown is a variable that begins as ours do and that nobody reads.
type Unknown struct {
	Name string
	Near string // the variable that was perhaps meant, or ""
}

// UnknownVariables gives the variables of an environment, NAME=value, that begin
// with SLUICE_, are not empty, and are neither settings nor among others.
func UnknownVariables(environ []string, others ...string) []Unknown {
	known := append([]string{envPrefix + "CONFIG"}, others...)
	for _, s := range settings() {
		if s.env != "" {
			known = append(known, envPrefix+s.env)
		}
	}
	var out []Unknown
	for _, v := range environ {
		name, value, _ := strings.Cut(v, "=")
		if value == "" || !strings.HasPrefix(name, envPrefix) || slices.Contains(known, name) {
			continue
		}
		u := Unknown{Name: name}
		most := 0
		for _, k := range known {
			n := shared(strings.TrimPrefix(name, envPrefix), strings.TrimPrefix(k, envPrefix))
			if n > most && 3*n >= 2*(max(len(name), len(k))-len(envPrefix)) {
				u.Near, most = k, n
			}
		}
		out = append(out, u)
	}
	slices.SortFunc(out, func(a, b Unknown) int { return strings.Compare(a.Name, b.Name) })
	return out
}
