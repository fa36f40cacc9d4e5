// Package telemetry is the only importer of Prometheus and OpenTelemetry:
// logs, metrics and traces, each behind a small type of ours.
//
// Metrics and Tracer are usable when switched off: their nil values do
// nothing, so callers never ask.
package telemetry
