package telemetry

import (
	"context"
	"errors"
	"log/slog"
)

// Options says what to switch on. The zero value logs text at info level to
// standard error and does nothing else.
type Options struct {
	Log     LogOptions
	Version string
	// Metrics switches the Prometheus registry on.
	Metrics bool
	// OTLPEndpoint is the URL of an OpenTelemetry collector (OTLP over HTTP);
	// empty switches tracing off. Without a path, /v1/traces is meant.
	OTLPEndpoint string
}

// Telemetry is what New made. Metrics and Tracer are nil when off.
type Telemetry struct {
	Log     *slog.Logger
	Metrics *Metrics
	Tracer  *Tracer
}

// New sets up what o asks for. It makes no connection: an absent collector
// shows in the log later.
func New(ctx context.Context, o Options) (*Telemetry, error) {
	log, err := NewLogger(o.Log)
	if err != nil {
		return nil, err
	}
	t := &Telemetry{Log: log}
	if o.Metrics {
		t.Metrics = NewMetrics(o.Version)
	}
	if o.OTLPEndpoint != "" {
		if t.Tracer, err = newTracer(ctx, o, log); err != nil {
			return nil, err
		}
	}
	return t, nil
}

// Shutdown sends what is buffered, for as long as ctx allows.
func (t *Telemetry) Shutdown(ctx context.Context) error {
	if t.Tracer == nil {
		return nil
	}
	if err := t.Tracer.shutdown(ctx); err != nil && !errors.Is(err, context.Canceled) {
		return err
	}
	return nil
}
