package api

import (
	"context"
	"net/http"
	"time"

	"github.com/sluice-run/sluice/internal/domain"
	"github.com/sluice-run/sluice/internal/trigger"
)

func (s *server) triggerBoundsRoutes() {
	const path = ownPrefix + "/triggers/bounds"
	handle(s, operation{
		id: "getTriggerBounds", method: http.MethodGet, path: path, tag: "triggers",
		summary: "Get between which times the project's polls may come",
	}, s.getTriggerBounds)
	handle(s, operation{
		id: "setTriggerBounds", method: http.MethodPatch, path: path, tag: "triggers",
		summary: "Change between which times the project's polls may come, from the next poll of each trigger on; what is not named stays",
	}, s.setTriggerBounds)
}

type triggerBoundsOut struct {
	Min   int `json:"min_interval_seconds" doc:"What the project set; 0: the router's own"`
	Max   int `json:"max_interval_seconds" doc:"What the project set; 0: the router's own"`
	Least int `json:"least_seconds" doc:"What holds. A type that must not be asked as often holds besides"`
	Most  int `json:"most_seconds" doc:"What holds"`
}

type triggerBoundsIn struct {
	Body struct {
		Min *int `json:"min_interval_seconds,omitempty" minimum:"0" maximum:"31536000" doc:"0: the router's own"`
		Max *int `json:"max_interval_seconds,omitempty" minimum:"0" maximum:"31536000" doc:"0: the router's own"`
	}
}

func boundsWire(b trigger.Bounds) triggerBoundsOut {
	seconds := func(d time.Duration) int { return int(d / time.Second) }
	return triggerBoundsOut{Min: seconds(b.Min), Max: seconds(b.Max), Least: seconds(b.Least), Most: seconds(b.Most)}
}

func (s *server) getTriggerBounds(ctx context.Context, _ *struct{}) (triggerBoundsOut, error) {
	b, err := s.Triggers.Bounds(ctx, callerOf(ctx).principal.ProjectID)
	return boundsWire(b), err
}

func (s *server) setTriggerBounds(ctx context.Context, in *triggerBoundsIn) (triggerBoundsOut, error) {
	project := callerOf(ctx).principal.ProjectID
	b, err := s.Triggers.Bounds(ctx, project)
	if err != nil {
		return triggerBoundsOut{}, err
	}
	own := domain.TriggerBounds{Min: b.Min, Max: b.Max}
	if in.Body.Min != nil {
		own.Min = time.Duration(*in.Body.Min) * time.Second
	}
	if in.Body.Max != nil {
		own.Max = time.Duration(*in.Body.Max) * time.Second
	}
	if in.Body.Max == nil && own.Max > 0 && own.Min > own.Max { // the field that was given is the one to mend
		return triggerBoundsOut{}, domain.Invalid("min_interval_seconds",
			"min_interval_seconds: expected at most the project's max_interval_seconds, which is %d", int(own.Max/time.Second)).
			WithFix("Give both, or first max_interval_seconds alone.")
	}
	b, err = s.Triggers.SetBounds(ctx, project, own)
	return boundsWire(b), err
}
