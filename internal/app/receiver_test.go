package app_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/sluice-run/sluice/internal/webhook"
)

// receiver is an application's webhook endpoint: it takes what is signed.
type receiver struct {
	t       *testing.T
	url     string
	secret  string
	arrived chan webhook.Message
}

// receive serves an endpoint, subscribed in the version to the types.
func (r *router) receive(version string, types ...string) *receiver {
	r.t.Helper()
	in := &receiver{t: r.t, arrived: make(chan webhook.Message, 100)}
	ready := make(chan struct{})
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		<-ready
		body, _ := io.ReadAll(req.Body)
		m, err := webhook.Verify(req.Header, body, time.Now(), in.secret)
		if err != nil || string(m.Version) != version {
			in.t.Errorf("%+v, %v", m, err)
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		in.arrived <- m
	}))
	r.t.Cleanup(srv.Close)
	in.url = srv.URL
	made := r.send(http.MethodPost, "/api/v3.1/webhook_subscriptions",
		fmt.Sprintf(`{"webhook_url":%q,"enabled_events":["%s"],"version":%q}`, srv.URL, strings.Join(types, `","`), version))
	if made.status != http.StatusCreated {
		r.t.Fatal(made)
	}
	in.secret = field(made.body, "secret")
	close(ready)
	return in
}

// next gives the next message that was not there before.
func (in *receiver) next() webhook.Message {
	in.t.Helper()
	select {
	case m := <-in.arrived:
		return m
	case <-time.After(2 * time.Minute):
		in.t.Fatal("nothing arrived")
		return webhook.Message{}
	}
}

// posted is the body of a message in version V3.
type posted struct {
	ID, Type string
	Metadata struct {
		Project   string `json:"project_id"`
		Trigger   string `json:"trigger_slug"`
		TriggerID string `json:"trigger_id"`
		Account   string `json:"connected_account_id"`
		User      string `json:"user_id"`
		Test      bool
	}
	Data json.RawMessage
}

func (in *receiver) nextV3() posted {
	in.t.Helper()
	var p posted
	must(in.t, json.Unmarshal(in.next().Body, &p))
	return p
}
