package client

import (
	"context"
	"net/http"
	"time"
)

// TriggerBounds are between which times a project's polls may come.
type TriggerBounds struct {
	// Min and Max are what the project set; 0: the router's own.
	Min, Max time.Duration
	// Least and Most are what holds, besides what a type says of itself.
	Least, Most time.Duration
}

type boundsAnswer struct {
	Min   int `json:"min_interval_seconds"`
	Max   int `json:"max_interval_seconds"`
	Least int `json:"least_seconds"`
	Most  int `json:"most_seconds"`
}

func (a boundsAnswer) bounds() *TriggerBounds {
	s := time.Second
	return &TriggerBounds{time.Duration(a.Min) * s, time.Duration(a.Max) * s, time.Duration(a.Least) * s, time.Duration(a.Most) * s}
}

const triggerBounds = "/sluice/triggers/bounds"

// TriggerBounds gives the project's bounds.
func (c *Client) TriggerBounds(ctx context.Context) (*TriggerBounds, error) {
	var a boundsAnswer
	if err := c.do(ctx, http.MethodGet, triggerBounds, nil, nil, &a); err != nil {
		return nil, err
	}
	return a.bounds(), nil
}

// SetTriggerBounds changes the project's bounds, in whole seconds; what is nil stays,
// and 0 is the router's own.
func (c *Client) SetTriggerBounds(ctx context.Context, least, most *time.Duration) (*TriggerBounds, error) {
	in := map[string]int{}
	for name, d := range map[string]*time.Duration{"min_interval_seconds": least, "max_interval_seconds": most} {
		if d != nil && *d%time.Second != 0 {
			return nil, &Error{Message: name + ": expected whole seconds, such as 2m"}
		}
		if d != nil {
			in[name] = int(*d / time.Second)
		}
	}
	var a boundsAnswer
	if err := c.do(ctx, http.MethodPatch, triggerBounds, nil, in, &a); err != nil {
		return nil, err
	}
	return a.bounds(), nil
}
