package trigger

import (
	"encoding/json"

	"github.com/sluice-run/sluice/internal/event"
)

// maxField is how long a text may be that is kept of a payload that is too large.
const maxField = 1 << 10

// fit gives the payload, or, of one that is larger than an event may be, what is
// small in it, with a word of what was left out.
func fit(payload json.RawMessage) json.RawMessage {
	if len(payload) <= event.MaxPayload {
		return payload
	}
	var doc map[string]any
	if err := json.Unmarshal(payload, &doc); err != nil {
		return payload // Publish refuses it
	}
	var cut []string
	doc = shorten(doc, "", &cut, 0)
	doc["truncated"] = map[string]any{
		"reason": "the event was larger than 256 KB; read the rest from the application", "fields": cut[:min(len(cut), 100)],
	}
	short, err := json.Marshal(doc)
	if err != nil || len(short) > event.MaxPayload {
		short, _ = json.Marshal(map[string]any{"truncated": doc["truncated"]}) //nolint:errchkjson // texts only
	}
	return short
}

// shorten drops long texts, lists and what is deep down.
func shorten(doc map[string]any, at string, cut *[]string, depth int) map[string]any {
	out := make(map[string]any, len(doc))
	for k, v := range doc {
		switch v := v.(type) {
		case map[string]any:
			if depth < 3 {
				out[k] = shorten(v, at+k+".", cut, depth+1)
				continue
			}
		case string:
			if len(v) <= maxField {
				out[k] = v
				continue
			}
		case []any:
		default:
			out[k] = v
			continue
		}
		*cut = append(*cut, at+k)
	}
	return out
}
