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
// Validation, the choice of the account, credentials, refresh, limits and the
// execution record are the router's; a tool cannot forget one. A tool reaches
// the world only through Call.HTTP, which is guarded and already carries the
// account's credentials. No type of another module shows in this package.
package toolkit
