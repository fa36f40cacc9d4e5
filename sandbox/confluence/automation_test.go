package confluence_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/sluice-run/sluice/sandbox/confluence"
)

// A rule sends what its author wrote, with the values of what happened, for what it
// is about and for nothing else.
func TestRules(t *testing.T) {
	t.Parallel()
	type arrival struct{ method, secret, kind, body string }
	var arrived []arrival
	target := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		arrived = append(arrived, arrival{r.Method, r.Header.Get("X-Webhook-Secret"), r.Header.Get("Content-Type"), string(body)})
		if strings.Contains(string(body), "Second") {
			w.WriteHeader(http.StatusTeapot)
		}
	}))
	t.Cleanup(target.Close)
	site := confluence.NewServer(confluence.Options{})
	t.Cleanup(site.Close)
	me := site.AddUser(confluence.User{Email: "tess@acme.example", DisplayName: "Tess", Admin: true})
	api := func(method, path, body string) map[string]any {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), method, site.URL+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		req.SetBasicAuth(me.Email, me.Token)
		req.Header.Set("Content-Type", "application/json")
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = resp.Body.Close() }()
		var out map[string]any
		text, _ := io.ReadAll(resp.Body)
		if resp.StatusCode >= 300 {
			t.Fatalf("%s %s: %s %s", method, path, resp.Status, text)
		}
		_ = json.Unmarshal(text, &out)
		return out
	}
	mkt := api("POST", "/wiki/api/v2/spaces", `{"key":"MKT","name":"Marketing"}`)["id"].(string)
	eng := api("POST", "/wiki/api/v2/spaces", `{"key":"ENG","name":"Engineering"}`)["id"].(string)
	page := func(space, title, status string) string {
		return api("POST", "/wiki/api/v2/pages", fmt.Sprintf(`{"spaceId":%q,"title":%q,"status":%q,"body":{"representation":"storage","value":"<p>x</p>"}}`, space, title, status))["id"].(string)
	}
	page(mkt, "Before", "current")
	for _, r := range []confluence.Rule{
		{
			Name: "new", On: confluence.PagePublished, URL: target.URL, Header: http.Header{"x-webhook-secret": {"s3cret"}},
			Body: `{"event":"created","type":"page","id":"{{page.id}}","title":{{page.title.asJsonString}},"in":"{{ space.key }}","no":"{{page.nothing}}{{blog.id}}"}`,
		},
		{Name: "edited", On: confluence.PageEdited, Space: "mkt", Method: http.MethodPut, URL: target.URL, Body: "{{page.id}} {{page.version}} {{now}}"},
	} {
		if err := site.AddRule(r); err != nil {
			t.Fatal(err)
		}
	}
	first := page(mkt, `A "quoted" title`, "current")
	draft := page(mkt, "Second", "draft")
	other := page(eng, "Third", "current")
	edit := func(id, title string, version int) {
		api("PUT", "/wiki/api/v2/pages/"+id, fmt.Sprintf(`{"id":%q,"status":"current","title":%q,"version":{"number":%d},"body":{"representation":"storage","value":"<p>y</p>"}}`, id, title, version))
	}
	for v := 2; v <= 11; v++ {
		edit(first, "Renamed", v)
	}
	edit(other, "Third too", 2) // in the other space
	edit(draft, "Second", 1)
	sent := site.SendRequests(t.Context(), nil)
	want := []arrival{
		{"POST", "s3cret", "application/json", fmt.Sprintf(`{"event":"created","type":"page","id":"%s","title":"A \"quoted\" title","in":"MKT","no":""}`, first)},
		{"POST", "s3cret", "application/json", fmt.Sprintf(`{"event":"created","type":"page","id":"%s","title":"Third","in":"ENG","no":""}`, other)},
	}
	for v := 2; v <= 11; v++ {
		want = append(want, arrival{"PUT", "", "application/json", fmt.Sprintf("%s %d ", first, v)})
	}
	want = append(want, arrival{"POST", "s3cret", "application/json", fmt.Sprintf(`{"event":"created","type":"page","id":"%s","title":"Second","in":"MKT","no":""}`, draft)})
	if len(arrived) != len(want) || len(sent) != len(want) {
		t.Fatalf("%d arrived, %d sent, want %d: %v", len(arrived), len(sent), len(want), arrived)
	}
	for i := range want {
		if want[i].method == "PUT" {
			if arrived[i].method != "PUT" || !strings.HasPrefix(arrived[i].body, want[i].body) {
				t.Errorf("%d: %+v, want %+v", i, arrived[i], want[i])
			}
			continue
		}
		if arrived[i] != want[i] {
			t.Errorf("%d: %+v, want %+v", i, arrived[i], want[i])
		}
	}
	if last := sent[len(sent)-1]; last.Status != http.StatusTeapot || last.Rule != "new" || last.On != confluence.PagePublished || last.Err != nil {
		t.Errorf("the answer of the last: %+v", last)
	}
	if again := site.SendRequests(t.Context(), nil); len(again) != 0 {
		t.Errorf("sent again: %v", again)
	}
	for _, bad := range []confluence.Rule{{On: "page read", URL: target.URL}, {On: confluence.PageEdited, URL: "ftp://x"}, {On: confluence.PageEdited}} {
		if site.AddRule(bad) == nil {
			t.Errorf("taken: %+v", bad)
		}
	}
	target.Close()
	page(mkt, "Fourth", "current")
	if failed := site.SendRequests(t.Context(), nil); len(failed) != 1 || failed[0].Err == nil || failed[0].Status != 0 {
		t.Errorf("without a target: %+v", failed)
	}
}

// Automate sends by itself, until it is told to stop.
func TestAutomate(t *testing.T) {
	t.Parallel()
	arrived := make(chan string, 10)
	target := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		arrived <- string(body)
	}))
	t.Cleanup(target.Close)
	site := confluence.New(confluence.Options{})
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		site.Automate(ctx, target.Client())
	}()
	for _, on := range []confluence.RuleEvent{confluence.BlogPublished, confluence.CommentAdded, confluence.AttachmentAdded} {
		if err := site.AddRule(confluence.Rule{On: on, URL: target.URL, Body: "{{blog.title}}{{comment.status}}{{attachment.title}}"}); err != nil {
			t.Fatal(err)
		}
	}
	site.Seed()
	got := map[string]bool{}
	for n := 0; len(got) < 3 && n < 10; n++ {
		select {
		case text := <-arrived:
			got[text] = true
		case <-time.After(2 * time.Minute):
			t.Fatalf("arrived: %v", got)
		}
	}
	stop()
	for {
		select {
		case <-arrived: // so that it can end
		case <-done:
			return
		}
	}
}
