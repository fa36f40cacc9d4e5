package client_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"time"

	"github.com/sluice-run/sluice/client"
)

// A trigger watches an account; its events come while they happen. Keep the Cursor
// of what was dealt with, and begin there after a restart.
func ExampleClient_Listen() {
	ctx, c := context.Background(), newClient()
	trigger, err := c.UpsertTrigger(ctx, client.NewTrigger{
		Type: "CONFLUENCE_PAGE_CREATED_TRIGGER", UserID: "user_listen", Config: map[string]any{"spaceId": "MKT"},
	})
	if err != nil {
		log.Fatal(err)
	}
	if _, err := c.TryTrigger(ctx, trigger, "", nil); err != nil { // a made-up event
		log.Fatal(err)
	}
	query := client.ListenQuery{Sources: []string{trigger}, After: client.FromOldest}
	for event, err := range c.Listen(ctx, query) {
		if err != nil {
			log.Fatal(err)
		}
		var page struct {
			Resource struct{ Type, SpaceKey string }
		}
		if err := json.Unmarshal(event.Payload, &page); err != nil {
			log.Fatal(err)
		}
		fmt.Println(event.Trigger, event.UserID, page.Resource.Type, event.Test)
		break
	}
	// Output: CONFLUENCE_PAGE_CREATED_TRIGGER user_listen page true
}

// The address of a webhook subscription takes what is signed with its secret, and
// nothing else.
func ExampleVerifyWebhook() {
	ctx, c := context.Background(), newClient()
	var secret string
	arrived, handled := make(chan string, 8), make(chan struct{})
	address, stop := receiver(func(w http.ResponseWriter, r *http.Request) {
		<-handled // until the secret is known
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 1<<20))
		if err != nil {
			http.Error(w, "too large", http.StatusRequestEntityTooLarge)
			return
		}
		message, err := client.VerifyWebhook(r.Header, body, secret)
		if err != nil {
			http.Error(w, err.Error(), http.StatusUnauthorized)
			return
		}
		_, err = client.VerifyWebhook(r.Header, append(body, ' '), secret)
		arrived <- fmt.Sprint(message.Version, " ", errors.Is(err, client.ErrWebhookForged))
	})
	defer stop()

	events := []string{"composio.trigger.message"}
	hook, err := c.CreateWebhook(ctx, client.WebhookChange{URL: &address, Events: &events})
	if err != nil {
		log.Fatal(err)
	}
	defer func() { _ = c.DeleteWebhook(ctx, hook.ID) }()
	secret = hook.Secret // told this once
	close(handled)
	if _, err := c.TryTrigger(ctx, "CONFLUENCE_PAGE_CREATED_TRIGGER", "user_webhook", nil); err != nil {
		log.Fatal(err)
	}
	fmt.Println(<-arrived)
	// Output: V3 true
}

// An application that can tell of changes by itself gets an address to do so, and
// the secret that it sends along.
func ExampleClient_CreateEndpoint() {
	ctx, c := context.Background(), newClient()
	endpoint, err := c.CreateEndpoint(ctx, "confluence", "user_endpoint")
	if err != nil {
		log.Fatal(err)
	}
	defer func() { _ = c.DeleteEndpoint(ctx, endpoint.ID) }()
	fmt.Println(endpoint.Toolkit, endpoint.URL != "", endpoint.Header, endpoint.Data.Secret != "")
	_, until, err := c.RotateEndpointSecret(ctx, endpoint.ID, time.Hour)
	fmt.Println(until != "", err)
	// Output:
	// confluence true X-Webhook-Secret true
	// true <nil>
}

// A project may ask less often than the router would, or more often where the
// router lets it.
func ExampleClient_SetTriggerBounds() {
	ctx, c := context.Background(), newClient()
	least, none := 5*time.Minute, time.Duration(0)
	bounds, err := c.SetTriggerBounds(ctx, &least, nil)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(bounds.Least)
	bounds, err = c.SetTriggerBounds(ctx, &none, nil)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(bounds.Least)
	// Output:
	// 5m0s
	// 1m0s
}
