package main

import (
	"bytes"
	"context"
	_ "embed"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/sluice-run/sluice/bench/program"
)

// recorded are the requests of one round of test/acceptance/python/load.py and
// node/load.mjs, as the SDKs sent them.
//
//go:embed recorded.json
var recorded []byte

// recording is one round of an SDK.
type recording struct {
	SDK      string     `json:"sdk"`
	Requests []exchange `json:"requests"`
}

// exchange is a request. {user} and {session} stand for what each client has of its
// own, {version} for the toolkit's.
type exchange struct {
	Method string            `json:"method"`
	Path   string            `json:"path"` // with its query
	Header map[string]string `json:"header"`
	Body   string            `json:"body,omitempty"`
}

// kept are the headers that a client chooses; the others are the connection's, the
// key's, or tell of the machine that was recorded.
var kept = []string{"Accept", "Content-Type", "User-Agent", "X-Stainless-Lang", "X-Stainless-Package-Version", "X-Stainless-Retry-Count"}

// recorder notes requests on their way to the router.
type recorder struct {
	mu       sync.Mutex
	requests []exchange
	session  string
	version  string
}

func (c *recorder) handler(to *url.URL) http.Handler {
	proxy := httputil.NewSingleHostReverseProxy(to)
	proxy.ModifyResponse = func(res *http.Response) error {
		body, err := io.ReadAll(res.Body)
		if err != nil {
			return err
		}
		res.Body = io.NopCloser(bytes.NewReader(body))
		c.mu.Lock()
		defer c.mu.Unlock()
		if id := sessionOf(body); id != "" {
			c.session = id
		}
		if v := versionOf(body); v != "" {
			c.version = v
		}
		return nil
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		header := map[string]string{}
		for _, name := range kept {
			if v := r.Header.Get(name); v != "" {
				header[name] = v
			}
		}
		c.mu.Lock()
		c.requests = append(c.requests, exchange{Method: r.Method, Path: r.URL.RequestURI(), Header: header, Body: string(body)})
		c.mu.Unlock()
		r.Header.Del("Accept-Encoding") // answers are read on their way
		proxy.ServeHTTP(w, r)
	})
}

// round has an SDK make one round by the recorder.
func (c *recorder) round(ctx context.Context, o *options, sdk sdk, user string, to *url.URL) error {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	server := &http.Server{Handler: c.handler(to), ReadHeaderTimeout: time.Minute}
	go server.Serve(listener)             //nolint:errcheck // it ends with Close
	defer func() { _ = server.Close() }() // the round is over
	w, err := sdk.start(ctx, o, "http://"+listener.Addr().String(), user)
	if err == nil {
		_, err = w.work(0)
	}
	return err
}

// sessionOf gives the id of the session that an answer opens.
func sessionOf(answer []byte) string {
	var opened struct {
		ID string `json:"session_id"`
	}
	if json.Unmarshal(answer, &opened) != nil {
		return ""
	}
	return opened.ID
}

var toolVersion = regexp.MustCompile(`"version":"(\d{8}_\d\d)"`)

// versionOf gives the first toolkit version that an answer names.
func versionOf(answer []byte) string {
	if m := toolVersion.FindSubmatch(answer); m != nil {
		return string(m[1])
	}
	return ""
}

// record has each SDK make one round by a proxy that notes it.
func record(ctx context.Context, o *options, r *program.Router) error {
	to, err := url.Parse(r.URL)
	if err != nil {
		return err
	}
	var all []recording
	for i, sdk := range sdks {
		user := fmt.Sprintf("recorded-%d", i)
		c := &recorder{}
		if err := c.round(ctx, o, sdk, user, to); err != nil {
			return err
		}
		requests := slices.Clone(c.requests)
		for i := range requests {
			replace := strings.NewReplacer(user, "{user}", c.session, "{session}", c.version, "{version}")
			requests[i].Path, requests[i].Body = replace.Replace(requests[i].Path), replace.Replace(requests[i].Body)
		}
		all = append(all, recording{SDK: sdk.name, Requests: requests})
	}
	b, err := json.MarshalIndent(all, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(o.record, append(b, '\n'), 0o644)
}
