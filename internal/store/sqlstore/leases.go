package sqlstore

import (
	"context"
	"time"
)

var leaseNoun = noun{name: "lease"}

// TakeLease implements store.Leases. One statement decides.
func (s *queries) TakeLease(ctx context.Context, name, owner string, now, until time.Time) (bool, error) {
	touched, err := s.exec(ctx, leaseNoun,
		`INSERT INTO leases (name, owner, until) VALUES (?, ?, ?)
		ON CONFLICT (name) DO UPDATE SET owner = excluded.owner, until = excluded.until
		WHERE leases.until <= ? OR leases.owner = excluded.owner`,
		name, owner, micros(until), micros(now))
	return touched == 1, err
}

// DropLease implements store.Leases.
func (s *queries) DropLease(ctx context.Context, name, owner string) error {
	_, err := s.exec(ctx, leaseNoun, `DELETE FROM leases WHERE name = ? AND owner = ?`, name, owner)
	return err
}
