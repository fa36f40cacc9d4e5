// Package policy says what a session may use. It decides; execute enforces.
package policy

import (
	"slices"
	"strings"

	"github.com/sluice-run/sluice/internal/catalog"
	"github.com/sluice-run/sluice/internal/domain"
)

// Rules are a session's configuration, ready to be asked. The nil Rules allow
// everything: calls outside a session.
type Rules struct {
	cfg domain.SessionConfig
}

// Compile makes Rules of a configuration.
func Compile(cfg domain.SessionConfig) *Rules { return &Rules{cfg: cfg} }

// Toolkit says whether any tool of the toolkit may be used.
func (r *Rules) Toolkit(slug string) bool {
	if r == nil || r.cfg.Toolkits == nil {
		return true
	}
	if len(r.cfg.Toolkits.Enable) > 0 {
		return slices.Contains(r.cfg.Toolkits.Enable, slug)
	}
	return !slices.Contains(r.cfg.Toolkits.Disable, slug)
}

// Tool gives nil when the tool may be used, else a CodeForbidden error that
// names the rule which hides it.
func (r *Rules) Tool(t *catalog.Tool) error {
	if r == nil {
		return nil
	}
	if !r.Toolkit(t.Toolkit.Slug) {
		return refused(t, "its toolkit %s is not enabled in this session (toolkits)", t.Toolkit.Slug)
	}
	rule, ok := r.cfg.Tools[t.Toolkit.Slug]
	if ok && len(rule.Enable) > 0 && !slices.Contains(rule.Enable, t.Slug) {
		return refused(t, "it is not among the enabled tools of %s (tools.%s.enable)", t.Toolkit.Slug, t.Toolkit.Slug)
	}
	if ok && slices.Contains(rule.Disable, t.Slug) {
		return refused(t, "it is disabled (tools.%s.disable)", t.Toolkit.Slug)
	}
	tags, where := r.cfg.Tags, "tags"
	if ok && rule.Tags != nil { // tags of the toolkit override the session's (contract §2.1)
		tags, where = rule.Tags, "tools."+t.Toolkit.Slug+".tags"
	}
	return tagged(t, tags, where)
}

// Allows is Tool as a predicate.
func (r *Rules) Allows(t *catalog.Tool) bool { return r.Tool(t) == nil }

func tagged(t *catalog.Tool, rule *domain.TagRule, where string) error {
	if rule == nil {
		return nil
	}
	tags := t.Tags()
	for _, tag := range rule.Disable {
		if slices.Contains(tags, tag) {
			return refused(t, "its tag %s is disabled (%s.disable)", tag, where)
		}
	}
	if len(rule.Enable) == 0 {
		return nil
	}
	for _, tag := range rule.Enable {
		if slices.Contains(tags, tag) {
			return nil
		}
	}
	return refused(t, "it has none of the enabled tags %s (%s.enable)", strings.Join(rule.Enable, ", "), where)
}

func refused(t *catalog.Tool, format string, args ...any) error {
	return domain.Errorf(domain.CodeForbidden, "tool %s may not be used here: "+format, append([]any{t.Slug}, args...)...).
		WithFix("Change the session's configuration, or use another tool.")
}

// The meta tools, by which an agent works in a session (contract §3.3).
const (
	SearchTools        = "COMPOSIO_SEARCH_TOOLS"
	GetToolSchemas     = "COMPOSIO_GET_TOOL_SCHEMAS"
	ManageConnections  = "COMPOSIO_MANAGE_CONNECTIONS"
	WaitForConnections = "COMPOSIO_WAIT_FOR_CONNECTIONS"
	MultiExecute       = "COMPOSIO_MULTI_EXECUTE_TOOL"
)

// MetaTools gives the meta tools that the session offers, in the order in which
// they are listed.
func (r *Rules) MetaTools() []string {
	if r == nil {
		return nil
	}
	var slugs []string
	if !r.cfg.SearchOff {
		slugs = append(slugs, SearchTools, GetToolSchemas)
	}
	if !r.cfg.ManageConnections.Off {
		slugs = append(slugs, ManageConnections)
		if r.cfg.ManageConnections.Wait {
			slugs = append(slugs, WaitForConnections)
		}
	}
	if !r.cfg.MultiExecuteOff {
		slugs = append(slugs, MultiExecute)
	}
	return slugs
}

// Meta gives nil when the session offers the meta tool, else CodeForbidden
// naming the switch.
func (r *Rules) Meta(slug string) error {
	if slices.Contains(r.MetaTools(), slug) {
		return nil
	}
	return domain.Errorf(domain.CodeForbidden, "meta tool %s is switched off in this session", slug).
		WithFix("Enable it with %s.", metaSwitch[slug])
}

var metaSwitch = map[string]string{
	SearchTools:        "search.enable",
	GetToolSchemas:     "search.enable",
	ManageConnections:  "manage_connections.enable",
	WaitForConnections: "manage_connections.enable_wait_for_connections",
	MultiExecute:       "execute.enable_multi_execute",
}
