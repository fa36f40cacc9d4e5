package trigger

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sluice-run/sluice/internal/event"
)

// A payload that is too large keeps what is small in it, and says what was left out.
func TestFit(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", event.MaxPayload)
	exact := json.RawMessage(`"` + strings.Repeat("x", event.MaxPayload-2) + `"`)
	if got := fit(exact); string(got) != string(exact) {
		t.Error("a payload of the largest size was changed")
	}
	large := json.RawMessage(fmt.Sprintf(`{"resource":{"id":"1","body":%q,"n":7,"labels":["a"]},"note":null}`, long))
	want := `{"note":null,"resource":{"id":"1","n":7},"truncated":{"fields":["resource.body","resource.labels"]}}`
	var doc map[string]any
	if err := json.Unmarshal(fit(large), &doc); err != nil {
		t.Fatal(err)
	}
	word := doc["truncated"].(map[string]any)
	if !strings.Contains(word["reason"].(string), "256 KB") {
		t.Errorf("why: %v", word["reason"])
	}
	delete(word, "reason")
	fields := word["fields"].([]any)
	if len(fields) == 2 && fields[0] == "resource.labels" { // maps have no order
		fields[0], fields[1] = fields[1], fields[0]
	}
	got, err := json.Marshal(doc)
	if diff := cmp.Diff(want, string(got)); err != nil || diff != "" {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
	// So many small fields that not even they fit, and names that are long themselves.
	many := map[string]any{}
	for i := range 2000 {
		many[fmt.Sprint(i)] = long[:200]
	}
	crowd, err := json.Marshal(many)
	if err != nil {
		t.Fatal(err)
	}
	if short := fit(crowd); len(short) > event.MaxPayload || !strings.Contains(string(short), `"truncated"`) || !json.Valid(short) {
		t.Errorf("%d bytes of %d", len(short), len(crowd))
	}
}
