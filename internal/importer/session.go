package importer

import (
	"context"
	"encoding/json"
	"maps"
	"slices"
)

// translation is the request for a session like one of another server.
type translation struct {
	request map[string]any // nil: the configuration is none
	// dropped is what is not here and does not matter to what the session may do.
	dropped []string
	// bound is what is not here and without which the session might do more than it
	// might there: pins, auth configs, the only tools that it allowed.
	bound []string
}

// translate makes the request for a session of the configuration that another
// server answered (contract §2.1): answers say enabled where requests say enable,
// and ids become those of here.
func (r *run) translate(ctx context.Context, config json.RawMessage) (*translation, error) {
	t := &translation{}
	isObject := json.Unmarshal(config, &t.request) == nil
	if user, _ := t.request["user_id"].(string); user == "" || !isObject {
		return &translation{}, nil
	}
	asked(t.request)
	if toolkits, ok := t.request["toolkits"].(map[string]any); ok {
		for _, list := range []string{"enable", "disable"} {
			if err := r.keepToolkits(ctx, t, toolkits, list); err != nil {
				return nil, err
			}
		}
		if emptied(toolkits, "enable") {
			t.bound = append(t.bound, "any of its toolkits")
		}
		if emptied(toolkits, "disable") {
			delete(t.request, "toolkits")
		}
	}
	if err := r.toolRules(ctx, t); err != nil {
		return nil, err
	}
	for _, field := range []string{"auth_configs", "connected_accounts"} {
		if byToolkit, ok := t.request[field].(map[string]any); ok {
			if r.pins(t, field, byToolkit); len(byToolkit) == 0 {
				delete(t.request, field)
			}
		}
	}
	return t, nil
}

// renamed are the words of answers that requests say otherwise.
var renamed = map[string]string{
	"enabled": "enable", "disabled": "disable", "proxy_execution_enabled": "enable_proxy_execution",
}

// asked turns the words of an answer into those of a request.
func asked(v any) {
	switch v := v.(type) {
	case map[string]any:
		for _, key := range slices.Collect(maps.Keys(v)) {
			asked(v[key])
			if to, ok := renamed[key]; ok {
				v[to] = v[key]
				delete(v, key)
			}
		}
	case []any:
		for _, item := range v {
			asked(item)
		}
	}
}

func (r *run) keepToolkits(ctx context.Context, t *translation, toolkits map[string]any, list string) error {
	slugs, ok := toolkits[list].([]any)
	if !ok {
		return nil
	}
	here := []any{}
	for _, slug := range slugs {
		slug, _ := slug.(string)
		o, err := r.offered(ctx, slug)
		if err != nil {
			return err
		}
		if len(o.schemes) == 0 {
			t.dropped = append(t.dropped, "toolkit "+slug)
			continue
		}
		here = append(here, slug)
	}
	toolkits[list] = here
	return nil
}

// emptied says whether a list is there and has nothing.
func emptied(object map[string]any, list string) bool {
	items, ok := object[list].([]any)
	return ok && len(items) == 0
}

// toolRules keeps the rules of tools that are here.
func (r *run) toolRules(ctx context.Context, t *translation) error {
	rules, _ := t.request["tools"].(map[string]any)
	for _, toolkit := range slices.Sorted(maps.Keys(rules)) {
		o, err := r.offered(ctx, toolkit)
		if err != nil {
			return err
		}
		if len(o.schemes) == 0 {
			delete(rules, toolkit)
			t.dropped = append(t.dropped, "tools of "+toolkit)
			continue
		}
		rule, ok := rules[toolkit].(map[string]any)
		if !ok {
			continue
		}
		for _, list := range []string{"enable", "disable"} {
			if err := r.keepListed(ctx, t, rule, list); err != nil {
				return err
			}
		}
		if emptied(rule, "enable") {
			t.bound = append(t.bound, "any of the tools of "+toolkit+" that it allows")
		}
	}
	if preload, ok := t.request["preload"].(map[string]any); ok {
		if err := r.keepListed(ctx, t, preload, "tools"); err != nil {
			return err
		}
	}
	return nil
}

func (r *run) keepListed(ctx context.Context, t *translation, rule map[string]any, list string) error {
	listed, ok := rule[list].([]any)
	if !ok {
		return nil
	}
	slugs := make([]string, 0, len(listed))
	for _, slug := range listed {
		if slug, ok := slug.(string); ok {
			slugs = append(slugs, slug)
		}
	}
	here, gone, err := r.keepTools(ctx, slugs)
	if err != nil {
		return err
	}
	kept := make([]any, 0, len(here))
	for _, slug := range here {
		kept = append(kept, slug)
	}
	for _, slug := range gone {
		t.dropped = append(t.dropped, "tool "+slug)
	}
	rule[list] = kept
	return nil
}

// pins gives the ids of here for those of before, which are strings or lists of
// them by toolkit.
func (r *run) pins(t *translation, field string, byToolkit map[string]any) {
	for _, toolkit := range slices.Sorted(maps.Keys(byToolkit)) {
		var ids []string
		switch v := byToolkit[toolkit].(type) {
		case string:
			ids = []string{v}
		case []any:
			for _, id := range v {
				if id, ok := id.(string); ok {
					ids = append(ids, id)
				}
			}
		}
		var here []string
		for _, id := range ids {
			if to := r.Known[id]; to != "" || r.planned[id] {
				here = append(here, to)
			} else {
				t.bound = append(t.bound, id)
			}
		}
		switch {
		case len(here) == 0:
			delete(byToolkit, toolkit)
		case field == "auth_configs":
			byToolkit[toolkit] = here[0]
		default:
			byToolkit[toolkit] = here
		}
	}
}
