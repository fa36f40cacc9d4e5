package confluence

// anchor is where an inline comment stands.
type anchor struct{}
