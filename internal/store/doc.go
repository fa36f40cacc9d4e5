// Package store is the port to the database: one small interface per
// aggregate, and transactions over all of them.
//
// Every method that reads or writes tenant data takes the project id first and
// touches no row of another project. Missing rows are *domain.Error of
// CodeNotFound, clashes of CodeConflict. Times are UTC with microsecond
// precision. No driver type shows.
//
// sqlstore implements the port on SQLite and PostgreSQL; storetest is the suite
// that any implementation must pass, pgtest gives it databases.
package store
