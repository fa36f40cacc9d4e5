package confluence

import (
	"fmt"
	"strings"
)

// The words of generated pages.
var (
	manyTopics = []string{"battery", "billing", "brakes", "catalogue", "charging", "deployment", "firmware", "frame", "gears", "hiring", "import", "latency", "lighting", "logistics", "marketing", "motor", "onboarding", "packaging", "payments", "pricing", "quality", "recall", "returns", "roadmap", "safety", "search", "sensor", "support", "testing", "warehouse"}
	manyKinds  = []string{"plan", "review", "notes", "checklist", "decision", "retrospective", "specification"}
	manyLabels = []string{"draft-idea", "needs-review", "approved", "outdated"}
)

// perSpace is how many pages SeedMany puts into a space.
const perSpace = 2_500

// SeedMany fills the site with n generated pages, always the same ones, in the
// spaces LOAD0, LOAD1 and so on with up to 2,500 each: for load tests and lists
// that do not end. Every page has a heading and a paragraph, stands under
// one of its space's fifty section pages, and may have a label. It fails where
// the site is full or has such spaces already.
func (s *Sandbox) SeedMany(n int) error {
	s.mu.Lock()
	defer s.unlock()
	author := s.st.addUser(User{AccountID: "712020:" + uuidOf("seed/many"), Email: "generator@fernweh.example", DisplayName: "Generator"}).AccountID
	now := s.now()
	var sp *space
	var sections []int64
	for i := range n {
		if i%perSpace == 0 {
			made, err := s.st.createSpace(spaceIn{key: fmt.Sprintf("LOAD%d", i/perSpace), name: fmt.Sprintf("Load %d", i/perSpace), authorID: author}, now)
			if err != nil {
				return fmt.Errorf("seeding %d pages: %w", n, err)
			}
			sp, sections = made, nil
		}
		topic, kind := manyTopics[i%len(manyTopics)], manyKinds[(i/len(manyTopics))%len(manyKinds)]
		title := fmt.Sprintf("%s %s %d", strings.ToUpper(topic[:1])+topic[1:], kind, i)
		src := fmt.Sprintf("<h1>%s</h1><p>The %s %s number %d was written by team %d for release %d; see the %s.</p>", title, topic, kind, i, i%13, i%52, manyTopics[(i*7)%len(manyTopics)])
		b, err := storageOf(src, title)
		if err != nil {
			return fmt.Errorf("seeding %q: %w", title, err)
		}
		in := draftIn{typ: typePage, spaceID: sp.id, title: title, body: b, authorID: author}
		if len(sections) == 50 {
			in.parentID = sections[i%50]
		}
		x, err := s.st.create(in, now)
		if err != nil {
			return fmt.Errorf("seeding %q: %w", title, err)
		}
		if len(sections) < 50 {
			sections = append(sections, x.id)
		}
		if i%5 == 0 {
			s.st.addLabel(x, "global", manyLabels[(i/5)%len(manyLabels)])
		}
	}
	return nil
}
