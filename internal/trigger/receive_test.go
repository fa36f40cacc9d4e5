package trigger

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/sluice-run/sluice/internal/domain"
	"github.com/sluice-run/sluice/internal/jobs"
	"github.com/sluice-run/sluice/internal/store"
	"github.com/sluice-run/sluice/internal/vault"
)

// endpoint makes the project's endpoint and gives its secret.
func (w *world) endpoint(projectID, client string) (domain.WebhookEndpoint, string) {
	w.t.Helper()
	e, secret, made, err := w.svc.CreateEndpoint(w.t.Context(), projectID, "Confluence", client)
	ok(w.t, err)
	if !made || secret == "" || !domain.HasPrefix(e.ID, "we_") {
		w.t.Fatalf("an endpoint: %+v, %v", e, made)
	}
	return e, secret
}

// post sends a webhook.
func (w *world) post(id, secret, body string) error {
	return w.svc.Receive(w.t.Context(), id, secret, http.Header{"Content-Type": {"application/json"}}, []byte(body))
}

func (w *world) created(id string) string {
	return fmt.Sprintf(`{"event":"created","type":"page","id":%q}`, id)
}

// pageID gives the id of a page by its title.
func (w *world) pageID(title string) string {
	w.t.Helper()
	list := w.api("GET", "/wiki/api/v2/pages?title="+strings.ReplaceAll(title, " ", "%20"), "")["results"].([]any)
	return list[0].(map[string]any)["id"].(string)
}

// look does the jobs of what was received, and those put off again; it gives how
// many wait still.
func (w *world) look() int {
	w.t.Helper()
	w.mu.Lock()
	inbox := w.inbox
	w.inbox = nil
	w.mu.Unlock()
	for _, a := range inbox {
		err := w.replica().received(w.t.Context(), a) // whichever process
		if _, later := jobs.LaterBy(err); later {
			w.mu.Lock()
			w.inbox = append(w.inbox, a)
			w.mu.Unlock()
			continue
		}
		ok(w.t, err)
	}
	return len(w.inbox)
}

// A change is told at once by the webhook, and not again by the poll, whichever comes
// first.
func TestWebhookThenPoll(t *testing.T) {
	onBoth(t, func(t *testing.T, w *world) {
		i := w.upsert(`{"spaceId":"MKT"}`)
		all := w.upsert(`{}`)
		e, secret := w.endpoint(project, "")
		first := w.page("MKT")
		id := w.pageID(first)
		polls := w.asked.Load()
		ok(t, w.post(e.ID, secret, w.created(id)))
		ok(t, w.post(e.ID, secret, w.created(id))) // once more, as a rule that retries
		if got := w.told(i.ID); got != "" {
			t.Errorf("told before it was looked into: %s", got)
		}
		if n := w.look(); n != 0 || w.told(i.ID) != first || w.told(all.ID) != first {
			t.Errorf("%d wait; told %q and %q, want %q", n, w.told(i.ID), w.told(all.ID), first)
		}
		if len(w.heard) != 2 || w.heard[0].Source != SourceWebhook || w.heard[0].Trigger != created || w.heard[0].Lag < 0 {
			t.Errorf("the metrics heard of %+v", w.heard)
		}
		if w.asked.Load() != polls {
			t.Errorf("a webhook had the list of pages asked for")
		}
		elsewhere := w.page("ENG")
		ok(t, w.post(e.ID, secret, w.created(w.pageID(elsewhere))))
		w.look()
		if w.told(i.ID) != first || w.told(all.ID) != first+","+elsewhere {
			t.Errorf("another space: %q, %q", w.told(i.ID), w.told(all.ID))
		}
		w.run(40 * time.Minute)
		second := w.page("MKT")
		w.run(40 * time.Minute) // the poll is first this time
		ok(t, w.post(e.ID, secret, w.created(w.pageID(second))))
		w.look()
		if got, want := w.told(i.ID), first+","+second; got != want {
			t.Errorf("told of %s, want %s", got, want)
		}
		e, err := w.svc.Endpoint(t.Context(), project, e.ID)
		ok(t, err)
		if n, err := w.db.CountInbound(t.Context(), project, e.ID); n != 0 || err != nil || e.LastError != "" || e.ReceivedAt.IsZero() {
			t.Errorf("%d are kept, %v, %+v", n, err, e)
		}
	})
}

// What was answered with success is kept: the process that took it is not needed any
// more, and an application that is away is asked again.
func TestReceivedIsKept(t *testing.T) {
	onBoth(t, func(t *testing.T, w *world) {
		i := w.upsert(`{}`)
		e, secret := w.endpoint(project, "")
		page := w.page("MKT")
		id := w.pageID(page)
		away := func(rw http.ResponseWriter, r *http.Request) bool {
			if !strings.Contains(r.URL.Path, "/pages/"+id) {
				return false
			}
			rw.WriteHeader(http.StatusServiceUnavailable)
			return true
		}
		w.fault.Store(&away)
		ok(t, w.post(e.ID, secret, w.created(id)))
		for range 3 {
			if n := w.look(); n != 1 || w.told(i.ID) != "" {
				t.Fatalf("%d wait, told of %q", n, w.told(i.ID))
			}
			w.pass(time.Minute)
		}
		w.fault.Store(nil)
		if n := w.look(); n != 0 || w.told(i.ID) != page {
			t.Errorf("%d wait, told of %q", n, w.told(i.ID))
		}
		// An hour later it is left to the poll, which is told nothing twice.
		w.fault.Store(&away)
		ok(t, w.post(e.ID, secret, w.created(id)))
		w.pass(2 * hearWithin)
		if n := w.look(); n != 0 {
			t.Errorf("%d wait after %v", n, 2*hearWithin)
		}
		e, err := w.svc.Endpoint(t.Context(), project, e.ID)
		ok(t, err)
		if e.LastError == "" || strings.Contains(w.log.String(), secret) {
			t.Errorf("what was wrong is not said, or the secret is: %+v", e)
		}
		// What nobody looks into any more goes.
		w.fault.Store(nil)
		ok(t, w.post(e.ID, secret, w.created(id)))
		w.pass(keepReceived + time.Minute)
		if n, err := w.svc.DropReceived(t.Context(), 10); n != 1 || err != nil {
			t.Errorf("dropped %d, %v", n, err)
		}
		if n := w.look(); n != 0 {
			t.Errorf("%d wait for what is gone", n)
		}
	})
}

// Whoever does not know both address and secret hears the same, and nothing is kept.
func TestReceiveRefuses(t *testing.T) {
	onBoth(t, func(t *testing.T, w *world) {
		w.upsert(`{}`)
		e, secret := w.endpoint(project, "")
		other, theirs := w.endpoint("pr_other", "")
		body := w.created("123")
		want := w.post("we_"+strings.Repeat("0", 26), secret, body)
		wantCode(t, want, domain.CodeUnauthenticated)
		for name, c := range map[string][2]string{
			"no secret": {e.ID, ""}, "wrong secret": {e.ID, secret + "x"}, "half of it": {e.ID, secret[:20]},
			"another's": {e.ID, theirs}, "for another": {other.ID, secret}, "no id": {"", secret}, "odd id": {"we_\x00\xff", secret},
			"long": {e.ID, strings.Repeat("x", 1<<16)}, "upper case": {strings.ToUpper(e.ID), secret},
		} {
			if err := w.post(c[0], c[1], body); err == nil || err.Error() != want.Error() || domain.CodeOf(err) != domain.CodeUnauthenticated {
				t.Errorf("%s: %v, want %v", name, err, want)
			}
		}
		wantCode(t, w.post(e.ID, secret, strings.Repeat("x", MaxReceived+1)), domain.CodeTooLarge)
		if n, _ := w.db.CountInbound(t.Context(), project, e.ID); n != 0 || len(w.inbox) != 0 {
			t.Errorf("%d are kept, %d jobs", n, len(w.inbox))
		}
		// The other project's endpoint tells this project's instances nothing.
		page := w.page("MKT")
		ok(t, w.post(other.ID, theirs, w.created(w.pageID(page))))
		w.look()
		if events := w.events(domain.EventTriggerMessage, ""); len(events) != 0 {
			t.Errorf("CROSSING: another project's webhook told %+v", events)
		}
		// What is not understood is said, and is the end of it.
		for _, bad := range []string{"", "\x00\xff", "[]", `{"event":"created","type":"page","id":"../../x"}`} {
			ok(t, w.post(e.ID, secret, bad))
			if n := w.look(); n != 0 {
				t.Errorf("%q waits", bad)
			}
			if now, err := w.svc.Endpoint(t.Context(), project, e.ID); err != nil || now.LastError == "" {
				t.Errorf("%q: %+v, %v", bad, now, err)
			}
			ok(t, w.db.NoteOutcome(t.Context(), project, e.ID, ""))
		}
	})
}

// An endpoint takes so much at a time, and so much that waits.
func TestReceiveBounds(t *testing.T) {
	onBoth(t, func(t *testing.T, w *world) {
		e, secret := w.endpoint(project, "")
		other, theirs := w.endpoint(project, "app")
		for range receiveBurst {
			ok(t, w.post(e.ID, secret, "{}"))
		}
		err := w.post(e.ID, secret, "{}")
		wantCode(t, err, domain.CodeRateLimited)
		var limited *domain.Error
		if !errors.As(err, &limited) || limited.RetryAfter <= 0 || limited.RetryAfter > time.Second {
			t.Errorf("when to come back: %+v", limited)
		}
		ok(t, w.post(other.ID, theirs, "{}"))
		w.pass(limited.RetryAfter)
		ok(t, w.post(e.ID, secret, "{}"))
		ok(t, w.db.InTx(t.Context(), func(tx store.Tx) error {
			for i := range maxWaiting - receiveBurst - 1 {
				if err := tx.AddInbound(t.Context(), domain.InboundWebhook{ID: fmt.Sprint("in_", i), ProjectID: project, EndpointID: e.ID, At: w.now()}); err != nil {
					return err
				}
			}
			return nil
		}))
		w.pass(time.Minute)
		wantCode(t, w.post(e.ID, secret, "{}"), domain.CodeRateLimited)
		ok(t, w.post(other.ID, theirs, "{}"))
	})
}

// While a secret is exchanged both are taken; no secret is in the clear, and none
// opens in another's place.
func TestEndpointSecrets(t *testing.T) {
	onBoth(t, func(t *testing.T, w *world) {
		ctx := t.Context()
		e, first := w.endpoint(project, "")
		again, none, made, err := w.svc.CreateEndpoint(ctx, project, "confluence", "")
		if made || none != "" || again.ID != e.ID || err != nil {
			t.Errorf("asked again: %+v %q %v %v", again, none, made, err)
		}
		_, second, err := w.svc.SetEndpointSecret(ctx, project, e.ID, "", time.Hour)
		ok(t, err)
		good := func(secrets ...string) {
			t.Helper()
			for _, s := range secrets {
				ok(t, w.post(e.ID, s, "{}"))
			}
		}
		bad := func(secrets ...string) {
			t.Helper()
			for _, s := range secrets {
				wantCode(t, w.post(e.ID, s, "{}"), domain.CodeUnauthenticated)
			}
		}
		good(first, second)
		w.pass(time.Hour)
		good(second)
		bad(first)
		third := strings.Repeat("own-secret!", 3)
		_, got, err := w.svc.SetEndpointSecret(ctx, project, e.ID, third, DefaultOverlap)
		if err != nil || got != third {
			t.Errorf("a chosen secret: %q, %v", got, err)
		}
		good(second, third)
		bad(first)
		_, fourth, err := w.svc.SetEndpointSecret(ctx, project, e.ID, "", 0)
		ok(t, err)
		good(fourth)
		bad(first, second, third)
		for _, c := range []struct {
			secret  string
			overlap time.Duration
		}{
			{"short", 0},
			{strings.Repeat("x", 300), 0},
			{"with a space in the middle of it", 0},
			{strings.Repeat("ü", 30), 0},
			{"", -1},
			{"", MaxOverlap + 1},
		} {
			_, _, err := w.svc.SetEndpointSecret(ctx, project, e.ID, c.secret, c.overlap)
			wantCode(t, err, domain.CodeInvalid)
		}
		good(fourth)
		_, _, err = w.svc.SetEndpointSecret(ctx, "pr_other", e.ID, "", 0)
		wantCode(t, err, domain.CodeNotFound)
		sealed, err := w.db.EndpointSecrets(ctx, project, e.ID)
		ok(t, err)
		if strings.Contains(string(sealed[fieldSecret]), fourth) || len(sealed[fieldSecret]) == 0 {
			t.Error("the secret is kept in the clear")
		}
		for _, ref := range []vault.Ref{
			{ProjectID: "pr_other", AccountID: e.ID, Field: fieldSecret},
			{ProjectID: project, AccountID: "we_else", Field: fieldSecret},
			{ProjectID: project, AccountID: e.ID, Field: fieldPrevious},
		} {
			if _, err := w.opts.Vault.Open(ctx, ref, sealed[fieldSecret]); err == nil {
				t.Errorf("the secret opens as %+v", ref)
			}
		}
		ok(t, w.svc.DeleteEndpoint(ctx, project, e.ID))
		bad(fourth)
	})
}

// An endpoint of a client tells the accounts of its auth configs alone.
func TestEndpointOfAClient(t *testing.T) {
	onBoth(t, func(t *testing.T, w *world) {
		i := w.upsert(`{}`)
		mine, mySecret := w.endpoint(project, w.a.AuthConfigID)
		none, noSecret := w.endpoint(project, "an app that nobody has")
		page := w.page("MKT")
		ok(t, w.post(none.ID, noSecret, w.created(w.pageID(page))))
		w.look()
		if got := w.told(i.ID); got != "" {
			t.Errorf("another client's webhook told of %s", got)
		}
		if e, err := w.svc.Endpoint(t.Context(), project, none.ID); err != nil || !strings.Contains(e.LastError, "client_id") {
			t.Errorf("nobody is told why: %+v, %v", e, err)
		}
		ok(t, w.post(mine.ID, mySecret, w.created(w.pageID(page))))
		w.look()
		if got := w.told(i.ID); got != page {
			t.Errorf("told of %q, want %q", got, page)
		}
		for _, c := range [][2]string{{"nope", ""}, {"", ""}, {"confluence", strings.Repeat("x", 300)}} {
			_, _, _, err := w.svc.CreateEndpoint(t.Context(), project, c[0], c[1])
			wantCode(t, err, domain.CodeInvalid)
		}
	})
}

// Disabled instances, and those made long after what is told, hear nothing.
func TestWebhookForWhom(t *testing.T) {
	onBoth(t, func(t *testing.T, w *world) {
		e, secret := w.endpoint(project, "")
		old := w.page("MKT")
		w.pass(time.Hour)
		i := w.upsert(`{"spaceId":"MKT"}`)
		quiet := w.upsert(`{}`)
		_, err := w.svc.Disable(t.Context(), project, quiet.ID)
		ok(t, err)
		ok(t, w.post(e.ID, secret, w.created(w.pageID(old))))
		w.look()
		if w.told(i.ID) != "" || w.told(quiet.ID) != "" {
			t.Errorf("told of %q and %q", w.told(i.ID), w.told(quiet.ID))
		}
		page := w.page("MKT")
		ok(t, w.post(e.ID, secret, w.created(w.pageID(page))))
		w.look()
		if w.told(i.ID) != page || w.told(quiet.ID) != "" {
			t.Errorf("told of %q and %q", w.told(i.ID), w.told(quiet.ID))
		}
	})
}

// What is kept of a webhook has no credential in it, and is bounded.
func TestKeptHeader(t *testing.T) {
	h := http.Header{
		"Content-Type": {"application/json"}, "X-Event": {"a", "b"}, "Accept": {"x"}, "Authorization": {"Bearer x"}, "Cookie": {"x"},
		SecretHeader: {"x"}, "X-Api-Key": {"x"}, "X-My-Token": {"x"}, "X-Forwarded-For": {"x"}, "X-Odd": {"\xff"},
	}
	got, err := json.Marshal(keptHeader(h))
	ok(t, err)
	if want := `{"Content-Type":["application/json"],"X-Event":["a","b"]}`; string(got) != want {
		t.Errorf("%s, want %s", got, want)
	}
	h["X-A"] = []string{strings.Repeat("x", maxReceivedHeader)}
	if got, _ := json.Marshal(keptHeader(h)); len(got) > maxReceivedHeader {
		t.Errorf("%d bytes are kept", len(got))
	}
}
