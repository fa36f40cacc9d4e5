// Package events gives agents events of triggers, as sources for [agent.On]: the
// stream of a router ([Stream]), and an endpoint for the webhooks of one
// ([Webhook]).
//
//	source := events.Stream(c, events.StreamOptions{Instances: []string{trigger}})
//	err := agent.On(ctx, source, a.Handler(agent.EventOptions[string]{Prompt: prompt}), agent.OnOptions{Journal: journal})
//
// A router tells an event under one id on all ways, so one journal may take from
// both.
package events
