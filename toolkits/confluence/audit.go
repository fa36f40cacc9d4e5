package confluence

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"time"

	"github.com/sluice-run/sluice/toolkit"
)

// auditRecord is one entry of the audit log.
type auditRecord struct {
	Author        auditAuthor   `json:"author" jsonschema_description:"Who did it."`
	RemoteAddress string        `json:"remoteAddress,omitempty" jsonschema_description:"From which address."`
	CreationDate  int64         `json:"creationDate" jsonschema_description:"When, in milliseconds since 1970."`
	CreatedAt     string        `json:"createdAt" jsonschema_description:"When, as a date."`
	Summary       string        `json:"summary" jsonschema_description:"What happened."`
	Description   string        `json:"description,omitempty" jsonschema_description:"More of what happened."`
	Category      string        `json:"category,omitempty" jsonschema_description:"Kind of event: Permissions, Spaces …"`
	SysAdmin      bool          `json:"sysAdmin,omitempty" jsonschema_description:"Whether a system administrator did it."`
	SuperAdmin    bool          `json:"superAdmin,omitempty" jsonschema_description:"Whether it was done with the rights of a super administrator."`
	Affected      auditObject   `json:"affectedObject" jsonschema_description:"To what it was done."`
	Changed       []auditChange `json:"changedValues,omitempty" jsonschema_description:"What changed."`
	Associated    []auditObject `json:"associatedObjects,omitempty" jsonschema_description:"What else it is about."`
}

type auditAuthor struct {
	Type        string `json:"type,omitempty" jsonschema_description:"Kind of account."`
	DisplayName string `json:"displayName,omitempty" jsonschema_description:"Full name."`
	AccountID   string `json:"accountId,omitempty" jsonschema_description:"Account id."`
}

type auditObject struct {
	Name string `json:"name" jsonschema_description:"Its name."`
	Type string `json:"objectType" jsonschema_description:"What it is: Space, User, Group …"`
}

type auditChange struct {
	Name     string `json:"name" jsonschema_description:"Which value."`
	OldValue string `json:"oldValue" jsonschema_description:"What it was."`
	NewValue string `json:"newValue" jsonschema_description:"What it is now."`
}

type auditList struct {
	Results []auditRecord `json:"results" jsonschema_description:"The records, newest first."`
	paging
}

type getAuditLogsInput struct {
	From   string `json:"from_,omitempty" jsonschema_description:"Only since then: 2026-11-01 or 2026-11-01T09:00:00Z."`
	To     string `json:"to,omitempty" jsonschema_description:"Only until then; a day counts whole."`
	Search string `json:"searchString,omitempty" jsonschema_description:"Only records that hold these words."`
	Limit  int    `json:"limit,omitempty" jsonschema:"minimum=1,maximum=1000,default=25" jsonschema_description:"How many records to return at most."`
	Start  int    `json:"start,omitempty" jsonschema:"minimum=0" jsonschema_description:"How many records to skip."`
	Cursor string `json:"cursor,omitempty" jsonschema_description:"Where to go on: next_cursor of the answer before."`
	All    bool   `json:"all,omitempty" jsonschema_description:"Get all records in one answer, up to 1,000; limit is ignored then."`
}

var getAuditLogs = toolkit.Read("CONFLUENCE_GET_AUDIT_LOGS", "Get Audit Logs",
	"Read the audit log of the site: changes of permissions, settings, spaces, users and groups, with actor and time. "+
		"It needs a Confluence administrator. For changes of a page use get page versions.",
	toolkit.About{
		Scopes: toolkit.AllOf("read:audit-log:confluence"),
		Keywords: []string{
			"security events", "administration", "permission changes", "compliance", "audit trail", "settings changed",
		},
		Pitfalls:  []string{"The account must be a Confluence administrator.", "A day without a time is taken in UTC."},
		Endpoints: []string{"GET /wiki/rest/api/audit"},
	},
	func(ctx context.Context, c *client, in getAuditLogsInput) (*auditList, error) {
		if in.Cursor != "" && in.Start > 0 {
			return nil, toolkit.Invalid("cursor", "cursor: expected next_cursor of the answer before, and no start")
		}
		q := url.Values{}
		set(q, "searchString", in.Search)
		for _, d := range []struct{ field, name, value string }{{"from_", "startDate", in.From}, {"to", "endDate", in.To}} {
			if d.value == "" {
				continue
			}
			ms, err := epochMillis(d.field, d.value, d.field == "to")
			if err != nil {
				return nil, err
			}
			q.Set(d.name, ms)
		}
		got, err := fetchByStart[auditRecord](ctx, c, request{path: v1 + "/audit", query: q, scopes: []string{"read:audit-log:confluence"}},
			maxAllItems, pageArgs{Limit: in.Limit, Cursor: in.Cursor, Start: in.Start, All: in.All}, nil)
		var e *toolkit.Error
		if isStatus(err, http.StatusForbidden) && errors.As(err, &e) && e.Kind == toolkit.KindForbidden {
			e.Fix = "The audit log is for Confluence administrators, on plans that have one."
		}
		if err != nil {
			return nil, err
		}
		out := &auditList{Results: orEmpty(got.items), paging: got.paging()}
		for i := range out.Results {
			out.Results[i].CreatedAt = time.UnixMilli(out.Results[i].CreationDate).UTC().Format(time.RFC3339)
		}
		return out, nil
	})
