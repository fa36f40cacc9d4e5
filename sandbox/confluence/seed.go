package confluence

// Seed
func (s *Sandbox) Seed() {}
