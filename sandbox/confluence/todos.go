package confluence

// todo is a task in a body.
type todo struct{}
