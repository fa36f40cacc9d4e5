package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/sluice-run/sluice/bench/program"
	"github.com/sluice-run/sluice/client"
)

// calls measures requests against one running router, side by side with the
// same call sent straight to the sandbox.
func calls(ctx context.Context, binary, home string, n int) error {
	r, err := program.Start(ctx, binary, home)
	if err != nil {
		return err
	}
	session, err := r.Create(ctx, "bench", client.SessionOptions{Toolkits: []string{"confluence"}, PreloadAll: true})
	if err != nil {
		return err
	}
	listed, err := r.Create(ctx, "bench", client.SessionOptions{
		Toolkits: []string{"confluence"}, PreloadAll: true,
		Tools: map[string]client.ToolRule{"confluence": {Enable: listedTools}},
	})
	if err != nil {
		return err
	}
	page, err := somePage(ctx, session)
	if err != nil {
		return err
	}
	arguments := map[string]any{"name": "CONFLUENCE_GET_PAGE_BY_ID", "arguments": map[string]any{"id": page}}
	straight := &request{
		method: http.MethodGet, url: r.SandboxURL + "/wiki/api/v2/pages/" + page + "?body-format=storage",
		user: r.SandboxUser, pass: r.SandboxToken, want: `"id"`,
	}
	rest, err := json.Marshal(map[string]any{"tool_slug": "CONFLUENCE_GET_PAGE_BY_ID", "arguments": map[string]any{"id": page}})
	if err != nil {
		return err
	}
	create := []byte(`{"user_id":"bench","toolkits":{"enable":["confluence"]}}`)
	jsonHeader := map[string]string{"Content-Type": "application/json", "x-api-key": program.Key}
	rows := []struct {
		name string
		q    *request
		n    int
	}{
		{"page read, straight to the sandbox", straight, n},
		{"a request to the router for nothing (/healthz)", &request{method: http.MethodGet, url: r.URL + "/healthz", want: "ok"}, n},
		{"the page read through MCP tools/call (2026-07-28)", modern(session, "tools/call", "CONFLUENCE_GET_PAGE_BY_ID", arguments, "successful"), n},
		{"the page read through REST execute in a session", &request{method: http.MethodPost, url: r.URL + "/api/v3.1/tool_router/session/" + session.ID + "/execute", body: rest, header: jsonHeader, want: "log_id"}, n},
		{"tools/list of 24 direct tools and the meta tools", modern(listed, "tools/list", "", map[string]any{}, "CONFLUENCE_CREATE_PAGE"), n},
		{"session create", &request{method: http.MethodPost, url: r.URL + "/api/v3.1/tool_router/session", body: create, header: jsonHeader, want: "session_id"}, n / 4},
	}
	for _, row := range rows {
		if err := measure(ctx, row.name, row.n, row.q); err != nil {
			return err
		}
	}
	return r.Stop()
}

// listedTools are the tools of the tools/list row: a toolkit of middling size.
var listedTools = strings.Fields(`
	CONFLUENCE_CREATE_PAGE CONFLUENCE_UPDATE_PAGE CONFLUENCE_DELETE_PAGE CONFLUENCE_GET_PAGE_BY_ID CONFLUENCE_GET_PAGES
	CONFLUENCE_GET_CHILD_PAGES CONFLUENCE_GET_PAGE_ANCESTORS CONFLUENCE_GET_PAGE_VERSIONS CONFLUENCE_CREATE_BLOGPOST
	CONFLUENCE_UPDATE_BLOGPOST CONFLUENCE_GET_BLOGPOST_BY_ID CONFLUENCE_GET_BLOG_POSTS CONFLUENCE_ADD_CONTENT_LABEL
	CONFLUENCE_GET_LABELS_FOR_PAGE CONFLUENCE_GET_LABELS CONFLUENCE_CQL_SEARCH CONFLUENCE_SEARCH_CONTENT
	CONFLUENCE_GET_SPACES CONFLUENCE_GET_SPACE_BY_ID CONFLUENCE_GET_SPACE_CONTENTS CONFLUENCE_CREATE_SPACE
	CONFLUENCE_CREATE_FOOTER_COMMENT CONFLUENCE_GET_PAGE_FOOTER_COMMENTS CONFLUENCE_GET_CURRENT_USER`)

// somePage gives the id of a page of the sandbox.
func somePage(ctx context.Context, s *client.Session) (string, error) {
	res, err := s.Execute(ctx, "CONFLUENCE_GET_PAGES", map[string]any{"limit": 5}, "")
	if err != nil {
		return "", err
	}
	var pages struct {
		Results []struct {
			ID string `json:"id"`
		} `json:"results"`
	}
	if err := json.Unmarshal(res.Data, &pages); err != nil || len(pages.Results) == 0 {
		return "", fmt.Errorf("no page in the sandbox: %s %s", res.Error, res.Data)
	}
	return pages.Results[0].ID, nil
}

// measure sends n requests one after another for the times, then n from 16
// goroutines for the rate, after a warm-up.
func measure(ctx context.Context, name string, n int, q *request) error {
	hc := newClient()
	for range n / 10 {
		if err := q.send(ctx, hc); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	times := make([]time.Duration, n)
	for i := range times {
		began := time.Now()
		if err := q.send(ctx, hc); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		times[i] = time.Since(began)
	}
	rate, err := throughput(ctx, n, 16, hc, q)
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	row(name, times, rate)
	return nil
}

func throughput(ctx context.Context, n, workers int, hc *http.Client, q *request) (float64, error) {
	var wg sync.WaitGroup
	errs := make(chan error, workers)
	began := time.Now()
	for range workers {
		wg.Go(func() {
			for range n / workers {
				if err := q.send(ctx, hc); err != nil {
					errs <- err
					return
				}
			}
		})
	}
	wg.Wait()
	took := time.Since(began)
	select {
	case err := <-errs:
		return 0, err
	default:
		return float64(n/workers*workers) / took.Seconds(), nil
	}
}

func row(name string, times []time.Duration, rate float64) {
	slices.Sort(times)
	at := func(q float64) time.Duration { return times[int(float64(len(times)-1)*q)].Round(100 * time.Nanosecond) }
	perSecond := "–"
	if rate > 0 {
		perSecond = fmt.Sprintf("%.0f", rate)
	}
	fmt.Printf("| %s | %s | %s | %s |\n", name, at(0.50), at(0.99), perSecond)
}
