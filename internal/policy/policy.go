// Package policy says what a session may use. It decides; execute enforces.
package policy

import (
	"fmt"
	"slices"
	"strings"

	"github.com/sluice-run/sluice/internal/catalog"
	"github.com/sluice-run/sluice/internal/domain"
)

// Rules are a session's configuration, ready to be asked. The nil Rules allow
// everything: calls outside a session.
type Rules struct {
	cfg   domain.SessionConfig
	perms *permissions
}

// Compile makes Rules of a configuration.
func Compile(cfg domain.SessionConfig) *Rules {
	return &Rules{cfg: cfg, perms: compilePermissions(cfg.Permissions)}
}

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
	hidden := r.hides(t)
	if hidden == allowed {
		return nil
	}
	return domain.Errorf(domain.CodeForbidden, "tool %s may not be used here: %s", t.Slug, r.explain(hidden, t)).
		WithFix("Change the session's configuration, or use another tool.")
}

// Allows is Tool as a predicate; it allocates nothing, so that a search can ask
// it of thousands of tools.
func (r *Rules) Allows(t *catalog.Tool) bool { return r.hides(t) == allowed }

// rule names what hides a tool.
type rule int

const (
	allowed rule = iota
	byToolkit
	notEnabled
	disabled
	byTag
	withoutTag
)

// hides gives the first rule that hides the tool.
func (r *Rules) hides(t *catalog.Tool) rule {
	if r == nil {
		return allowed
	}
	if !r.Toolkit(t.Toolkit.Slug) {
		return byToolkit
	}
	own := r.cfg.Tools[t.Toolkit.Slug]
	switch {
	case len(own.Enable) > 0 && !slices.Contains(own.Enable, t.Slug):
		return notEnabled
	case slices.Contains(own.Disable, t.Slug):
		return disabled
	}
	tags, _ := r.tags(t)
	switch {
	case tags == nil:
		return allowed
	case slices.ContainsFunc(tags.Disable, t.HasTag):
		return byTag
	case len(tags.Enable) > 0 && !slices.ContainsFunc(tags.Enable, t.HasTag):
		return withoutTag
	}
	return allowed
}

// tags gives the tag rule that holds for a tool, and its name: that of the
// toolkit overrides the session's (contract §2.1).
func (r *Rules) tags(t *catalog.Tool) (*domain.TagRule, string) {
	if own := r.cfg.Tools[t.Toolkit.Slug]; own.Tags != nil {
		return own.Tags, "tools." + t.Toolkit.Slug + ".tags"
	}
	return r.cfg.Tags, "tags"
}

// explain says in words what hides the tool.
func (r *Rules) explain(hidden rule, t *catalog.Tool) string {
	toolkit := t.Toolkit.Slug
	tags, where := r.tags(t)
	switch hidden {
	case byToolkit:
		return fmt.Sprintf("its toolkit %s is not enabled in this session (toolkits)", toolkit)
	case notEnabled:
		return fmt.Sprintf("it is not among the enabled tools of %s (tools.%s.enable)", toolkit, toolkit)
	case disabled:
		return fmt.Sprintf("it is disabled (tools.%s.disable)", toolkit)
	case byTag:
		return fmt.Sprintf("one of its tags %s is disabled (%s.disable)", strings.Join(t.Tags(), ", "), where)
	default:
		return fmt.Sprintf("it has none of the enabled tags %s (%s.enable)", strings.Join(tags.Enable, ", "), where)
	}
}

// ProxyExecute names requests that the caller words itself, in records and rules.
const ProxyExecute = "COMPOSIO_PROXY_EXECUTE"

// Proxy gives nil when the session may send requests of its own wording to the
// toolkit's application. t stands for such a request, with the hints of its
// method. A session that is restricted to some tools of the toolkit must allow it
// in so many words: no tool's rules can bind such a request.
func (r *Rules) Proxy(t *catalog.Tool) error {
	if r == nil {
		return nil
	}
	if !r.Toolkit(t.Toolkit.Slug) {
		return r.Tool(t)
	}
	workbench := r.cfg.Workbench.ProxyExecution
	switch {
	case r.cfg.ProxyExecute != nil && !*r.cfg.ProxyExecute, workbench != nil && !*workbench:
		return domain.Errorf(domain.CodeForbidden, "requests of one's own wording are switched off in this session").
			WithFix("Use the tools of %s, or enable proxy_execute.enable in the session's configuration.", t.Toolkit.Slug)
	case r.cfg.ProxyExecute != nil, workbench != nil:
		return nil
	case !r.Allows(t), len(r.cfg.Tools[t.Toolkit.Slug].Disable) > 0:
		return domain.Errorf(domain.CodeForbidden, "this session is restricted to some tools of %s, which a request of one's own wording would get around", t.Toolkit.Slug).
			WithFix("Use the tools, or allow such requests with proxy_execute.enable in the session's configuration.")
	}
	return nil
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
