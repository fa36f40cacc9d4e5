package confluence

// audience is who likes, watches, favours and views a content or a space.
type audience struct {
	likes      []string // account ids, in order of liking
	watchers   []string
	favourites []string
}
