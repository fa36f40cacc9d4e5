package api

import (
	"context"
	"encoding/json"

	"github.com/sluice-run/sluice/internal/domain"
	"github.com/sluice-run/sluice/internal/store"
	"github.com/sluice-run/sluice/internal/trigger"
)

type testTriggerIn struct {
	Body struct {
		Trigger string `json:"trigger" minLength:"1" maxLength:"200" doc:"Id of a trigger instance, or slug of a trigger type: then of its newest enabled instance or, where there is none, of one that does not exist"`
		UserID  string `json:"user_id,omitempty" doc:"With a slug: of this user's instance"`
		Config  object `json:"trigger_config,omitempty" doc:"With a slug: of an instance that does not exist, with this configuration; it is checked by its schema only"`
	}
}

type testedOut struct {
	eventOut
	// Deliveries are there for a subscription that is for events of triggers.
	Deliveries []testedDelivery `json:"deliveries" doc:"Where it goes: to the webhook subscription, where that is for events of triggers"`
}

type testedDelivery struct {
	ID             string               `json:"id"`
	SubscriptionID string               `json:"webhook_subscription_id"`
	Status         domain.DeliveryState `json:"status" enum:"waiting,parked,delivered,dead"`
}

// testTrigger answers when the event is kept; its deliveries go on by themselves.
func (s *server) testTrigger(ctx context.Context, in *testTriggerIn) (testedOut, error) {
	project := callerOf(ctx).principal.ProjectID
	asked := trigger.Tried{ProjectID: project, Trigger: in.Body.Trigger, UserID: in.Body.UserID, Config: json.RawMessage(in.Body.Config)}
	e, err := s.Triggers.Try(ctx, asked)
	if err != nil {
		return testedOut{}, err
	}
	list, _, err := s.Events.Deliveries(ctx, project, store.DeliveryFilter{EventID: e.ID}, store.Page{Limit: maxTools})
	if err != nil {
		return testedOut{}, err
	}
	out := testedOut{eventOut: eventWire(&e), Deliveries: []testedDelivery{}}
	out.Payload = e.Payload
	for i := range list {
		out.Deliveries = append(out.Deliveries, testedDelivery{ID: list[i].ID, SubscriptionID: list[i].WebhookID, Status: list[i].State})
	}
	return out, nil
}
