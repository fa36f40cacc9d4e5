package confluence

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/sluice-run/sluice/toolkit"
)

// errorBody reads the error bodies of both API versions.
type errorBody struct {
	Errors []struct {
		Code   string `json:"code"`
		Title  string `json:"title"`
		Detail string `json:"detail"`
	} `json:"errors"`
	Message string `json:"message"`
	Data    struct {
		Errors []struct {
			Message json.RawMessage `json:"message"`
		} `json:"errors"`
	} `json:"data"`
}

// maxReason bounds how much of the upstream's own words is passed on.
const maxReason = 600

// reason gives the upstream's own words for a failure, or "".
func reason(h http.Header, data []byte) string {
	var body errorBody
	if isHTML(h, data) || json.Unmarshal(data, &body) != nil {
		return ""
	}
	var words []string
	for _, e := range body.Errors {
		text := e.Title
		if e.Detail != "" && e.Detail != e.Title {
			text = strings.TrimSpace(text + " " + e.Detail)
		}
		words = append(words, text)
	}
	if len(words) == 0 && body.Message != "" {
		words = append(words, plainMessage(body.Message))
	}
	for _, e := range body.Data.Errors {
		var m struct {
			Key         string `json:"key"`
			Translation string `json:"translation"`
		}
		if json.Unmarshal(e.Message, &m) == nil && m.Key != "" {
			words = append(words, strings.TrimSpace(m.Translation+" "+m.Key))
		}
	}
	text := strings.Join(words, "; ")
	if len(text) > maxReason {
		text = strings.ToValidUTF8(text[:maxReason], "") + "…"
	}
	return text
}

// plainMessage drops the name of the Java exception before a v1 message.
func plainMessage(m string) string {
	if class, rest, ok := strings.Cut(m, ": "); ok && strings.HasSuffix(class, "Exception") && !strings.Contains(class, " ") {
		return rest
	}
	return m
}

// statusError turns an answer of failure into an error that says what to do.
func statusError(r request, resp *http.Response, data []byte) *toolkit.Error {
	why := reason(resp.Header, data)
	e := &toolkit.Error{Status: resp.StatusCode, Cause: fmt.Errorf("%s %s: %s: %s", r.method, r.path, resp.Status, why)}
	e.RetryAfter = retryAfter(resp.Header, time.Now())
	switch resp.StatusCode {
	case http.StatusUnauthorized:
		unauthorized(e, r, why)
	case http.StatusForbidden:
		forbidden(e, r, why)
	case http.StatusNotFound:
		notFound(e, r, why)
	case http.StatusConflict:
		e.Kind, e.Message = toolkit.KindConflict, sentence("Confluence refused the change as a conflict", why)
		e.Fix = "Read the content again and repeat the change on what is there now."
	case http.StatusGone:
		e.Kind, e.Message = toolkit.KindUnavailable, sentence("This call is no longer offered by the site", why)
	case http.StatusRequestEntityTooLarge, http.StatusRequestURITooLong:
		tooLarge(e, r)
	case http.StatusTooManyRequests:
		rateLimited(e, resp.Header)
	default:
		otherStatus(e, r, resp, data, why)
	}
	return e
}

func otherStatus(e *toolkit.Error, r request, resp *http.Response, data []byte, why string) {
	switch {
	case resp.StatusCode >= 500:
		e.Kind, e.Fix = toolkit.KindUnavailable, retryHint(r)
		e.Message = sentence(fmt.Sprintf("Confluence failed with status %d", resp.StatusCode), why)
		if e.RetryAfter > 0 {
			e.Fix = fmt.Sprintf("Try again in %d seconds.", e.RetryAfter)
		}
	case isHTML(resp.Header, data) || resp.StatusCode < 400:
		e.Kind = toolkit.KindUnavailable
		e.Message = fmt.Sprintf("The site answered with a web page instead of data (status %d).", resp.StatusCode)
		e.Fix = "Check that the account's site is right and that it is not behind a login page."
	default:
		e.Kind = toolkit.KindInvalid
		e.Message = sentence(fmt.Sprintf("Confluence refused the request (status %d)", resp.StatusCode), why)
		switch low := strings.ToLower(why); {
		case strings.Contains(low, "already exists"):
			e.Kind = toolkit.KindConflict
		case strings.Contains(low, "xhtml") || strings.Contains(low, "error parsing"):
			e.Field = "body"
			e.Fix = "The text must be well-formed XHTML: close every tag, write & as &amp; and < as &lt;."
		default:
			e.Field = refusedField(r, why)
		}
	}
}

var namedField = regexp.MustCompile(`(?:for|parameter|field):? '([A-Za-z][A-Za-z0-9_.-]{0,60})'`)

// refusedField gives the argument that the upstream names as wrong, or "".
func refusedField(r request, why string) string {
	m := namedField.FindStringSubmatch(why)
	switch {
	case m == nil:
		return ""
	case m[1] == "id" && r.field != "":
		return r.field
	}
	return m[1]
}

func tooLarge(e *toolkit.Error, r request) {
	e.Kind, e.Message = toolkit.KindTooLarge, "The request is larger than Confluence takes (5 MB)."
	e.Fix = "Split the content over several pages."
	switch {
	case strings.Contains(r.path, "/child/attachment"):
		e.Message = "The file is larger than this site takes for an attachment (the limit of a text is 5 MB)."
		e.Fix = "Make it smaller, or ask an administrator what the limit is."
	case r.method == http.MethodGet:
		e.Message = "The request's address is longer than Confluence takes (the limit of a body is 5 MB)."
		e.Fix = "Give fewer values at once; start again without cursor when it is the cursor that grew."
	}
}

// rateLimited says when to come back: by Retry-After, or by the end of the
// quota's window.
func rateLimited(e *toolkit.Error, h http.Header) {
	e.Kind, e.Message = toolkit.KindRateLimited, "Confluence asks for fewer requests for now."
	if why := h.Get("RateLimit-Reason"); strings.Contains(why, "quota") {
		e.Message = "The hourly quota of requests to Confluence is used up."
	}
	if e.RetryAfter == 0 {
		if at, err := time.Parse(time.RFC3339, h.Get("X-RateLimit-Reset")); err == nil {
			e.RetryAfter = max(int(time.Until(at).Seconds()+0.999), 0)
		}
	}
	e.Fix = "Wait a minute, then try again, with fewer calls at once."
	if e.RetryAfter > 0 {
		e.Fix = fmt.Sprintf("Try again in %d seconds.", e.RetryAfter)
	}
}

func unauthorized(e *toolkit.Error, r request, why string) {
	if strings.Contains(strings.ToLower(why), "scope") {
		missingScope(e, r)
		return
	}
	e.Kind = toolkit.KindAuth
	e.Message = "Confluence did not accept the account's credentials."
	e.Fix = "The API token may have expired or been revoked, or it has scopes, which the site's own address does not take. " +
		"Connect the account again with a new token."
}

func missingScope(e *toolkit.Error, r request) {
	e.Kind = toolkit.KindForbidden
	e.Message = "The account's credentials lack a scope for this call."
	if len(r.scopes) > 0 {
		e.Fix = "Connect the account again with the scopes " + strings.Join(r.scopes, ", ") + "."
	}
}

func forbidden(e *toolkit.Error, r request, why string) {
	switch {
	case strings.Contains(why, "not permitted to use Confluence"):
		unauthorized(e, r, "")
		e.Message = "Confluence says that this account may not use it."
	case strings.Contains(strings.ToLower(why), "scope"):
		missingScope(e, r)
	default:
		e.Kind = toolkit.KindForbidden
		e.Message = sentence("This account has no right to do that", why)
		e.Fix = "Ask an administrator of the space for the right, or work with an account that has it."
	}
}

func notFound(e *toolkit.Error, r request, why string) {
	e.Kind, e.Field = toolkit.KindNotFound, r.field
	what := r.what
	if what == "" {
		what = "what was asked for"
	}
	e.Message = fmt.Sprintf("There is no %s, or this account may not see it.", what)
	if r.what == "" && why != "" {
		e.Message = sentence("Confluence did not find what was asked for", why)
	}
	e.Fix = "It may have been deleted or its id may be wrong: find it with CONFLUENCE_SEARCH_CONTENT."
	if strings.HasPrefix(what, "space") {
		e.Fix = "List the spaces with CONFLUENCE_GET_SPACES."
	}
}

// sentence joins what happened and the upstream's own words.
func sentence(what, why string) string {
	if why == "" {
		return what + "."
	}
	why = strings.TrimRight(why, " .")
	return what + ": " + why + "."
}

// retryAfter reads Retry-After, in seconds or as a date; 0 when there is none.
func retryAfter(h http.Header, now time.Time) int {
	v := strings.TrimSpace(h.Get("Retry-After"))
	if n, err := strconv.Atoi(v); err == nil {
		return max(n, 0)
	}
	if at, err := http.ParseTime(v); err == nil {
		return max(int(at.Sub(now).Seconds()+0.999), 0)
	}
	return 0
}

// isStatus says whether err is an upstream failure with one of the statuses.
func isStatus(err error, statuses ...int) bool {
	var e *toolkit.Error
	if !errors.As(err, &e) {
		return false
	}
	for _, s := range statuses {
		if e.Status == s {
			return true
		}
	}
	return false
}
