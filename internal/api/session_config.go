package api

import (
	"encoding/json"
	"errors"
	"net/netip"
	"net/url"
	"slices"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"github.com/sluice-run/sluice/internal/domain"
)

// SessionBlocks are the parts of a session's configuration, as create and
// change send them. Absent leaves a block, null takes it back to its default.
// Lists and maps are replaced; the switches of an object change one by one.
type SessionBlocks struct {
	Toolkits          given[selectionIn]             `json:"toolkits,omitempty" doc:"Only these toolkits, or all but these"`
	Tools             given[map[string]toolRuleIn]   `json:"tools,omitempty" doc:"By toolkit: only these tools, all but these, or by tags"`
	Tags              given[tagsIn]                  `json:"tags,omitempty" doc:"By tags, for toolkits without tags of their own"`
	AuthConfigs       given[map[string]string]       `json:"auth_configs,omitempty" doc:"By toolkit: the auth config for new connections"`
	ConnectedAccounts given[map[string]stringOrList] `json:"connected_accounts,omitempty" doc:"By toolkit: the accounts that calls may run on"`
	ManageConnections given[manageIn]                `json:"manage_connections,omitempty"`
	Workbench         given[workbenchIn]             `json:"workbench,omitempty" doc:"Kept and answered; the workbench itself is not offered yet"`
	ProxyExecute      given[switchIn]                `json:"proxy_execute,omitempty" doc:"Whether requests of one's own wording may be sent; absent: unless tools are restricted"`
	MultiAccount      given[multiAccountIn]          `json:"multi_account,omitempty"`
	Preload           given[preloadIn]               `json:"preload,omitempty"`
	Search            given[switchIn]                `json:"search,omitempty"`
	Execute           given[executeSwitchIn]         `json:"execute,omitempty"`
	Experimental      given[experimentalIn]          `json:"experimental,omitempty"`
	Hooks             []object                       `json:"hooks,omitempty" doc:"Not offered yet"`
}

type selectionIn struct {
	Enable   []string `json:"enable,omitempty"`
	Disable  []string `json:"disable,omitempty"`
	Approval []string `json:"require_approval,omitempty" doc:"Not offered yet"`
	// The words of answers. Unknown fields are left alone, but a restriction that
	// was copied from an answer and is lost would allow everything.
	Enabled  any `json:"enabled,omitempty" hidden:"true"`
	Disabled any `json:"disabled,omitempty" hidden:"true"`
}

type toolRuleIn struct {
	Enable   []string `json:"enable,omitempty"`
	Disable  []string `json:"disable,omitempty"`
	Tags     *tagsIn  `json:"tags,omitempty"`
	Approval []string `json:"require_approval,omitempty" doc:"Not offered yet"`
	Enabled  any      `json:"enabled,omitempty" hidden:"true"`
	Disabled any      `json:"disabled,omitempty" hidden:"true"`
}

// misspelt refuses the words of answers in a request.
func misspelt(field string, enabled, disabled any) error {
	switch {
	case enabled != nil:
		return domain.Invalid(field+".enabled", "%s.enabled: requests spell it enable", field)
	case disabled != nil:
		return domain.Invalid(field+".disabled", "%s.disabled: requests spell it disable", field)
	}
	return nil
}

type manageIn struct {
	Enable      given[bool]   `json:"enable,omitempty"`
	CallbackURL given[string] `json:"callback_url,omitempty"`
	Wait        given[bool]   `json:"enable_wait_for_connections,omitempty"`
	Removal     given[bool]   `json:"enable_connection_removal,omitempty"`
}

type workbenchIn struct {
	Enable    given[bool]   `json:"enable,omitempty"`
	Proxy     given[bool]   `json:"enable_proxy_execution,omitempty"`
	Threshold given[int]    `json:"auto_offload_threshold,omitempty"`
	Size      given[string] `json:"sandbox_size,omitempty"`
}

type multiAccountIn struct {
	Enable   given[bool] `json:"enable,omitempty"`
	Max      given[int]  `json:"max_accounts_per_toolkit,omitempty" doc:"2 to 10; 5 when absent"`
	Explicit given[bool] `json:"require_explicit_selection,omitempty"`
}

type preloadIn struct {
	Tools *toolList `json:"tools,omitempty"`
}

type switchIn struct {
	Enable given[bool] `json:"enable,omitempty"`
}

type executeSwitchIn struct {
	Multi given[bool] `json:"enable_multi_execute,omitempty"`
}

type experimentalIn struct {
	CustomToolkits   []customToolkitIn `json:"custom_toolkits,omitempty" maxItems:"50" nullable:"true" doc:"The application's own tools; kept nowhere, so sent along with each request"`
	CustomTools      []customToolIn    `json:"custom_tools,omitempty" maxItems:"200" nullable:"true"`
	Permissions      *permissionsIn    `json:"permissions,omitempty" doc:"Which calls run, which are refused, and which wait for a person's word. Given, it replaces what was"`
	LinkURLOverwrite given[string]     `json:"link_url_overwrite,omitempty" doc:"Where the session's connect links begin, instead of this server's origin: a host of the application that passes /link/ on to this server; null takes it back"`
}

// tagsIn is a list of enabled tags or {enable, disable}.
type tagsIn domain.TagRule

// Schema leaves the form open: UnmarshalJSON tells the two apart.
func (tagsIn) Schema(huma.Registry) *huma.Schema {
	return &huma.Schema{Description: "A list of enabled tags, or an object with the lists enable and disable"}
}

// UnmarshalJSON reads either form.
func (t *tagsIn) UnmarshalJSON(data []byte) error {
	var list []string
	if json.Unmarshal(data, &list) == nil {
		*t = tagsIn{Enable: list}
		return nil
	}
	var both selectionIn
	if err := json.Unmarshal(data, &both); err != nil {
		return errors.New("tags: expected a list of tags, or an object with the lists enable and disable")
	}
	if len(both.Approval) > 0 {
		return errors.New("tags.require_approval is not offered; use experimental.permissions with ask_always instead")
	}
	if err := misspelt("tags", both.Enabled, both.Disabled); err != nil {
		return err
	}
	*t = tagsIn{Enable: both.Enable, Disable: both.Disable}
	return nil
}

// toolList is a list of slugs or "all".
type toolList domain.PreloadConfig

// Schema leaves the form open: UnmarshalJSON tells the two apart.
func (toolList) Schema(huma.Registry) *huma.Schema {
	return &huma.Schema{Description: `A list of tool slugs, or "all"`}
}

// UnmarshalJSON reads either form.
func (l *toolList) UnmarshalJSON(data []byte) error {
	var word string
	if json.Unmarshal(data, &word) == nil && word == "all" {
		*l = toolList{All: true}
		return nil
	}
	var list []string
	if err := json.Unmarshal(data, &list); err != nil {
		return errors.New(`preload.tools: expected a list of tool slugs, or "all"`)
	}
	*l = toolList{Tools: list}
	return nil
}

// apply changes cfg as the blocks ask.
func (b *SessionBlocks) apply(cfg *domain.SessionConfig) error {
	for _, step := range []func(*domain.SessionConfig) error{
		b.applyToolkits, b.applyTools, b.applyAccounts, b.applySwitches, b.applyMultiAccount, b.applyPermissions, b.applyLinkBase, b.refuseExperimental,
	} {
		if err := step(cfg); err != nil {
			return err
		}
	}
	return nil
}

func (b *SessionBlocks) applyToolkits(cfg *domain.SessionConfig) error {
	if !b.Toolkits.Present {
		return nil
	}
	cfg.Toolkits = nil
	in := b.Toolkits.Value
	if b.Toolkits.Null {
		return nil
	}
	if len(in.Approval) > 0 {
		return notOfferedOption("toolkits.require_approval", leaveOut)
	}
	if err := misspelt("toolkits", in.Enabled, in.Disabled); err != nil {
		return err
	}
	if err := oneOf("toolkits", in.Enable, in.Disable, nil); err != nil {
		return err
	}
	if len(in.Enable)+len(in.Disable) > 0 {
		cfg.Toolkits = &domain.Selection{Enable: in.Enable, Disable: in.Disable}
	}
	return nil
}

// leaveOut is how calls are made to wait for a person's approval.
const leaveOut = "Use experimental.permissions with ask_always instead."

// oneOf refuses more than one way of choosing, and an allow list that allows
// nothing: taken as "no rule" it would allow everything.
func oneOf(field string, enable, disable []string, tags *tagsIn) error {
	n := 0
	for _, there := range []bool{enable != nil, disable != nil, tags != nil} {
		if there {
			n++
		}
	}
	if n > 1 {
		return domain.Invalid(field, "%s: give one of enable, disable and tags, not several", field)
	}
	return someOf(field, enable)
}

// someOf refuses an empty allow list.
func someOf(field string, enable []string) error {
	if enable != nil && len(enable) == 0 {
		return domain.Invalid(field+".enable", "%s.enable: an empty list would allow nothing", field).
			WithFix("Name what is allowed, or leave the field out to allow everything.")
	}
	return nil
}

func (b *SessionBlocks) applyTools(cfg *domain.SessionConfig) error {
	if b.Tools.Present {
		cfg.Tools = nil
		for slug, in := range b.Tools.Value {
			field := "tools." + slug
			if len(in.Approval) > 0 {
				return notOfferedOption(field+".require_approval", leaveOut)
			}
			if err := misspelt(field, in.Enabled, in.Disabled); err != nil {
				return err
			}
			if err := oneOf(field, in.Enable, in.Disable, in.Tags); err != nil {
				return err
			}
			rule := domain.ToolRule{Enable: in.Enable, Disable: in.Disable}
			if in.Tags != nil {
				if err := someOf(field+".tags", in.Tags.Enable); err != nil {
					return err
				}
				rule.Tags = in.Tags.rule()
			}
			if cfg.Tools == nil {
				cfg.Tools = map[string]domain.ToolRule{}
			}
			cfg.Tools[slug] = rule
		}
	}
	if !b.Tags.Present {
		return nil
	}
	if b.Tags.Null {
		cfg.Tags = nil
		return nil
	}
	if err := someOf("tags", b.Tags.Value.Enable); err != nil {
		return err
	}
	cfg.Tags = b.Tags.Value.rule()
	return nil
}

// rule gives no rule for empty lists.
func (t tagsIn) rule() *domain.TagRule {
	if len(t.Enable) == 0 && len(t.Disable) == 0 {
		return nil
	}
	return &domain.TagRule{Enable: t.Enable, Disable: t.Disable}
}

func (b *SessionBlocks) applyAccounts(cfg *domain.SessionConfig) error {
	if b.AuthConfigs.Present {
		cfg.AuthConfigs = b.AuthConfigs.Value
	}
	if b.ConnectedAccounts.Present {
		cfg.ConnectedAccounts = nil
		for slug, ids := range b.ConnectedAccounts.Value {
			if cfg.ConnectedAccounts == nil {
				cfg.ConnectedAccounts = map[string][]string{}
			}
			cfg.ConnectedAccounts[slug] = ids
		}
	}
	return nil
}

func (b *SessionBlocks) applySwitches(cfg *domain.SessionConfig) error {
	b.applyManage(cfg)
	if err := b.applyWorkbench(cfg); err != nil {
		return err
	}
	if b.ProxyExecute.Present {
		cfg.ProxyExecute = pointer(b.ProxyExecute.Value.Enable)
	}
	if b.Preload.Present {
		cfg.Preload = domain.PreloadConfig{}
		if t := b.Preload.Value.Tools; t != nil {
			cfg.Preload = domain.PreloadConfig(*t)
		}
	}
	if on := b.Search.Value.Enable; b.Search.Null || on.Present {
		cfg.SearchOff = on.set() && !on.Value
	}
	if on := b.Execute.Value.Multi; b.Execute.Null || on.Present {
		cfg.MultiExecuteOff = on.set() && !on.Value
	}
	return nil
}

func (b *SessionBlocks) applyManage(cfg *domain.SessionConfig) {
	if b.ManageConnections.Null {
		cfg.ManageConnections = domain.ManageConnectionsConfig{}
	}
	in, mc := b.ManageConnections.Value, &cfg.ManageConnections
	if in.Enable.Present {
		mc.Off = in.Enable.set() && !in.Enable.Value
	}
	if in.CallbackURL.Present {
		mc.CallbackURL = in.CallbackURL.Value
	}
	if in.Wait.Present {
		mc.Wait = in.Wait.Value
	}
	if in.Removal.Present {
		mc.Removal = pointer(in.Removal)
	}
}

func (b *SessionBlocks) applyWorkbench(cfg *domain.SessionConfig) error {
	if b.Workbench.Null {
		cfg.Workbench = domain.WorkbenchConfig{}
	}
	in, wb := b.Workbench.Value, &cfg.Workbench
	if in.Proxy.Present {
		wb.ProxyExecution = pointer(in.Proxy)
	}
	if in.Threshold.Present {
		if in.Threshold.Value < 0 {
			return domain.Invalid("workbench.auto_offload_threshold", "workbench.auto_offload_threshold: expected 0 or more")
		}
		wb.AutoOffloadThreshold = pointer(in.Threshold)
	}
	if in.Size.Present {
		sizes := []string{"", "standard", "medium", "large", "xlarge"}
		if !slices.Contains(sizes, in.Size.Value) {
			return domain.Invalid("workbench.sandbox_size", "workbench.sandbox_size: expected one of %s", strings.Join(sizes[1:], ", "))
		}
		wb.SandboxSize = in.Size.Value
	}
	return nil
}

func pointer[T any](g given[T]) *T {
	if !g.set() {
		return nil
	}
	return &g.Value
}

func (b *SessionBlocks) applyMultiAccount(cfg *domain.SessionConfig) error {
	if b.MultiAccount.Null {
		cfg.MultiAccount = domain.MultiAccountConfig{}
	}
	in, ma := b.MultiAccount.Value, &cfg.MultiAccount
	if in.Enable.Present {
		ma.Enable = in.Enable.Value
	}
	if in.Max.Present {
		if in.Max.set() && (in.Max.Value < 2 || in.Max.Value > 10) {
			return domain.Invalid("multi_account.max_accounts_per_toolkit", "multi_account.max_accounts_per_toolkit: expected 2 to 10")
		}
		ma.Max = in.Max.Value
	}
	if in.Explicit.Present {
		ma.RequireExplicit = in.Explicit.Value
	}
	return nil
}

// maxLinkBase bounds the address at which connect links begin, in bytes.
const maxLinkBase = 500

// applyLinkBase takes the address at which connect links begin. The links are
// secrets of their users: they leave this machine on https only.
func (b *SessionBlocks) applyLinkBase(cfg *domain.SessionConfig) error {
	in := b.Experimental.Value.LinkURLOverwrite
	if b.Experimental.Null || in.Present && (in.Null || in.Value == "") {
		cfg.LinkBase = ""
		return nil
	}
	if !in.Present {
		return nil
	}
	u, err := url.Parse(in.Value)
	if err != nil || len(in.Value) > maxLinkBase || !usableHost(u.Host) || u.User != nil || u.RawQuery != "" || u.Fragment != "" || u.Opaque != "" ||
		u.Scheme != "https" && (u.Scheme != "http" || !loopback(u.Hostname())) {
		return domain.Invalid("experimental.link_url_overwrite",
			"experimental.link_url_overwrite: expected an https address without query and fragment, such as https://connect.example.com")
	}
	cfg.LinkBase = strings.TrimRight(u.String(), "/")
	return nil
}

// loopback says whether host is this machine by name or address.
func loopback(host string) bool {
	a, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && a.IsLoopback()
}

// refuseExperimental refuses by name what would otherwise be silently missing:
// a permission that is not kept is worse than none.
func (b *SessionBlocks) refuseExperimental(*domain.SessionConfig) error {
	if len(b.Hooks) > 0 {
		return notOfferedOption("hooks", "Leave it out.")
	}
	return nil
}
