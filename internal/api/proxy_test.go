package api_test

import (
	"encoding/base64"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sluice-run/sluice/internal/domain"
	"github.com/sluice-run/sluice/internal/store"
)

func TestProxyInSession(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	acc := w.account("jane")
	at := w.session(`{"user_id":"jane"}`) + "/proxy_execute"
	for name, tc := range map[string]struct {
		body string
		want map[string]any
	}{
		"JSON": {
			`{"toolkit_slug":"notes","endpoint":"/echo?a=1","method":"POST","body":{"x":1},"parameters":[{"name":"X-Note","value":"n","type":"header"},{"name":"b","value":"2 3","type":"query"}]}`,
			map[string]any{"method": "POST", "query": "a=1&b=2+3", "body": `{"x":1}`, "type": "application/json", "note": "n"},
		},
		"text": {
			`{"toolkit_slug":"NOTES","endpoint":"echo","method":"PUT","body":"a=1","parameters":[{"name":"content-type","value":"application/x-www-form-urlencoded","type":"header"}]}`,
			map[string]any{"method": "PUT", "query": "", "body": "a=1", "type": "application/x-www-form-urlencoded", "note": ""},
		},
		"bytes": {
			`{"toolkit_slug":"notes","endpoint":"` + w.upstream.URL + `/echo","method":"PATCH","binary_body":{"base64":"` + base64.StdEncoding.EncodeToString([]byte("raw")) + `","content_type":"text/x"}}`,
			map[string]any{"method": "PATCH", "query": "", "body": "raw", "type": "text/x", "note": ""},
		},
	} {
		a := w.want(200, "POST", at, tc.body)
		if diff := cmp.Diff(tc.want, a.at("data")); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
		if a.at("status") != 201.0 || a.text("headers.x-took") != "1" || a.at("headers.set-cookie") != nil ||
			a.text("connected_account_id") != acc || a.text("log_id") == "" || a.text("result_type") != "completed" {
			t.Errorf("%s: %s", name, a.Raw)
		}
	}
	if a := w.want(200, "POST", at, `{"toolkit_slug":"notes","endpoint":"/nothing","method":"GET"}`); a.at("status") != 404.0 || a.at("data") != nil {
		t.Errorf("a failure upstream is an answer: %s", a.Raw)
	}
	if a := w.want(200, "POST", at, `{"toolkit_slug":"notes","endpoint":"/text","method":"GET"}`); a.at("data") != "[1]" {
		t.Errorf("text: %s", a.Raw)
	}
	if a := w.want(200, "POST", at, `{"toolkit_slug":"notes","endpoint":"/picture","method":"HEAD"}`); a.at("data") != nil || a.at("binary_data") != nil {
		t.Errorf("HEAD: %s", a.Raw)
	}
	picture := w.want(200, "POST", at, `{"toolkit_slug":"notes","endpoint":"/picture","method":"GET"}`)
	if picture.text("binary_data.content_type") != "image/png" || picture.at("binary_data.size") != 6.0 {
		t.Fatalf("a picture: %s", picture.Raw)
	}
	resp, err := http.DefaultClient.Get(picture.text("binary_data.url"))
	must(t, err)
	raw, err := io.ReadAll(resp.Body)
	must(t, err)
	must(t, resp.Body.Close())
	if string(raw) != "\x89PNG\r\n" {
		t.Errorf("the picture is %q", raw)
	}
	again := w.want(200, "POST", at, `{"toolkit_slug":"notes","endpoint":"/echo","method":"POST","binary_body":{"url":"`+picture.text("binary_data.url")+`"}}`)
	if again.text("data.type") != "image/png" || !strings.Contains(again.text("data.body"), "PNG") {
		t.Errorf("a file of our own: %s", again.Raw)
	}
}

// A request leaves neither the account's site nor the rules of its session.
func TestProxyRefuses(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.account("jane")
	open := w.session(`{"user_id":"jane"}`)
	with := func(config string) string { return w.session(`{"user_id":"jane",` + config + `}`) }
	for name, tc := range map[string]struct {
		status        int
		session, body string
		says          string
		elsewhere     bool
	}{
		"another site":       {400, open, `"endpoint":"https://evil.example/echo","method":"GET"`, "own site", false},
		"another port":       {400, open, `"endpoint":"http://127.0.0.1:1/echo","method":"GET"`, "own site", false},
		"a user in it":       {400, open, `"endpoint":"http://a:b@` + hostOf(w.upstream.URL) + `/echo","method":"GET"`, "credentials", false},
		"a host alone":       {400, open, `"endpoint":"//evil.example/echo","method":"GET"`, "scheme", false},
		"dots":               {400, open, `"endpoint":"/x/../echo","method":"GET"`, "..", false},
		"hidden dots":        {400, open, `"endpoint":"/x/%2e%2e%2fecho","method":"GET"`, "..", false},
		"twice hidden dots":  {400, open, `"endpoint":"/x/%252e%252e/echo","method":"GET"`, "..", false},
		"a backslash":        {400, open, `"endpoint":"/x\\..\\echo","method":"GET"`, "..", false},
		"a header of ours":   {400, open, `"endpoint":"/echo","method":"GET","parameters":[{"name":"authorization","value":"Bearer x","type":"header"}]`, "Authorization", false},
		"two headers in one": {400, open, `"endpoint":"/echo","method":"GET","parameters":[{"name":"X-A","value":"a\r\nX-B: b","type":"header"}]`, "X-A", false},
		"a method":           {400, open, `"endpoint":"/echo","method":"TRACE"`, "method", false},
		"a body of GET":      {400, open, `"endpoint":"/echo","method":"GET","body":{}`, "body", false},
		"two bodies":         {400, open, `"endpoint":"/echo","method":"POST","body":1,"binary_body":{"base64":"eA=="}`, "not both", false},
		"no base64":          {400, open, `"endpoint":"/echo","method":"POST","binary_body":{"base64":"?"}`, "base64", false},
		"a body from inside": {403, open, `"endpoint":"/echo","method":"POST","binary_body":{"url":"http://127.0.0.1:9/x"}`, "not public", false},
		"a toolkit":          {404, open, `"toolkit_slug":"nots","endpoint":"/echo","method":"GET"`, "nots", true},
		"no account":         {400, open, `"toolkit_slug":"mail","endpoint":"/echo","method":"GET"`, "mail", true},
		"no accounts at all": {400, open, `"toolkit_slug":"clock","endpoint":"/echo","method":"GET"`, "clock", true},
		"another toolkit":    {403, with(`"toolkits":{"enable":["clock"]}`), `"endpoint":"/echo","method":"GET"`, "not enabled", false},
		"switched off":       {403, with(`"proxy_execute":{"enable":false}`), `"endpoint":"/echo","method":"GET"`, "switched off", false},
		"off in the bench":   {403, with(`"workbench":{"enable_proxy_execution":false}`), `"endpoint":"/echo","method":"GET"`, "switched off", false},
		"some tools":         {403, with(`"tools":{"notes":{"enable":["NOTES_GET"]}}`), `"endpoint":"/echo","method":"GET"`, "restricted", false},
		"all but some tools": {403, with(`"tools":{"notes":{"disable":["NOTES_GET"]}}`), `"endpoint":"/echo","method":"GET"`, "restricted", false},
		"reading only":       {403, with(`"tags":{"enable":["readOnlyHint"]}`), `"endpoint":"/echo","method":"POST"`, "restricted", false},
		"nothing for good":   {403, with(`"tags":{"disable":["destructiveHint"]}`), `"endpoint":"/echo","method":"POST"`, "restricted", false},
		"reading":            {200, with(`"tags":{"enable":["readOnlyHint"]}`), `"endpoint":"/echo","method":"GET"`, "GET", false},
		"allowed":            {200, with(`"proxy_execute":{"enable":true},"tools":{"notes":{"enable":["NOTES_GET"]}}`), `"endpoint":"/echo","method":"POST"`, "POST", false},
	} {
		body := `{"toolkit_slug":"notes",` + tc.body + `}`
		if tc.elsewhere {
			body = `{` + tc.body + `}`
		}
		a := w.do("POST", tc.session+"/proxy_execute", body)
		if a.Status != tc.status || !strings.Contains(string(a.Raw), tc.says) {
			t.Errorf("%s: %d %s", name, a.Status, a.Raw)
		}
	}
	if e := w.want(400, "PATCH", open, `{"proxy_execute":{"enable":false},"workbench":{"enable_proxy_execution":true}}`); !strings.Contains(e.text("error.message"), "proxy_execute.enable") {
		t.Errorf("%s", e.Raw)
	}
}

// Who asks away from the site gets there without the account's credentials.
func TestProxyRedirect(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.account("jane")
	e := w.do("POST", w.session(`{"user_id":"jane"}`)+"/proxy_execute", `{"toolkit_slug":"notes","endpoint":"/away","method":"GET"}`)
	if e.Status < 400 || strings.Contains(string(e.Raw), goodKey) {
		t.Errorf("%d %s", e.Status, e.Raw)
	}
}

func TestProxyByAccount(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	acc := w.account("jane")
	const at = "/api/v3.1/tools/execute/proxy"
	a := w.want(200, "POST", at, `{"connected_account_id":"`+acc+`","endpoint":"/notes/1","method":"GET","parameters":[{"name":"token","value":"query-secret","type":"query"}]}`)
	if a.text("data.title") != "Home" {
		t.Errorf("%s", a.Raw)
	}
	list, _, err := w.db.ListExecutions(t.Context(), w.project.ID, store.ExecutionFilter{}, store.Page{Limit: 1})
	must(t, err)
	if len(list) != 1 || list[0].Tool != "COMPOSIO_PROXY_EXECUTE" || list[0].Toolkit != "notes" || list[0].Door != "proxy" ||
		list[0].AccountID != acc || list[0].UserID != "jane" || list[0].Outcome != domain.OutcomeOK || list[0].UpstreamCalls != 1 || list[0].ResultSize == 0 {
		t.Errorf("record: %+v", list)
	}
	given := w.want(200, "POST", "/api/v3"+strings.TrimPrefix(at, "/api/v3.1"), `{"endpoint":"/notes/1","method":"GET","custom_connection_data":{"authScheme":"API_KEY","toolkitSlug":"notes","val":{"subdomain":"acme","generic_api_key":"`+goodKey+`"}}}`)
	if given.text("data.title") != "Home" || given.at("connected_account_id") != nil {
		t.Errorf("credentials that come along: %s", given.Raw)
	}
	if a := w.want(200, "POST", at, `{"connected_account_id":"`+acc+`","endpoint":"/nothing","method":"DELETE"}`); a.at("status") != 404.0 {
		t.Errorf("%s", a.Raw)
	}
	w.want(400, "POST", at, `{"endpoint":"/notes/1","method":"GET"}`)
	w.want(404, "POST", at, `{"connected_account_id":"ca_none","endpoint":"/notes/1","method":"GET"}`)
	otherProject(t, w)
	w.want(404, "POST", at, `{"connected_account_id":"`+acc+`","endpoint":"/notes/1","method":"GET"}`)
}

// A tool runs on credentials that come with the call, and on nothing else.
func TestExecuteWithCredentials(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	const at = "/api/v3.1/tools/execute/NOTES_GET"
	for name, body := range map[string]string{
		"connection data": `"custom_connection_data":{"authScheme":"API_KEY","toolkitSlug":"notes","val":{"subdomain":"acme","generic_api_key":"` + goodKey + `"}}`,
		"OAuth":           `"custom_connection_data":{"authScheme":"OAUTH2","val":{"subdomain":"acme","access_token":"` + goodKey + `","token_type":"Bearer"}}`,
		"parameters":      `"custom_auth_params":{"base_url":"` + w.upstream.URL + `/","parameters":[{"name":"authorization","in":"header","value":"Bearer ` + goodKey + `"},{"name":"v","in":"query","value":2}]}`,
	} {
		a := w.want(200, "POST", at, `{"arguments":{"id":"1"},`+body+`}`)
		if a.at("successful") != true || a.text("data.title") != "Home" {
			t.Errorf("%s: %s", name, a.Raw)
		}
	}
	for name, body := range map[string]string{
		"a site inside": `"custom_auth_params":{"base_url":"http://127.0.0.1:9"}`,
		"a bad key":     `"custom_connection_data":{"authScheme":"API_KEY","val":{"subdomain":"acme","generic_api_key":"bad-key-4711"}}`,
	} {
		a := w.want(200, "POST", at, `{"arguments":{"id":"1"},`+body+`}`)
		if a.at("successful") != false || strings.Contains(string(a.Raw), "4711") {
			t.Errorf("%s: %s", name, a.Raw)
		}
	}
	for name, body := range map[string]string{
		"both":     `"custom_auth_params":{"base_url":"https://x.example"},"custom_connection_data":{"authScheme":"API_KEY"}`,
		"newlines": `"custom_auth_params":{"base_url":"https://x.example","parameters":[{"name":"x","in":"header","value":"a\nb"}]}`,
		"address":  `"custom_auth_params":{"base_url":"file:///etc/passwd"}`,
		"no token": `"custom_connection_data":{"authScheme":"OAUTH2","val":{"subdomain":"acme"}}`,
	} {
		if e := w.want(400, "POST", at, `{"arguments":{"id":"1"},`+body+`}`); e.text("error.message") == "" {
			t.Errorf("%s: %s", name, e.Raw)
		}
	}
}
