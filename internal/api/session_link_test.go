package api_test

import (
	"strings"
	"testing"
)

// A session's connect links begin at the host that its application names, until
// it takes that back; other sessions' do not.
func TestLinkURLOverwrite(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	const at = "/api/v3.1/tool_router/session"
	link := func(session, want string) {
		t.Helper()
		if got := w.want(201, "POST", at+"/"+session+"/link", `{"toolkit":"mail"}`).text("redirect_url"); !strings.HasPrefix(got, want+"/link/lt_") {
			t.Errorf("the link is %s, want it at %s", got, want)
		}
	}
	own := w.want(201, "POST", at, `{"user_id":"jane","experimental":{"link_url_overwrite":"https://connect.acme.example/in/"}}`).text("session_id")
	usual := w.want(201, "POST", at, `{"user_id":"john"}`).text("session_id")
	link(own, "https://connect.acme.example/in")
	link(usual, w.server.URL)

	patch := func(body string) { w.want(200, "PATCH", at+"/"+own, body) }
	patch(`{"search":{"enable":true},"experimental":{}}`) // not named: stays
	link(own, "https://connect.acme.example/in")
	patch(`{"experimental":{"link_url_overwrite":"http://127.0.0.1:9"}}`)
	link(own, "http://127.0.0.1:9")
	patch(`{"experimental":{"link_url_overwrite":null}}`)
	link(own, w.server.URL)
}
