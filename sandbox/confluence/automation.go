package confluence

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// RuleEvent is what starts a rule of automation.
type RuleEvent string

// The events.
const (
	PagePublished   RuleEvent = "page published"
	PageEdited      RuleEvent = "page edited"
	BlogPublished   RuleEvent = "blog published"
	BlogEdited      RuleEvent = "blog edited"
	CommentAdded    RuleEvent = "comment added"
	AttachmentAdded RuleEvent = "attachment added"
)

// Rule is a rule of Confluence automation with the action "Send web request": when
// something happens, whoever did it, a request goes out. Requests wait until
// [Sandbox.SendRequests] or [Sandbox.Automate] sends them.
type Rule struct {
	Name string
	On   RuleEvent
	// Space is the key of the space that it watches; empty means all.
	Space string
	// Method is POST unless it says otherwise.
	Method string
	URL    string
	Header http.Header
	// Body is the custom data. Smart values in it are filled in: {{page.id}},
	// {{page.title}}, {{page.version}}, {{page.status}} and {{page.url}}, the same of
	// {{blog…}}, {{comment…}} and {{attachment…}}, {{space.id}}, {{space.key}} and
	// {{space.name}}, {{now}}. With .asJsonString behind it a value is escaped for
	// JSON, with quotes around it. One that has no value, or that is not known, is
	// empty, as in the cloud.
	Body string
}

// SentRequest is a request that a rule sent.
type SentRequest struct {
	Rule   string
	On     RuleEvent
	Body   string
	Status int   // of the answer; 0 when there was none
	Err    error // why there was none
}

// Bounds of automation.
const (
	maxRules       = 100
	maxRequests    = 10_000 // that wait; later ones are lost, as over the cloud's limit
	requestTimeout = 30 * time.Second
)

// automation is a site's rules and what they have to send.
type automation struct {
	rules   []Rule
	seen    changeLog // how the site was
	pending []SentRequest
	targets []*Rule // of pending
	wake    chan struct{}
}

// AddRule gives the site a rule, for what happens from now on.
func (s *Sandbox) AddRule(r Rule) error {
	u, err := url.Parse(r.URL)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return fmt.Errorf("confluence sandbox: the URL of a rule: expected an http or https address")
	}
	switch r.On {
	case PagePublished, PageEdited, BlogPublished, BlogEdited, CommentAdded, AttachmentAdded:
	default:
		return fmt.Errorf("confluence sandbox: a rule cannot start on %q", r.On)
	}
	if r.Method == "" {
		r.Method = http.MethodPost
	}
	r.Header = r.Header.Clone()
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.auto.rules) == 0 {
		s.auto.seen.compare(&s.st, s.now())
		s.auto.seen.lines = nil
	}
	if len(s.auto.rules) >= maxRules {
		return fmt.Errorf("confluence sandbox: the site has %d rules, the most that it may", maxRules)
	}
	s.auto.rules = append(s.auto.rules, r)
	return nil
}

// notice finds out what a write changed, and what the rules make of it. The lock is
// held.
func (a *automation) notice(s *Sandbox) {
	a.seen.compare(&s.st, s.now())
	lines := a.seen.lines
	a.seen.lines = nil
	for _, c := range lines {
		on, x := s.ruleEvent(c)
		if x == nil {
			continue
		}
		for i := range a.rules {
			r := a.rules[i]
			sp := s.st.spaces[s.st.spaceHolding(x)]
			if r.On != on || r.Space != "" && (sp == nil || !strings.EqualFold(sp.key, r.Space)) || len(a.pending) >= maxRequests {
				continue
			}
			a.pending = append(a.pending, SentRequest{Rule: r.Name, On: on, Body: s.fillIn(r.Body, x, sp)})
			a.targets = append(a.targets, &r)
		}
	}
	if len(a.pending) > 0 {
		select {
		case a.wake <- struct{}{}:
		default:
		}
	}
}

// ruleEvent says what a change starts, and of which content.
func (s *Sandbox) ruleEvent(c Change) (RuleEvent, *content) {
	var x *content
	for _, id := range []string{c.ID, strings.TrimPrefix(c.ID, attachmentPrefix)} {
		if n, ok := contentID(id); ok && s.st.contents[n] != nil {
			x = s.st.contents[n]
		}
	}
	if x == nil || x.status != statusCurrent || string(x.typ) != c.Type {
		return "", nil
	}
	fresh := c.What == ChangedStatus && (c.Before == "" || c.Before == statusDraft) && c.After == statusCurrent
	edited := c.What == ChangedVersion && c.After == itoa(int64(x.current().number)) && older(c.Before, c.After)
	switch {
	case fresh && x.typ == typePage:
		return PagePublished, x
	case fresh && x.typ == typeBlog:
		return BlogPublished, x
	case fresh && x.typ == typeComment:
		return CommentAdded, x
	case fresh && x.typ == typeFile:
		return AttachmentAdded, x
	case edited && x.typ == typePage:
		return PageEdited, x
	case edited && x.typ == typeBlog:
		return BlogEdited, x
	}
	return "", nil
}

func contentID(text string) (int64, bool) {
	n, err := strconv.ParseInt(text, 10, 64)
	return n, err == nil
}

// older says whether one version number is before another.
func older(a, b string) bool {
	before, known := contentID(a)
	after, _ := contentID(b)
	return known && before < after
}

// spaceHolding gives the space of a content, or of what it is on.
func (st *store) spaceHolding(x *content) int64 {
	for range 100 {
		if x.spaceID != 0 || st.contents[x.containerID] == nil {
			return x.spaceID
		}
		x = st.contents[x.containerID]
	}
	return 0
}

var smartValue = regexp.MustCompile(`\{\{\s*([A-Za-z]+)(?:\.([A-Za-z]+))?(\.asJsonString)?\s*\}\}`)

// fillIn gives a text with its smart values.
func (s *Sandbox) fillIn(text string, x *content, sp *space) string {
	noun := map[contentType]string{typePage: "page", typeBlog: "blog", typeComment: "comment", typeFile: "attachment"}[x.typ]
	values := map[string]string{
		noun + ".id": x.ref(), noun + ".title": x.title(), noun + ".status": x.status,
		noun + ".version": itoa(int64(x.current().number)), "now.": s.now().Format(time.RFC3339),
	}
	if sp != nil {
		values["space.id"], values["space.key"], values["space.name"] = itoa(sp.id), sp.key, sp.name
		values[noun+".url"] = s.opts.BaseURL + "/wiki/spaces/" + sp.key + "/pages/" + x.ref()
	}
	return smartValue.ReplaceAllStringFunc(text, func(found string) string {
		m := smartValue.FindStringSubmatch(found)
		v := values[m[1]+"."+m[2]]
		if m[3] == "" {
			return v
		}
		quoted, err := json.Marshal(v)
		if err != nil {
			return `""`
		}
		return string(quoted)
	})
}

// SendRequests sends what the rules have to send, one after the other, and says how
// each went; a nil client is http.DefaultClient. As in the cloud nothing is sent
// twice.
func (s *Sandbox) SendRequests(ctx context.Context, c *http.Client) []SentRequest {
	if c == nil {
		c = http.DefaultClient
	}
	s.mu.Lock()
	out, targets := s.auto.pending, s.auto.targets
	s.auto.pending, s.auto.targets = nil, nil
	s.mu.Unlock()
	for i := range out {
		out[i].Status, out[i].Err = sendRequest(ctx, c, targets[i], out[i].Body)
	}
	return out
}

// Automate sends what the rules have to send as it comes, until the context ends.
func (s *Sandbox) Automate(ctx context.Context, c *http.Client) {
	for {
		s.SendRequests(ctx, c)
		select {
		case <-s.auto.wake:
		case <-ctx.Done():
			return
		}
	}
}

func sendRequest(ctx context.Context, c *http.Client, r *Rule, body string) (int, error) {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, r.Method, r.URL, strings.NewReader(body))
	if err != nil {
		return 0, fmt.Errorf("making the request: %w", err)
	}
	req.Header.Set("Content-Type", "application/json")
	for name, values := range r.Header {
		req.Header[http.CanonicalHeaderKey(name)] = values
	}
	resp, err := c.Do(req)
	if err != nil {
		return 0, fmt.Errorf("sending the request: %w", err)
	}
	defer func() { _ = resp.Body.Close() }()
	_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, 1<<20)) // nobody reads the answer
	return resp.StatusCode, nil
}
