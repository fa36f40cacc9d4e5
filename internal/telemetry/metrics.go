package telemetry

import (
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// maxLabels bounds the distinct values of an open-ended label. Later ones
// count as "other", so that no caller can fill the memory with names.
const maxLabels = 2000

// waits covers what comes at once to what a poll of every hour finds.
var waits = []float64{.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600, 1200, 3600, 7200}

// seconds covers a memory hit to a slow upstream.
var seconds = []float64{.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60}

// Metrics counts what the router does. Its methods are safe for concurrent
// use, and nothing on a nil *Metrics.
type Metrics struct {
	registry *prometheus.Registry
	requests *prometheus.HistogramVec
	tools    *prometheus.HistogramVec
	upstream *prometheus.HistogramVec
	streams  *prometheus.GaugeVec
	jobs     *prometheus.HistogramVec
	renewals *prometheus.HistogramVec
	polls    *prometheus.HistogramVec
	found    *prometheus.CounterVec
	missed   *prometheus.CounterVec
	late     *prometheus.HistogramVec
	lag      *prometheus.HistogramVec
	limited  *prometheus.CounterVec

	routes, slugs, toolkits labelSet
}

// NewMetrics makes a registry of its own: two routers in one process do not
// meet.
func NewMetrics(version string) *Metrics {
	m := &Metrics{
		registry: prometheus.NewRegistry(),
		requests: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "sluice_http_request_duration_seconds", Help: "Requests served, by route pattern, method and status.", Buckets: seconds,
		}, []string{"route", "method", "status"}),
		tools: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "sluice_tool_execution_duration_seconds", Help: "Tool executions, by tool and outcome.", Buckets: seconds,
		}, []string{"tool", "outcome"}),
		upstream: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "sluice_upstream_request_duration_seconds", Help: "Requests sent upstream, each try, by toolkit and status (0: no answer).", Buckets: seconds,
		}, []string{"toolkit", "status"}),
		jobs: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "sluice_job_duration_seconds", Help: "Tries of background jobs, by kind and outcome.", Buckets: seconds,
		}, []string{"kind", "outcome"}),
		renewals: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "sluice_token_renewal_duration_seconds", Help: "Tries to renew an account's tokens, by toolkit and outcome.", Buckets: seconds,
		}, []string{"toolkit", "outcome"}),
		polls: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "sluice_trigger_poll_duration_seconds", Help: "Polls of triggers, by type and outcome.", Buckets: seconds,
		}, []string{"trigger", "outcome"}),
		found: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "sluice_trigger_events_total", Help: "Events that polls found, by type.",
		}, []string{"trigger"}),
		missed: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "sluice_trigger_changes_missed_total", Help: "Changes that the application counted between two polls and that no event tells of, by type.",
		}, []string{"trigger"}),
		late: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "sluice_trigger_poll_late_seconds", Help: "How long after their time polls began, by type.", Buckets: waits,
		}, []string{"trigger"}),
		lag: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "sluice_trigger_event_lag_seconds", Help: "From what happened to the keeping of its event, by type and source (poll, webhook).", Buckets: waits,
		}, []string{"trigger", "source"}),
		limited: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "sluice_rate_limited_total", Help: "Requests and tool calls refused by a rate limit, by which (key, user, toolkit).",
		}, []string{"limit"}),
		streams: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "sluice_open_streams", Help: "Event streams open now, by kind.",
		}, []string{"kind"}),
	}
	info := prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "sluice_build_info", Help: "Always 1; the version is a label.", ConstLabels: prometheus.Labels{"version": version},
	})
	info.Set(1)
	m.registry.MustRegister(m.requests, m.tools, m.upstream, m.streams, m.jobs, m.renewals, m.polls, m.found, m.missed, m.late, m.lag, m.limited, info,
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

// Handler serves the metrics in Prometheus' formats; 404 when they are off.
func (m *Metrics) Handler() http.Handler {
	if m == nil {
		return http.NotFoundHandler()
	}
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{MaxRequestsInFlight: 4})
}

// Request counts one served request. route is the pattern that matched, not
// the path; a method outside HTTP's own counts as "other".
func (m *Metrics) Request(route, method string, status int, took time.Duration) {
	if m == nil {
		return
	}
	m.requests.WithLabelValues(m.routes.bound(route), methodLabel(method), strconv.Itoa(status)).Observe(took.Seconds())
}

// Execution counts one tool execution by its outcome.
func (m *Metrics) Execution(tool, outcome string, took time.Duration) {
	if m == nil {
		return
	}
	m.tools.WithLabelValues(m.slugs.bound(tool), outcome).Observe(took.Seconds())
}

// Upstream counts one try of an upstream request; status 0 means no answer.
func (m *Metrics) Upstream(toolkit string, status int, took time.Duration) {
	if m == nil {
		return
	}
	m.upstream.WithLabelValues(m.toolkits.bound(toolkit), strconv.Itoa(status)).Observe(took.Seconds())
}

// Job counts one try of a background job. Kinds are the program's own.
func (m *Metrics) Job(kind, outcome string, took time.Duration) {
	if m == nil {
		return
	}
	m.jobs.WithLabelValues(kind, outcome).Observe(took.Seconds())
}

// Renewal counts one try to renew an account's tokens: renewed, settled by
// another process, failed for now, or expired for good.
func (m *Metrics) Renewal(toolkit, outcome string, took time.Duration) {
	if m == nil {
		return
	}
	m.renewals.WithLabelValues(m.toolkits.bound(toolkit), outcome).Observe(took.Seconds())
}

// Poll counts one poll of a trigger, the events that it found, the changes of
// which it knows that they are told by none, and how late it began.
func (m *Metrics) Poll(trigger, outcome string, events, missed int, took, late time.Duration) {
	if m == nil {
		return
	}
	trigger = m.slugs.bound(trigger)
	m.polls.WithLabelValues(trigger, outcome).Observe(took.Seconds())
	m.found.WithLabelValues(trigger).Add(float64(events))
	m.missed.WithLabelValues(trigger).Add(float64(missed))
	m.late.WithLabelValues(trigger).Observe(late.Seconds())
}

// Told counts an event that was kept for a trigger, by what told the router of it.
func (m *Metrics) Told(trigger, source string, lag time.Duration) {
	if m == nil {
		return
	}
	m.lag.WithLabelValues(m.slugs.bound(trigger), source).Observe(lag.Seconds())
}

// Limited counts what a rate limit refused. Kinds are the program's own.
func (m *Metrics) Limited(kind string) {
	if m == nil {
		return
	}
	m.limited.WithLabelValues(kind).Inc()
}

// StreamOpened counts an open stream of a kind ("mcp", "events") until the
// function that it gives is called; calling that twice counts once.
func (m *Metrics) StreamOpened(kind string) (closed func()) {
	if m == nil {
		return func() {}
	}
	g := m.streams.WithLabelValues(kind)
	g.Inc()
	return sync.OnceFunc(g.Dec)
}

func methodLabel(m string) string {
	switch m {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodOptions:
		return m
	}
	return "other"
}

// labelSet admits the first maxLabels values.
type labelSet struct {
	mu   sync.RWMutex
	seen map[string]struct{}
}

func (s *labelSet) bound(value string) string {
	s.mu.RLock()
	_, ok := s.seen[value]
	s.mu.RUnlock()
	if ok {
		return value
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.seen) >= maxLabels {
		if _, ok := s.seen[value]; !ok {
			return "other"
		}
	}
	if s.seen == nil {
		s.seen = make(map[string]struct{})
	}
	s.seen[value] = struct{}{}
	return value
}
