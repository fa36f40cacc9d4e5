package confluence_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	sandbox "github.com/sluice-run/sluice/sandbox/confluence"
	"github.com/sluice-run/sluice/toolkit"
)

// answer makes a response without the sandbox, for what it never says.
func answer(r *http.Request, status int, body string) *http.Response {
	return &http.Response{
		StatusCode: status, Status: http.StatusText(status), Request: r,
		Header: http.Header{"Content-Type": {"application/json"}}, Body: io.NopCloser(strings.NewReader(body)),
	}
}

// smallest are arguments with which each tool makes a request.
func smallest(id, blog string) map[string]string {
	return map[string]string{
		"CREATE_PAGE":              `{"spaceId":"1","title":"x","body":{"value":"<p/>"}}`,
		"UPDATE_PAGE":              `{"id":"` + id + `","title":"x"}`,
		"DELETE_PAGE":              `{"id":"` + id + `"}`,
		"GET_PAGE_BY_ID":           `{"id":"` + id + `"}`,
		"GET_PAGES":                `{}`,
		"GET_CHILD_PAGES":          `{"id":"` + id + `"}`,
		"GET_PAGE_ANCESTORS":       `{"id":"` + id + `"}`,
		"GET_PAGE_VERSIONS":        `{"id":"` + id + `"}`,
		"CREATE_BLOGPOST":          `{"spaceId":"1","title":"x","body":{"value":"<p/>"}}`,
		"UPDATE_BLOGPOST":          `{"id":"` + blog + `","title":"x"}`,
		"GET_BLOGPOST_BY_ID":       `{"id":"` + blog + `"}`,
		"GET_BLOG_POSTS":           `{}`,
		"ADD_CONTENT_LABEL":        `{"id":"` + id + `","labels":[{"name":"x"}]}`,
		"GET_LABELS_FOR_PAGE":      `{"id":"` + id + `"}`,
		"GET_LABELS":               `{}`,
		"CQL_SEARCH":               `{"cql":"type = page"}`,
		"SEARCH_CONTENT":           `{"query":"x"}`,
		"GET_SPACES":               `{}`,
		"GET_SPACE_BY_ID":          `{"id":"1"}`,
		"GET_SPACE_CONTENTS":       `{"spaceKey":"1"}`,
		"CREATE_SPACE":             `{"key":"NEW","name":"New"}`,
		"CREATE_FOOTER_COMMENT":    `{"pageId":"` + id + `","body":{"value":"<p/>"}}`,
		"GET_PAGE_FOOTER_COMMENTS": `{"id":"` + id + `"}`,
		"GET_CURRENT_USER":         `{}`,

		"CREATE_PAGE_PROPERTY":                         `{"page_id":"` + id + `","key":"k","value":1}`,
		"GET_CONTENT_PROPERTIES_FOR_PAGE":              `{"page_id":"` + id + `"}`,
		"UPDATE_CONTENT_PROPERTY_FOR_PAGE_BY_ID":       `{"pageId":"` + id + `","propertyId":"k","value":1}`,
		"DELETE_CONTENT_PROPERTY_FOR_PAGE_BY_ID":       `{"pageId":"` + id + `","propertyId":"k"}`,
		"CREATE_BLOGPOST_PROPERTY":                     `{"id":"` + blog + `","key":"k","value":1}`,
		"GET_CONTENT_PROPERTIES_FOR_BLOG_POST":         `{"blogpost_id":"` + blog + `"}`,
		"UPDATE_BLOGPOST_PROPERTY":                     `{"id":"` + blog + `","propertyKey":"k","value":1}`,
		"DELETE_BLOGPOST_PROPERTY":                     `{"id":"` + blog + `","propertyKey":"k"}`,
		"CREATE_SPACE_PROPERTY":                        `{"spaceId":"1","key":"k","value":1}`,
		"GET_SPACE_PROPERTIES":                         `{"id":"1"}`,
		"UPDATE_SPACE_PROPERTY":                        `{"spaceKey":"1","propertyKey":"k","value":1}`,
		"DELETE_SPACE_PROPERTY":                        `{"spaceIdOrKey":"1","propertyKey":"k"}`,
		"CREATE_WHITEBOARD":                            `{"spaceId":"1","title":"x"}`,
		"CREATE_CONTENT_PROPERTY_FOR_WHITEBOARD":       `{"whiteboard_id":"1","key":"k","value":1}`,
		"UPDATE_CONTENT_PROPERTY_FOR_WHITEBOARD_BY_ID": `{"whiteboardId":"1","propertyId":"k","value":1}`,
		"DELETE_CONTENT_PROPERTY_FOR_WHITEBOARD_BY_ID": `{"whiteboardId":"1","propertyId":"k"}`,
		"CREATE_PRIVATE_SPACE":                         `{"key":"NEW","name":"New"}`,
		"DELETE_SPACE":                                 `{"space_key":"MKT"}`,
		"GET_ATTACHMENTS":                              `{"pageId":"` + id + `"}`,
		"DOWNLOAD_ATTACHMENT":                          `{"attachmentId":"att1"}`,
		"UPLOAD_ATTACHMENT":                            `{"id":"` + id + `","fileName":"x.txt","content_base64":"YQ=="}`,
		"DELETE_ATTACHMENT":                            `{"id":"att1"}`,
		"GET_BLOGPOST_LABELS":                          `{"id":"` + blog + `"}`,
		"GET_ATTACHMENT_LABELS":                        `{"id":"att1"}`,
		"GET_LABELS_FOR_SPACE":                         `{"id":"1"}`,
		"GET_LABELS_FOR_SPACE_CONTENT":                 `{"id":"1"}`,
		"GET_BLOG_POSTS_FOR_LABEL":                     `{"id":"1"}`,
		"GET_BLOGPOST_VERSIONS":                        `{"blogpostId":"` + blog + `"}`,
		"GET_BLOGPOST_VERSION_DETAILS":                 `{"blogpostId":"` + blog + `","versionNumber":1}`,
		"GET_PAGE_LIKE_COUNT":                          `{"id":"` + id + `"}`,
		"GET_BLOGPOST_LIKE_COUNT":                      `{"id":"` + blog + `"}`,
		"GET_BLOGPOST_OPERATIONS":                      `{"id":"` + blog + `"}`,
		"GET_PAGE_INLINE_COMMENTS":                     `{"id":"` + id + `"}`,
		"GET_INLINE_COMMENTS_FOR_BLOG_POST":            `{"id":"` + blog + `"}`,
		"GET_CONTENT_RESTRICTIONS":                     `{"id":"` + id + `"}`,
		"GET_AUDIT_LOGS":                               `{}`,
		"GET_TASKS":                                    `{}`,
		"UPDATE_TASK":                                  `{"id":"1","status":"complete"}`,
		"SEARCH_USERS":                                 `{"query":"x"}`,
		"GET_USER_ANONYMOUS":                           `{}`,
		"CREATE_INLINE_COMMENT":                        `{"pageId":"` + id + `","textSelection":"x","body":{"value":"<p/>"}}`,
		"FIND_TEXT_SELECTIONS":                         `{"id":"` + id + `","text":"x"}`,
		"DELETE_BLOGPOST":                              `{"id":"` + blog + `"}`,
		"LIST_SPACES":                                  `{}`,
		"SEARCH_PAGES":                                 `{"text":"x"}`,
		"SEARCH_SPACES":                                `{"query":"x"}`,
		"VALIDATE_CREDENTIAL":                          `{}`,
		"MOVE_PAGE":                                    `{"id":"` + id + `","targetId":"1"}`,
		"COPY_PAGE":                                    `{"id":"` + id + `","parentId":"1","title":"x"}`,
		"COPY_PAGE_HIERARCHY":                          `{"id":"` + id + `","parentId":"1"}`,
		"ARCHIVE_PAGE":                                 `{"ids":["` + id + `"]}`,
		"RESTORE_PAGE":                                 `{"id":"` + id + `"}`,
		"PURGE_PAGE":                                   `{"id":"` + id + `"}`,
		"GET_PAGE_TREE":                                `{"spaceKey":"1"}`,
		"REPLY_TO_COMMENT":                             `{"id":"1","body":{"value":"<p/>"}}`,
		"RESOLVE_COMMENT":                              `{"id":"1"}`,
		"DELETE_COMMENT":                               `{"id":"1"}`,
		"REMOVE_CONTENT_LABEL":                         `{"id":"` + id + `","name":"x"}`,
		"WATCH_CONTENT":                                `{"id":"` + id + `"}`,
		"UNWATCH_CONTENT":                              `{"id":"` + id + `"}`,
		"GET_PAGE_VIEWS":                               `{"id":"` + id + `"}`,
		"GET_PAGE_VERSION_DIFF":                        `{"id":"` + id + `"}`,
		"UPDATE_CONTENT_RESTRICTIONS":                  `{"id":"` + id + `","action":"set","operation":"read"}`,
		"GET_TEMPLATES":                                `{}`,
		"GET_TEMPLATE":                                 `{"id":"1"}`,
		"CREATE_PAGE_FROM_TEMPLATE":                    `{"templateId":"1","spaceId":"1","title":"x"}`,
	}
}

// noBody are the tools whose first call has no body when it succeeds.
var noBody = map[string]bool{
	"DELETE_PAGE": true, "DELETE_ATTACHMENT": true, "DELETE_BLOGPOST": true, "MOVE_PAGE": true, "DELETE_COMMENT": true,
	"REMOVE_CONTENT_LABEL": true, "WATCH_CONTENT": true, "UNWATCH_CONTENT": true,
}

// TestUpstreamFailures puts every tool before a site that fails in every way.
func TestUpstreamFailures(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	id := s.page("Page", "")
	blog := text(s.must("CREATE_BLOGPOST", `{"spaceId":"MKT","title":"News","body":{"value":"<p/>"}}`), "id")
	faults := []struct {
		name  string
		fault sandbox.Fault
		kind  toolkit.Kind
		want  string
		check func(*toolkit.Error) bool
	}{
		{"429", sandbox.Fault{Status: 429, RetryAfter: 90 * time.Second}, toolkit.KindRateLimited, "in 90 seconds", func(e *toolkit.Error) bool { return e.RetryAfter == 90 }},
		{"429 without a time", sandbox.Fault{Status: 429}, toolkit.KindRateLimited, "Wait a minute", func(e *toolkit.Error) bool { return e.RetryAfter == 0 }},
		{"HTML", sandbox.Fault{Status: 200}, toolkit.KindUnavailable, "web page instead of data", func(e *toolkit.Error) bool { return e.Status == 200 }},
		{"502", sandbox.Fault{Status: 502}, toolkit.KindUnavailable, "status 502", nil},
		{"503 with a time", sandbox.Fault{Status: 503, RetryAfter: 5 * time.Second}, toolkit.KindUnavailable, "in 5 seconds", func(e *toolkit.Error) bool { return e.RetryAfter == 5 }},
		{"cut", sandbox.Fault{CutAfter: 10}, toolkit.KindUnavailable, "closed the connection", nil},
		{"login page", sandbox.Fault{Status: 401}, toolkit.KindAuth, "credentials", nil},
		{"missing scope", sandbox.Fault{Status: 401, Body: `{"code":401,"message":"Unauthorized; scope does not match"}`, Type: "application/json"}, toolkit.KindForbidden, "scope", nil},
		{"no right", sandbox.Fault{Status: 403, Body: `{"statusCode":403,"message":"com.atlassian.confluence.api.service.exceptions.PermissionException: Not this one"}`, Type: "application/json"}, toolkit.KindForbidden, "Not this one", nil},
		{"not permitted", sandbox.Fault{Status: 403, Body: `{"statusCode":403,"message":"Current user not permitted to use Confluence"}`, Type: "application/json"}, toolkit.KindAuth, "Connect the account again", nil},
		{"gone", sandbox.Fault{Status: 410, Body: `{"statusCode":410,"message":"com.atlassian.confluence.api.service.exceptions.GoneException: This deprecated endpoint has been removed."}`, Type: "application/json"}, toolkit.KindUnavailable, "has been removed", nil},
		{"413", sandbox.Fault{Status: 413}, toolkit.KindTooLarge, "5 MB", nil},
		{"not JSON", sandbox.Fault{Status: 200, Body: "nothing", Type: "application/json"}, toolkit.KindUnavailable, "could not be read", nil},
		{"half JSON", sandbox.Fault{Status: 200, Body: `{"results":[`, Type: "application/json"}, toolkit.KindUnavailable, "ended in the middle", nil},
	}
	args := smallest(id, blog)
	for _, f := range faults {
		t.Run(f.name, func(t *testing.T) {
			for _, tool := range kit.Tools {
				slug := strings.TrimPrefix(tool.Slug, "CONFLUENCE_")
				if noBody[slug] && (f.fault.Status == 200 || f.fault.CutAfter > 0) {
					continue
				}
				if slug == "VALIDATE_CREDENTIAL" && f.kind == toolkit.KindAuth {
					continue // that is what it answers
				}
				if args[slug] == "" {
					t.Fatalf("there are no arguments for %s", slug)
				}
				fault := f.fault
				fault.Times = -1
				s.srv.Fail(fault)
				e := s.fails(slug, args[slug])
				s.srv.ClearFaults()
				if e.Kind != f.kind || !strings.Contains(e.Error(), f.want) || f.check != nil && !f.check(e) {
					t.Errorf("%s: got %s, status %d, after %d: %v", slug, e.Kind, e.Status, e.RetryAfter, e)
				}
				if strings.Contains(e.Error(), "<") && strings.Contains(e.Error(), "html") {
					t.Errorf("%s shows HTML: %v", slug, e)
				}
				if strings.Contains(e.Error(), s.me.Token) {
					t.Errorf("%s shows the token", slug)
				}
			}
		})
	}
}

func TestWritesWarnAgainstBlindRepetition(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.srv.Fail(sandbox.Fault{Method: "POST", CutAfter: 5})
	e := s.fails("CREATE_PAGE", `{"spaceId":"MKT","title":"Once","body":{"value":"<p/>"}}`)
	if !strings.Contains(e.Fix, "may or may not have been made") {
		t.Errorf("got %v", e)
	}
	if _, ok := s.srv.PageByTitle("MKT", "Once"); !ok {
		t.Error("the page is not there, the test proves nothing")
	}
	posts := slices.DeleteFunc(s.calls, func(c string) bool { return !strings.HasPrefix(c, "POST") })
	if len(posts) != 1 {
		t.Errorf("it was sent %d times", len(posts))
	}
}

// TestHang cancels calls that a site does not answer.
func TestHang(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	tool := kit.Tools[slices.IndexFunc(kit.Tools, func(t toolkit.Tool) bool { return t.Slug == "CONFLUENCE_GET_SPACES" })]
	s.slug = tool.Slug
	arrived := make(chan struct{}, 2)
	s.alter = func(*http.Request) *http.Response {
		arrived <- struct{}{}
		return nil
	}
	s.srv.Fail(sandbox.Fault{Hang: true, Times: 2})
	args, err := tool.Validate(json.RawMessage(`{}`))
	if err != nil {
		t.Fatal(err)
	}

	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		<-arrived
		cancel()
	}()
	if _, err = tool.Run(ctx, s.call(), args); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}

	ctx, cancel = context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	_, err = tool.Run(ctx, s.call(), args)
	var e *toolkit.Error
	if !errors.As(err, &e) || e.Kind != toolkit.KindUnavailable || !strings.Contains(e.Message, "in time") {
		t.Errorf("timed out: %v", err)
	}
}

func TestAnswersThatAreTooLarge(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.alter = func(r *http.Request) *http.Response {
		return answer(r, 200, `{"results":[{"id":"1","title":"`+strings.Repeat("x", 33<<20)+`"}]}`)
	}
	if e := s.fails("GET_LABELS", `{}`); e.Kind != toolkit.KindTooLarge || !strings.Contains(e.Error(), "smaller limit") {
		t.Errorf("got %v", e)
	}
}

// refusedError stands for what the guarded client says of its own.
type refusedError struct{}

func (*refusedError) Error() string { return "this address is refused" }

// failing fails requests, or the bodies of answers when body is set.
type failing struct {
	err  error
	body bool
}

func (f failing) RoundTrip(r *http.Request) (*http.Response, error) {
	if f.body {
		resp := answer(r, 200, "")
		resp.Body = io.NopCloser(io.MultiReader(strings.NewReader(`{"results":[`), f))
		return resp, nil
	}
	return nil, f.err
}

func (f failing) Read([]byte) (int, error) { return 0, f.err }

// TestGuardedClientSpeaksForItself: errors of the client are passed on, those
// of the network are explained.
func TestGuardedClientSpeaksForItself(t *testing.T) {
	t.Parallel()
	at := slices.IndexFunc(kit.Tools, func(t toolkit.Tool) bool { return t.Slug == "CONFLUENCE_GET_LABELS" })
	for _, body := range []bool{false, true} {
		run := func(err error) error {
			call := &toolkit.Call{HTTP: &http.Client{Transport: failing{err, body}}, BaseURL: "https://acme.atlassian.net"}
			_, err = kit.Tools[at].Run(t.Context(), call, json.RawMessage(`{"limit":5}`))
			return err
		}
		var refused *refusedError
		var e *toolkit.Error
		if err := run(&refusedError{}); !errors.As(err, &refused) || errors.As(err, &e) {
			t.Errorf("body %v: got %v", body, err)
		}
		if err := run(&net.OpError{Op: "read", Err: io.ErrUnexpectedEOF}); !errors.As(err, &e) || e.Kind != toolkit.KindUnavailable {
			t.Errorf("body %v: got %v", body, err)
		}
		if err := run(&toolkit.Error{Kind: toolkit.KindAuth, Message: "reconnect"}); !errors.As(err, &e) || e.Message != "reconnect" {
			t.Errorf("body %v: got %v", body, err)
		}
	}
}

func TestUnreachableSite(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.srv.Close()
	if e := s.fails("GET_SPACES", `{}`); e.Kind != toolkit.KindUnavailable || strings.Contains(e.Error(), "127.0.0.1") {
		t.Errorf("got %v", e)
	}
}

func TestRetryAfterAsDate(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.alter = func(r *http.Request) *http.Response {
		resp := answer(r, 429, `{}`)
		resp.Header.Set("Retry-After", time.Now().Add(time.Hour).UTC().Format(http.TimeFormat))
		return resp
	}
	if e := s.fails("GET_SPACES", `{}`); e.RetryAfter < 3590 || e.RetryAfter > 3601 {
		t.Errorf("got %d", e.RetryAfter)
	}
}
