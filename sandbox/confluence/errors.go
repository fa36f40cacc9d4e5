package confluence

import (
	"fmt"
	"net/http"
)

// apiError is a refusal. v2 shows code and title, v1 the exception and the title.
type apiError struct {
	status    int
	code      string
	title     string
	exception string // v1: the Java exception, without its package
	raw       any    // when set, the whole body
	html      string // when set, an HTML body
}

func (e *apiError) Error() string { return fmt.Sprintf("%d %s: %s", e.status, e.code, e.title) }

func refuse(status int, code, exception, format string, args ...any) *apiError {
	return &apiError{status: status, code: code, exception: exception, title: fmt.Sprintf(format, args...)}
}

func badRequest(format string, args ...any) *apiError {
	return refuse(http.StatusBadRequest, "INVALID_REQUEST_PARAMETER", "BadRequestException", format, args...)
}

func notFound(format string, args ...any) *apiError {
	return refuse(http.StatusNotFound, "NOT_FOUND", "NotFoundException", format, args...)
}

func conflict(format string, args ...any) *apiError {
	return refuse(http.StatusConflict, "CONFLICT", "ConflictException", format, args...)
}

func forbidden(format string, args ...any) *apiError {
	return refuse(http.StatusForbidden, "FORBIDDEN", "PermissionException", format, args...)
}

func tooLarge() *apiError {
	return refuse(http.StatusRequestEntityTooLarge, "REQUEST_ENTITY_TOO_LARGE", "ServiceException",
		"Request body is too large. The maximum is %d bytes", MaxBody)
}

func wrongType(value, name, want string) *apiError {
	return badRequest("Provided value {%s} for '%s' is not the correct type. Expected type is %s.", value, name, want)
}

const titleTaken = "A page with this title already exists: A page already exists with the same TITLE in this space"

type v2Error struct {
	Status int     `json:"status"`
	Code   string  `json:"code"`
	Title  string  `json:"title"`
	Detail *string `json:"detail"`
}

type v2Errors struct {
	Errors []v2Error `json:"errors"`
}

type v1ErrorData struct {
	Authorized            bool     `json:"authorized"`
	Valid                 bool     `json:"valid"`
	AllowedInReadOnlyMode bool     `json:"allowedInReadOnlyMode"`
	Errors                []string `json:"errors"`
	Successful            bool     `json:"successful"`
}

type v1Error struct {
	StatusCode int         `json:"statusCode"`
	Data       v1ErrorData `json:"data"`
	Message    string      `json:"message"`
	Reason     string      `json:"reason"`
}

const exceptionPackage = "com.atlassian.confluence.api.service.exceptions."

func (e *apiError) bodyV2() any {
	if e.raw != nil {
		return e.raw
	}
	return v2Errors{Errors: []v2Error{{Status: e.status, Code: e.code, Title: e.title}}}
}

func (e *apiError) bodyV1() any {
	if e.raw != nil {
		return e.raw
	}
	msg := e.title
	if e.exception != "" {
		msg = exceptionPackage + e.exception + ": " + e.title
	}
	return v1Error{
		StatusCode: e.status, Message: msg, Reason: http.StatusText(e.status),
		Data: v1ErrorData{Authorized: e.status != http.StatusForbidden, Valid: e.status != http.StatusBadRequest, AllowedInReadOnlyMode: true, Errors: []string{}},
	}
}
