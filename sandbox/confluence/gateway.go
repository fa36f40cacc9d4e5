package confluence

// removed is a call that left the v1 document: the site may still serve it.
func (s *Sandbox) removed(e endpoint) endpoint {
	if s.opts.V1Removed {
		return gone
	}
	return e
}
