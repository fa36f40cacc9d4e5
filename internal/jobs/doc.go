// Package jobs runs work that outlives the request that asked for it: on River,
// which keeps it in the same database as everything else. It is River's only
// importer, and no type of River's shows.
//
// A job is enqueued in the transaction of the change that asks for it
// (Service.Enqueue) and in no other way: it runs if, and only if, that commits.
// It runs at least once, on whatever process is free. A process that dies while
// a job runs loses nothing: after RescueAfter the job runs again elsewhere.
// Therefore work must be safe to repeat, makes no upstream call inside a
// transaction, and takes ids rather than what they name: arguments are kept in
// the clear.
//
//	var refresh = jobs.Kind[refreshArgs]{Name: "refresh_account"}
//
//	svc, err := jobs.New(ctx, jobs.Options{DB: db, Works: []jobs.Work{refresh.Work(s.refresh)}})
//	err = db.InTx(ctx, func(tx store.Tx) error {
//		return svc.Enqueue(ctx, tx, refresh.Job(refreshArgs{AccountID: id}).Once(id))
//	})
//
// Of all processes on a database one is the leader: it enqueues what is periodic,
// wakes what was to wait, rescues, and clears away what is done. When it dies
// another takes over within some 20 seconds.
package jobs
