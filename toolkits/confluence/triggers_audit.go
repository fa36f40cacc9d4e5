package confluence

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/sluice-run/sluice/toolkit"
)

type auditConfig struct {
	SearchString string `json:"searchString,omitempty" jsonschema:"maxLength=500" jsonschema_description:"Only records that hold these words."`
	Category     string `json:"category,omitempty" jsonschema:"maxLength=200" jsonschema_description:"Only records of this kind: Permissions, Spaces, Users and groups …"`
}

func (cfg auditConfig) keep(r auditRecord) bool {
	return cfg.Category == "" || strings.EqualFold(strings.TrimSpace(cfg.Category), r.Category)
}

type auditEvent struct {
	happened
	Change auditFacts `json:"change" jsonschema_description:"What changed."`
}

type auditFacts struct {
	Record auditRecord `json:"record" jsonschema_description:"The record."`
}

const scopeReadAudit = "read:audit-log:confluence"

var auditLogged = toolkit.Poll("CONFLUENCE_NEW_AUDIT_LOG_TRIGGER", "New Audit Log",
	"Fires once for each new record of the site's audit log: permissions, settings, spaces, users and groups. It needs a Confluence administrator. "+
		"Not for edits of pages: use page updated.",
	toolkit.TriggerAbout{
		Scopes:   toolkit.AllOf(scopeReadAudit),
		Keywords: []string{"security event", "compliance", "administration", "permission changed", "settings changed"},
		Blind: []string{
			"A record that turns up more than ten minutes late, with an earlier time than what was seen, is not reported.",
			"Records have no ids: two that are alike in everything, time included, are told apart by their number only.",
		},
		Endpoints: []string{"GET /wiki/rest/api/audit"},
		Interval:  usual, MinInterval: soonest, IdleRequests: 1, IdlePoints: 2, IdleMore: "and a point for each record of the ten minutes before the last one",
	},
	toolkit.Poller[*client, auditConfig, feed, auditEvent]{
		Example: auditEvent{
			happened{OccurredAt: "2026-11-22T10:00:00.000Z", Actor: by("5b10a2844c20165700ede21g"), Resource: eventResource{Type: "audit_record", ID: "4f1c6a0b9d2e7f35a8c1", Title: "Space permission added"}},
			auditFacts{auditRecord{
				Author: auditAuthor{Type: "user", DisplayName: "Ada", AccountID: "5b10a2844c20165700ede21g"}, CreationDate: 1795341600000,
				CreatedAt: "2026-11-22T10:00:00Z", Summary: "Space permission added", Category: "Permissions",
				Affected: auditObject{Name: "Marketing", Type: "Space"}, Changed: []auditChange{{Name: "read space", NewValue: "everybody"}},
			}},
		},
		Check: func(ctx context.Context, c *client, cfg auditConfig) (auditConfig, error) {
			_, err := c.auditPage(ctx, cfg, 0, 0, 1)
			return cfg, err
		},
		Sample: sampled(func(cfg auditConfig, e *auditEvent) {
			record := &e.Change.Record
			record.CreatedAt, record.CreationDate = e.OccurredAt, millis(e.OccurredAt)
			record.Category = cmp.Or(cfg.Category, record.Category)
			record.Summary = cmp.Or(cfg.SearchString, record.Summary)
			e.Resource.Title = record.Summary
		}),
		Poll: func(ctx context.Context, c *client, cfg auditConfig, cur *feed) (step toolkit.Step[feed, auditEvent], err error) {
			if cur != nil {
				step.Cursor = *cur
			}
			step.Events, step.More, err = c.pollAudit(ctx, cfg, &step.Cursor)
			return step, err
		},
	})

// auditPage reads records of a span of time, the newest first; 0 leaves an end open.
func (c *client) auditPage(ctx context.Context, cfg auditConfig, from, to int64, limit int) (list[auditRecord], error) {
	q := url.Values{}
	set(q, "searchString", strings.TrimSpace(cfg.SearchString))
	if from > 0 {
		q.Set("startDate", strconv.FormatInt(from, 10))
	}
	if to > 0 {
		q.Set("endDate", strconv.FormatInt(to, 10))
	}
	got, err := oneByStart[auditRecord](ctx, c, request{path: v1 + "/audit", query: q, scopes: []string{scopeReadAudit}}, 0, limit, nil)
	if isStatus(err, http.StatusForbidden) {
		return got, &toolkit.Error{
			Kind: toolkit.KindForbidden, Status: http.StatusForbidden, Message: "The account may not read the audit log.",
			Fix: "Use the account of a Confluence administrator, on a plan that has an audit log.", Cause: err,
		}
	}
	return got, err
}

// auditLimit is how many records are read at once.
const auditLimit = 500

// pollAudit follows the log. Its list can be cut by time, so a walk needs no
// cursor of the API: it goes on below the oldest moment that was read whole.
// Walk.Low is that moment.
func (c *client) pollAudit(ctx context.Context, cfg auditConfig, f *feed) (events []toolkit.Event[auditEvent], more bool, err error) {
	if f.Cut == 0 && f.Walk == nil {
		got, err := c.auditPage(ctx, cfg, 0, 0, 1)
		if err != nil {
			return nil, false, err
		}
		f.Walk = &walk{Site: c.now().UnixMilli(), Quiet: true}
		for _, r := range got.items {
			f.Walk.Top = r.CreationDate
		}
		f.begin(f.Walk.Top)
	}
	if f.Seen == nil {
		f.Seen = map[string]mark{}
	}
	for range maxPollPages {
		var to int64
		if f.Walk != nil && f.Walk.Low > 0 {
			to = f.Walk.Low - 1
		}
		got, err := c.auditPage(ctx, cfg, f.Cut, to, auditLimit)
		if err != nil {
			return nil, false, err
		}
		if f.Walk == nil {
			f.Walk = &walk{Site: c.now().UnixMilli()}
		}
		items := got.items
		if got.cursor != "" { // the last moment may be cut in the middle
			if items = wholeMoments(items); len(items) == 0 {
				return nil, false, &toolkit.Error{Kind: toolkit.KindTooLarge, Message: "More records of the audit log than can be read have one and the same time.", Fix: "Narrow the trigger with searchString."}
			}
		}
		events = c.newRecords(cfg, f, items, events)
		if got.cursor == "" {
			f.end()
			return inOrder(events), false, nil
		}
		f.forget(false)
		if len(events) >= maxPollEvents {
			break
		}
	}
	return inOrder(events), true, nil
}

// wholeMoments leaves out the records of the oldest moment.
func wholeMoments(items []auditRecord) []auditRecord {
	oldest := items[len(items)-1].CreationDate
	n := len(items)
	for n > 0 && items[n-1].CreationDate == oldest {
		n--
	}
	return items[:n]
}

// newRecords tells of the records that were not seen. Those that are alike are
// numbered, which works since a moment is always read whole.
func (c *client) newRecords(cfg auditConfig, f *feed, items []auditRecord, events []toolkit.Event[auditEvent]) []toolkit.Event[auditEvent] {
	alike := map[string]int{}
	for _, r := range items {
		sum := sumOf(r)
		alike[sum]++
		key := fmt.Sprintf("%s.%d", sum, alike[sum])
		f.Walk.Top = max(f.Walk.Top, r.CreationDate)
		if f.Walk.Low == 0 || r.CreationDate < f.Walk.Low {
			f.Walk.Low = r.CreationDate
		}
		if _, known := f.Seen[key]; known {
			continue
		}
		f.Seen[key] = mark{At: r.CreationDate}
		if f.Walk.Quiet || !cfg.keep(r) {
			continue
		}
		at := time.UnixMilli(r.CreationDate).UTC()
		r.CreatedAt = at.Format(time.RFC3339)
		events = append(events, toolkit.Event[auditEvent]{
			Key: "audit:" + key, OccurredAt: at,
			Payload: auditEvent{
				happened{OccurredAt: stampOf(at), Actor: by(r.Author.AccountID), Resource: eventResource{Type: "audit_record", ID: key, Title: r.Summary}},
				auditFacts{r},
			},
		})
	}
	return events
}

// sumOf is the sum of all that a record says.
func sumOf(r auditRecord) string {
	data, err := json.Marshal(r)
	if err != nil {
		data = fmt.Appendf(nil, "%+v", r) // strings and numbers always marshal
	}
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:10])
}
