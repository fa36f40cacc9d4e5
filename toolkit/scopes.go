package toolkit

import "slices"

// Scopes are the permissions a tool needs: every element of All, where an
// element with several names asks for any one of them, as an application has it
// that knows old and new names for the same permission.
type Scopes struct {
	All [][]string
	// Some are needed for some arguments only, in the form of All. A call is
	// not refused for want of them beforehand: it may do without.
	Some [][]string
}

// AllOf needs every one of the scopes.
func AllOf(scopes ...string) Scopes {
	var s Scopes
	for _, one := range scopes {
		s.All = append(s.All, []string{one})
	}
	return s
}

// AnyOf adds a need for one of the scopes.
func (s Scopes) AnyOf(scopes ...string) Scopes {
	s.All = append(slices.Clone(s.All), scopes)
	return s
}

// Sometimes adds a need for one of the scopes that only some arguments bring.
func (s Scopes) Sometimes(scopes ...string) Scopes {
	s.Some = append(slices.Clone(s.Some), scopes)
	return s
}

// Names gives every scope that is mentioned, in order, once.
func (s Scopes) Names() []string {
	var names []string
	for _, need := range slices.Concat(s.All, s.Some) {
		for _, n := range need {
			if !slices.Contains(names, n) {
				names = append(names, n)
			}
		}
	}
	return names
}

// Missing gives the needs of All that the granted scopes do not meet: of each
// element any one name would do. It is empty when granted is enough for a call
// whose arguments bring no need of Some.
func (s Scopes) Missing(granted []string) [][]string {
	var missing [][]string
	for _, need := range s.All {
		if !slices.ContainsFunc(need, func(n string) bool { return slices.Contains(granted, n) }) {
			missing = append(missing, need)
		}
	}
	return missing
}
