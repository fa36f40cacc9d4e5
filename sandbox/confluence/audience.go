package confluence

import "time"

// viewing counts an account's views of a content within an hour.
type viewing struct {
	hour    time.Time
	account string // "" for somebody who is not signed in
	n       int
	last    time.Time
}
