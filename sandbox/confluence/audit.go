package confluence

import (
	"net"
	"slices"
	"strconv"
	"strings"
	"time"
)

// maxAudit is how many records of the audit log are kept; the oldest go first.
const maxAudit = 10_000

// auditRecord is one line of the audit log.
type auditRecord struct {
	at         time.Time
	account    string
	address    string
	category   string
	summary    string
	desc       string
	admin      bool
	object     auditObject
	changes    []auditChange
	associated []auditObject
}

type auditObject struct {
	Name       string `json:"name"`
	ObjectType string `json:"objectType"`
}

type auditChange struct {
	Name     string `json:"name"`
	OldValue string `json:"oldValue"`
	NewValue string `json:"newValue"`
}

type auditRetention struct {
	Number int    `json:"number"`
	Units  string `json:"units"`
}

func auditRoutes() map[string]endpoint {
	return map[string]endpoint{
		"GET /audit":           (*call).getAudit,
		"POST /audit":          (*call).createAudit,
		"GET /audit/since":     (*call).getAuditSince,
		"GET /audit/retention": (*call).getRetention,
		"PUT /audit/retention": (*call).setRetention,
	}
}

func named(x *content) auditObject {
	return auditObject{Name: x.title(), ObjectType: category(x.typ)}
}

func changed(name, value string) auditChange { return auditChange{Name: name, NewValue: value} }

// category is how the audit log calls a type of content.
func category(t contentType) string {
	if t == typeBlog {
		return "Blog"
	}
	return strings.ToUpper(string(t[:1])) + string(t[1:])
}

// record writes a line to the audit log. The write lock is held.
func (c *call) record(category, summary string, object auditObject, changes ...auditChange) {
	host, _, err := net.SplitHostPort(c.r.RemoteAddr)
	if err != nil {
		host = c.r.RemoteAddr
	}
	c.st.audited(auditRecord{at: c.now(), account: c.me.AccountID, address: host, category: category, summary: summary, admin: c.st.isAdmin(c.me.AccountID), object: object, changes: changes})
}

func (a *access) audited(r auditRecord) {
	if len(a.audit) >= maxAudit {
		a.audit = slices.Delete(a.audit, 0, len(a.audit)-maxAudit+1)
	}
	a.audit = append(a.audit, r)
	a.auditedInAll++
}

type v1AuditAuthor struct {
	Type        string `json:"type"`
	DisplayName string `json:"displayName"`
	AccountID   string `json:"accountId"`
	AccountType string `json:"accountType"`
	PublicName  string `json:"publicName"`
	External    bool   `json:"isExternalCollaborator"`
	IsGuest     bool   `json:"isGuest"`
}

type v1AuditRecord struct {
	Author        v1AuditAuthor `json:"author"`
	RemoteAddress string        `json:"remoteAddress"`
	CreationDate  int64         `json:"creationDate"`
	Summary       string        `json:"summary"`
	Description   string        `json:"description"`
	Category      string        `json:"category"`
	SysAdmin      bool          `json:"sysAdmin"`
	SuperAdmin    bool          `json:"superAdmin"`
	Affected      auditObject   `json:"affectedObject"`
	Changed       []auditChange `json:"changedValues"`
	Associated    []auditObject `json:"associatedObjects"`
}

func (c *call) showAudit(r auditRecord) v1AuditRecord {
	name := c.st.displayName(r.account)
	return v1AuditRecord{
		Author:        v1AuditAuthor{Type: "user", DisplayName: name, AccountID: r.account, AccountType: "atlassian", PublicName: name},
		RemoteAddress: r.address, CreationDate: r.at.UnixMilli(), Summary: r.summary, Description: r.desc, Category: r.category, SysAdmin: r.admin,
		Affected: r.object, Changed: append([]auditChange{}, r.changes...), Associated: append([]auditObject{}, r.associated...),
	}
}

// adminOnly refuses whoever does not administer the site. The lock is held.
func (c *call) adminOnly() *apiError {
	if !c.st.isAdmin(c.me.AccountID) {
		return forbidden("Current user not permitted to administer Confluence")
	}
	return nil
}

// epochParam reads a time in milliseconds from the query; zero without one.
func (c *call) epochParam(name string) (time.Time, *apiError) {
	raw := c.q.Get(name)
	if raw == "" {
		return time.Time{}, nil
	}
	ms, err := strconv.ParseInt(raw, 10, 64)
	if err != nil {
		return time.Time{}, badRequest("%s must be a time in milliseconds since 1970, got '%s'", name, raw)
	}
	return time.UnixMilli(ms).UTC(), nil
}

func (c *call) getAudit() (any, *apiError) {
	from, err := c.epochParam("startDate")
	if err != nil {
		return nil, err
	}
	to, err := c.epochParam("endDate")
	if err != nil {
		return nil, err
	}
	return c.auditPage(from, to)
}

// auditUnits are the lengths of the units of audit/since; calendar ones are in days.
var auditUnits = map[string]time.Duration{
	"NANOS": time.Nanosecond, "MICROS": time.Microsecond, "MILLIS": time.Millisecond, "SECONDS": time.Second, "MINUTES": time.Minute,
	"HOURS": time.Hour, "HALF_DAYS": 12 * time.Hour, "DAYS": 24 * time.Hour, "WEEKS": 7 * 24 * time.Hour, "MONTHS": 30 * 24 * time.Hour,
	"YEARS": 365 * 24 * time.Hour, "DECADES": 3650 * 24 * time.Hour, "CENTURIES": 36500 * 24 * time.Hour,
}

func (c *call) getAuditSince() (any, *apiError) {
	n, units := 3, "MONTHS"
	if raw := c.q.Get("number"); raw != "" {
		v, ok := number(raw)
		if !ok || v < 0 {
			return nil, badRequest("number must be a number that is not negative, got '%s'", raw)
		}
		n = v
	}
	if raw := c.q.Get("units"); raw != "" {
		units = strings.ToUpper(raw)
	}
	d, ok := auditUnits[units]
	if !ok {
		return nil, badRequest("units '%s' is not a unit of time such as DAYS, WEEKS or MONTHS", units)
	}
	// Longer than any log reaches back, and short enough not to overflow.
	const most = 100 * 365 * 24 * time.Hour
	span := most
	if n == 0 || d <= most/time.Duration(n) {
		span = time.Duration(n) * d
	}
	return c.auditPage(c.now().Add(-span), time.Time{})
}

// auditPage lists the records between two times, the newest first.
func (c *call) auditPage(from, to time.Time) (any, *apiError) {
	want := strings.ToLower(c.q.Get("searchString"))
	if c.q == nil {
		c.q = map[string][]string{}
	}
	if c.q.Get("limit") == "" {
		c.q.Set("limit", "1000")
	}
	c.rlock()
	if err := c.adminOnly(); err != nil {
		return nil, err
	}
	var rows []auditRecord
	for _, r := range slices.Backward(c.st.audit) {
		text := strings.ToLower(r.summary + "\x00" + r.category + "\x00" + r.object.Name + "\x00" + c.st.displayName(r.account))
		if r.at.Before(from) || !to.IsZero() && r.at.After(to) || want != "" && !strings.Contains(text, want) {
			continue
		}
		rows = append(rows, r)
	}
	return pageV1(c, rows, c.showAudit)
}

func (c *call) createAudit() (any, *apiError) {
	var in struct {
		RemoteAddress string
		CreationDate  int64
		Summary       string
		Description   string
		Category      string
		SysAdmin      bool
		Affected      auditObject   `json:"affectedObject"`
		Changed       []auditChange `json:"changedValues"`
		Associated    []auditObject `json:"associatedObjects"`
	}
	if err := c.decode(&in); err != nil {
		return nil, err
	}
	if in.RemoteAddress == "" {
		return nil, badRequest("remoteAddress must be specified")
	}
	c.lock()
	if err := c.adminOnly(); err != nil {
		return nil, err
	}
	r := auditRecord{
		at: c.now(), account: c.me.AccountID, address: in.RemoteAddress, category: in.Category, summary: in.Summary, desc: in.Description, admin: in.SysAdmin,
		object: in.Affected, changes: in.Changed, associated: in.Associated,
	}
	if in.CreationDate != 0 {
		r.at = time.UnixMilli(in.CreationDate).UTC()
	}
	c.st.audited(r)
	return c.showAudit(r), nil
}

func (c *call) getRetention() (any, *apiError) {
	c.rlock()
	if err := c.adminOnly(); err != nil {
		return nil, err
	}
	return c.st.retained, nil
}

func (c *call) setRetention() (any, *apiError) {
	var in auditRetention
	if err := c.decode(&in); err != nil {
		return nil, err
	}
	if _, ok := auditUnits[in.Units]; !ok || in.Number < 1 {
		return nil, badRequest("number must be at least 1 and units a unit of time such as MONTHS")
	}
	c.lock()
	if err := c.adminOnly(); err != nil {
		return nil, err
	}
	c.st.retained = in
	return in, nil
}

// number reads a whole number that fits an int32.
func number(raw string) (int, bool) {
	n, err := strconv.ParseInt(raw, 10, 32)
	return int(n), err == nil
}

// Audit gives the audit log, the newest record first: category, summary, the
// name of what was changed and the account that did it.
func (s *Sandbox) Audit() []AuditRecord {
	s.mu.RLock()
	defer s.mu.RUnlock()
	var out []AuditRecord
	for _, r := range slices.Backward(s.st.audit) {
		out = append(out, AuditRecord{At: r.at, AccountID: r.account, Category: r.category, Summary: r.summary, Object: r.object.Name})
	}
	return out
}

// AuditRecord is a line of the audit log as a test reads it.
type AuditRecord struct {
	At                                   time.Time
	AccountID, Category, Summary, Object string
}
