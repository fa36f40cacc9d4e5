package confluence

import (
	"strings"
	"time"
)

// sampled makes a trigger's Sample of a function that moves the example to where a
// configuration watches.
func sampled[Cfg, P any, E interface {
	*P
	base() *happened
}](shape func(cfg Cfg, e E),
) func(Cfg, P, time.Time) P {
	return func(cfg Cfg, payload P, at time.Time) P {
		h := E(&payload).base()
		h.OccurredAt = stampOf(at)
		if h.Resource.Version != nil {
			h.Resource.Version.CreatedAt = h.OccurredAt
		}
		shape(cfg, E(&payload))
		return payload
	}
}

// base gives the beginning of a payload.
func (h *happened) base() *happened { return h }

// be makes the resource the page, blog post or space with the id.
func (r *eventResource) be(id string) {
	if id == "" || id == r.ID {
		return
	}
	if r.Type == "space" {
		r.SpaceID, r.SpaceKey, r.URL = id, "", "" // of that space we know the id alone
	} else {
		r.URL = strings.ReplaceAll(r.URL, r.ID, id)
	}
	r.ID = id
}

// lieIn puts a page or blog post into the space with the id. Its key is not known,
// and an address is one without it.
func (r *eventResource) lieIn(spaceID string) {
	if spaceID == "" || spaceID == r.SpaceID {
		return
	}
	r.SpaceID, r.SpaceKey = spaceID, ""
	if r.URL != "" {
		r.URL = "https://example.atlassian.net/wiki/pages/viewpage.action?pageId=" + r.ID
	}
}

// lieUnder puts the resource under, or on, the content with the id.
func (r *eventResource) lieUnder(id string) {
	if id == "" {
		return
	}
	if r.ParentID != "" {
		r.URL = strings.ReplaceAll(r.URL, r.ParentID, id)
	}
	r.ParentID = id
}

// mediaExample gives a type that fits one as a configuration has it: image/* means
// a whole group.
func mediaExample(want, otherwise string) string {
	group, whole := strings.CutSuffix(want, "/*")
	switch {
	case want == "":
		return otherwise
	case !whole:
		return want
	}
	if one := map[string]string{"application": "pdf", "audio": "mpeg", "image": "png", "text": "plain", "video": "mp4"}[group]; one != "" {
		return group + "/" + one
	}
	return group + "/x-example"
}
