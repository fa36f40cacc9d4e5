package app

import (
	"context"
	"time"

	"github.com/sluice-run/sluice/internal/connect"
	"github.com/sluice-run/sluice/internal/event"
	"github.com/sluice-run/sluice/internal/jobs"
	"github.com/sluice-run/sluice/internal/trigger"
)

// What is cleared away, how often, and how long after it has run out.
const (
	pruneBatch    = 500 // rows at a time, so that others can write in between
	pruneFiles    = 10 * time.Minute
	pruneConnects = time.Hour
	pruneRecords  = time.Hour
	pruneEvents   = time.Hour
	connectGrace  = 24 * time.Hour // a late visitor is told that the link has expired
	dropProjects  = time.Minute    // what was cut off when a project was deleted
	keepEvents    = 90 * 24 * time.Hour
)

// Accounts' tokens are renewed at 80 % of their life: how often those are looked
// for whose time has come, and how many at a time.
const (
	renewEvery = 30 * time.Second
	renewBatch = 200
)

// deliverAtOnce is how many deliveries of events a process makes at a time.
const deliverAtOnce = 20

// pollAtOnce is how many polls of triggers a process makes at a time.
const pollAtOnce = 16

// receiveAtOnce is how many received webhooks a process looks into at a time.
const receiveAtOnce = 8

// nothing is the arguments of jobs that need none.
type nothing struct{}

// duty is a periodic job of the program.
type duty struct {
	kind  jobs.Kind[nothing]
	every time.Duration
	do    func(ctx context.Context) error
}

// duties are the program's periodic jobs: each runs on one of all processes.
func (a *App) duties(r rooms) []duty {
	const long = 5 * time.Minute
	return []duty{
		{jobs.Kind[nothing]{Name: "prune_files", Timeout: long}, pruneFiles, r.files.PruneAll},
		{jobs.Kind[nothing]{Name: "prune_connects", Timeout: long}, pruneConnects, func(ctx context.Context) error { return a.pruneConnects(ctx, r.conn, r.triggers) }},
		{jobs.Kind[nothing]{Name: "prune_executions", Timeout: long}, pruneRecords, a.pruneExecutions},
		{jobs.Kind[nothing]{Name: "prune_approvals", Timeout: long}, pruneRecords, a.pruneApprovals},
		{jobs.Kind[nothing]{Name: "prune_events", Timeout: long}, pruneEvents, func(ctx context.Context) error {
			return a.pruneEvents(ctx, r.events)
		}},
		{jobs.Kind[nothing]{Name: "drop_projects", Timeout: long}, dropProjects, a.ident.DropEnded},
		{jobs.Kind[nothing]{Name: "probe_webhooks"}, event.ProbeEvery, r.events.Probe},
		{jobs.Kind[nothing]{Name: "recover_deliveries"}, event.RecoverEvery, r.events.RecoverLost},
		{jobs.Kind[nothing]{Name: "place_events", Timeout: long}, event.PlaceEvery, func(ctx context.Context) error { return r.events.Place(ctx) }},
		{jobs.Kind[nothing]{Name: "recover_polls"}, trigger.RecoverEvery, r.triggers.RecoverLost},
		{jobs.Kind[nothing]{Name: "resume_triggers"}, trigger.ResumeEvery, r.triggers.Resume},
		{jobs.Kind[nothing]{Name: "renew_tokens", Timeout: long}, renewEvery, func(ctx context.Context) error {
			for {
				// Of a full batch some may fail, and are tried again later.
				if n, err := r.conn.Sweep(ctx, renewBatch); err != nil || n < renewBatch/2 {
					return err
				}
			}
		}},
	}
}

// setupJobs builds the job engine; Start starts it. Work of other rooms is added
// here, beside the duties.
func (a *App) setupJobs(ctx context.Context, r rooms) error {
	opts := jobs.Options{DB: a.db, Logger: a.log, Drain: a.opts.Times.Drain, Observe: func(t jobs.Try) {
		a.tel.Metrics.Job(t.Kind, string(t.Outcome), t.Took)
	}}
	opts.Queues = map[string]int{event.JobQueue: deliverAtOnce, trigger.JobQueue: pollAtOnce, trigger.ReceiveQueue: receiveAtOnce}
	opts.Works = append(append(opts.Works, r.events.Works()...), r.triggers.Works()...)
	for _, d := range a.duties(r) {
		opts.Works = append(opts.Works, d.kind.Work(func(ctx context.Context, _ nothing) error { return d.do(ctx) }))
		opts.Periodic = append(opts.Periodic, jobs.Periodic{Every: d.every, Job: d.kind.Job(nothing{})})
	}
	var err error
	if a.jobs, err = jobs.New(ctx, opts); err != nil {
		return err
	}
	r.events.Use(a.jobs)
	r.triggers.Use(a.jobs)
	return nil
}

// pruneConnects clears away what connecting leaves: tokens of walks that nobody
// ended, links and walks that have expired, accounts whose user never finished
// connecting, leases of processes that died, old news of accounts, and webhooks that were never
// looked into to their end.
func (a *App) pruneConnects(ctx context.Context, conn *connect.Service, triggers *trigger.Service) error {
	now := time.Now()
	before := now.Add(-connectGrace)
	for _, drop := range []func() (int, error){
		func() (int, error) { return conn.DropAbandoned(ctx, pruneBatch) },
		func() (int, error) { return a.db.DropWaitingAccounts(ctx, before, pruneBatch) },
		func() (int, error) { return a.db.DropExpiredLinks(ctx, before, pruneBatch) },
		func() (int, error) { return a.db.DropExpiredFlows(ctx, before, pruneBatch) },
		func() (int, error) { return a.db.DropEndedLeases(ctx, before, pruneBatch) },
		func() (int, error) { return triggers.DropReceived(ctx, pruneBatch) },
		func() (int, error) { return a.db.DropAccountEvents(ctx, now.Add(-keepEvents), pruneBatch) },
	} {
		if err := inBatches(drop); err != nil {
			return err
		}
	}
	return nil
}

// pruneExecutions clears away records that are older than the configuration says.
func (a *App) pruneExecutions(ctx context.Context) error {
	days := a.opts.Config.KeepExecutions
	if days == 0 {
		return nil
	}
	before := time.Now().AddDate(0, 0, -days)
	projects, err := a.db.ListProjects(ctx)
	if err != nil {
		return err
	}
	for _, p := range projects {
		if err := inBatches(func() (int, error) { return a.db.DropExecutions(ctx, p.ID, before, pruneBatch) }); err != nil {
			return err
		}
	}
	return nil
}

// pruneApprovals clears away what people said of calls when the records of those
// go, and notes of states that have expired.
func (a *App) pruneApprovals(ctx context.Context) error {
	now := time.Now()
	err := inBatches(func() (int, error) { return a.db.DropSpentStates(ctx, now.Add(-time.Hour), pruneBatch) })
	days := a.opts.Config.KeepExecutions
	if err != nil || days == 0 {
		return err
	}
	before := now.AddDate(0, 0, -days)
	return inBatches(func() (int, error) { return a.db.DropApprovals(ctx, before, pruneBatch) })
}

// pruneEvents clears away events that are older than the configuration says, with
// their deliveries.
func (a *App) pruneEvents(ctx context.Context, events *event.Service) error {
	days := a.opts.Config.KeepEvents
	if days == 0 {
		return nil
	}
	before := time.Now().AddDate(0, 0, -days)
	return inBatches(func() (int, error) { return events.Prune(ctx, before, pruneBatch) })
}

// inBatches repeats drop until it finds less than a batch.
func inBatches(drop func() (int, error)) error {
	for {
		if n, err := drop(); err != nil || n < pruneBatch {
			return err
		}
	}
}
