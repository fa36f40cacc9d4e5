// Package toolkit is what the author of a toolkit writes against.
//
// A toolkit is a value: its facts, its auth schemes and its tools. A tool is a
// typed Go function; its input struct is the schema that agents see:
//
//	var getPage = toolkit.Read("CONFLUENCE_GET_PAGE_BY_ID", "Get Page by ID",
//		"Read one page: title, body, version, links.",
//		toolkit.About{
//			Scopes:   toolkit.AllOf("read:page:confluence"),
//			Keywords: []string{"open", "show", "document", "wiki"},
//		},
//		func(ctx context.Context, c *client, in getPageInput) (*Page, error) {
//			return c.page(ctx, in.ID, in.options())
//		})
//
// and the toolkit binds its functions to the client they need:
//
//	func New() *toolkit.Toolkit {
//		return &toolkit.Toolkit{Slug: "confluence", …, Tools: toolkit.Bind(newClient, getPage, …)}
//	}
//
// # Inputs and outputs
//
// The fields of an input are the arguments; tags say the rest:
//
//	type input struct {
//		ID    string   `json:"id" jsonschema:"minLength=1" jsonschema_description:"Id of the page."`
//		Limit int      `json:"limit,omitempty" jsonschema:"minimum=1,maximum=250,default=25" jsonschema_description:"How many."`
//		Sort  string   `json:"sort,omitempty" jsonschema:"enum=id,enum=-id" jsonschema_description:"Order."`
//		Tags  []string `json:"tags,omitempty" jsonschema:"maxItems=20" jsonschema_description:"Only these."`
//	}
//
// An argument is required unless its json tag says omitempty or omitzero.
// Embedded structs are inlined, so that groups of arguments can be shared; a
// type that contains itself is refused. Arguments that no field names are
// refused, with the name that was probably meant; see [Tool.Validate] for what
// is converted. Outputs are described the same way.
//
// # Triggers
//
// A trigger is declared like a tool, with Poll and BindTriggers: its
// configuration and the payload of its events are structs too. Its poll function
// takes the cursor that the poll before gave and gives events and the next
// cursor:
//
//	var pageUpdated = toolkit.Poll("CONFLUENCE_PAGE_UPDATED_TRIGGER", "Page Updated", "…",
//		toolkit.TriggerAbout{Scopes: …, Interval: 5 * time.Minute, …},
//		toolkit.Poller[*client, pageUpdatedConfig, feed, pagePayload]{
//			Poll: func(ctx context.Context, c *client, cfg pageUpdatedConfig, cur *feed) (toolkit.Step[feed, pagePayload], error) {
//				…
//			},
//		})
//
// When to poll, what polls share, and what becomes of events is the router's.
//
// # What is the router's
//
// Validation, the choice of the account, credentials, refresh, limits and the
// execution record are the router's; a tool cannot forget one. A tool reaches
// the world only through Call.HTTP, which is guarded and already carries the
// account's credentials. No type of another module shows in this package.
package toolkit
