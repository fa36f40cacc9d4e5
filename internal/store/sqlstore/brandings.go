package sqlstore

import (
	"context"

	"github.com/sluice-run/sluice/internal/domain"
)

var brandingNoun = noun{name: "branding", owner: "project"}

// Branding implements store.Brandings.
func (s *queries) Branding(ctx context.Context, projectID string) (domain.Branding, error) {
	b, err := one(ctx, s, brandingNoun, func(r row) (b domain.Branding, err error) {
		return b, r.Scan(&b.Name, &b.Logo, &b.Color)
	}, `SELECT name, logo, color FROM brandings WHERE project_id = ?`, projectID)
	if domain.CodeOf(err) == domain.CodeNotFound {
		return domain.Branding{}, nil
	}
	return b, err
}

// PutBranding implements store.Brandings.
func (s *queries) PutBranding(ctx context.Context, projectID string, b domain.Branding) error {
	_, err := s.exec(ctx, brandingNoun,
		`INSERT INTO brandings (project_id, name, logo, color) VALUES (?, ?, ?, ?)
		ON CONFLICT (project_id) DO UPDATE SET name = excluded.name, logo = excluded.logo, color = excluded.color`,
		projectID, b.Name, b.Logo, b.Color)
	return err
}
