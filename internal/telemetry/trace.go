package telemetry

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/sdk/resource"
	"go.opentelemetry.io/otel/sdk/trace"
	oteltrace "go.opentelemetry.io/otel/trace"
)

// Tracer starts spans. A nil *Tracer starts none.
type Tracer struct {
	provider *trace.TracerProvider
	tracer   oteltrace.Tracer
}

// Span is one timed step. A nil *Span takes everything and keeps nothing.
type Span struct{ span oteltrace.Span }

func newTracer(ctx context.Context, o Options, log *slog.Logger) (*Tracer, error) {
	u, err := url.Parse(o.OTLPEndpoint)
	if err != nil || u.Host == "" {
		return nil, fmt.Errorf("the OTLP endpoint is not a URL: expected one such as http://127.0.0.1:4318")
	}
	if u.Path == "" || u.Path == "/" {
		u.Path = "/v1/traces"
	}
	exporter, err := otlptracehttp.New(ctx, otlptracehttp.WithEndpointURL(u.String()))
	if err != nil {
		return nil, fmt.Errorf("setting up tracing: %w", err)
	}
	// OpenTelemetry reports a lost collector through a process-wide hook only.
	otel.SetErrorHandler(otel.ErrorHandlerFunc(func(err error) { log.Warn("sending traces failed", "error", err.Error()) }))
	provider := trace.NewTracerProvider(
		trace.WithBatcher(exporter),
		trace.WithResource(resource.NewSchemaless(
			attribute.String("service.name", "sluice"), attribute.String("service.version", o.Version))),
	)
	return &Tracer{provider: provider, tracer: provider.Tracer("github.com/sluice-run/sluice")}, nil
}

func (t *Tracer) shutdown(ctx context.Context) error {
	if err := t.provider.Shutdown(ctx); err != nil {
		return fmt.Errorf("sending the last traces: %w", err)
	}
	return nil
}

// Start begins a span named for what is done ("execute", "upstream"), below
// the one in ctx. Attributes must hold no argument and no secret.
func (t *Tracer) Start(ctx context.Context, name string, attrs ...slog.Attr) (context.Context, *Span) {
	if t == nil {
		return ctx, nil
	}
	ctx, span := t.tracer.Start(ctx, name, oteltrace.WithAttributes(convert(attrs)...))
	return ctx, &Span{span: span}
}

// Set adds attributes.
func (s *Span) Set(attrs ...slog.Attr) {
	if s != nil {
		s.span.SetAttributes(convert(attrs)...)
	}
}

// End ends the span; an error marks it failed. The error's text is kept as it
// is: pass one that a user may read.
func (s *Span) End(err error) {
	if s == nil {
		return
	}
	if err != nil {
		s.span.SetStatus(codes.Error, err.Error())
	}
	s.span.End()
}

// Middleware gives each request a span, as a child of the caller's trace when
// the request brings one (W3C traceparent).
func (t *Tracer) Middleware(next http.Handler) http.Handler {
	if t == nil {
		return next
	}
	var w3c propagation.TraceContext
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx := w3c.Extract(r.Context(), propagation.HeaderCarrier(r.Header))
		ctx, span := t.tracer.Start(ctx, "HTTP "+methodLabel(r.Method), oteltrace.WithSpanKind(oteltrace.SpanKindServer))
		defer span.End()
		r = r.WithContext(ctx)
		next.ServeHTTP(w, r)
		if r.Pattern != "" {
			span.SetAttributes(attribute.String("http.route", r.Pattern))
		}
	})
}

func traceID(ctx context.Context) string {
	sc := oteltrace.SpanContextFromContext(ctx)
	if !sc.HasTraceID() {
		return ""
	}
	return sc.TraceID().String()
}

func convert(attrs []slog.Attr) []attribute.KeyValue {
	out := make([]attribute.KeyValue, len(attrs))
	for i, a := range attrs {
		a = redactAttr(nil, slog.Attr{Key: a.Key, Value: a.Value.Resolve()})
		switch a.Value.Kind() {
		case slog.KindBool:
			out[i] = attribute.Bool(a.Key, a.Value.Bool())
		case slog.KindInt64:
			out[i] = attribute.Int64(a.Key, a.Value.Int64())
		case slog.KindFloat64:
			out[i] = attribute.Float64(a.Key, a.Value.Float64())
		default:
			out[i] = attribute.String(a.Key, secretShapes.ReplaceAllString(a.Value.String(), "${1}${2}"+redacted))
		}
	}
	return out
}
