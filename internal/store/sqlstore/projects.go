package sqlstore

import (
	"context"

	"github.com/sluice-run/sluice/internal/domain"
)

// listMax bounds the lists that have no pages.
const listMax = 1000

// CreateProject implements store.Projects. Names are unique.
func (s *queries) CreateProject(ctx context.Context, p domain.Project) error {
	n := noun{name: "project", id: p.ID, clash: "a project with this name or id already exists"}
	_, err := s.exec(ctx, n, `INSERT INTO projects (id, name, created_at) VALUES (?, ?, ?)`,
		p.ID, p.Name, micros(p.CreatedAt))
	return err
}

// Project implements store.Projects.
func (s *queries) Project(ctx context.Context, id string) (domain.Project, error) {
	p, err := one(ctx, s, noun{name: "project"}, scanProject, `SELECT id, name, created_at FROM projects WHERE id = ? AND deleted_at = 0`, id)
	return p, err
}

// ListProjects implements store.Projects.
func (s *queries) ListProjects(ctx context.Context) ([]domain.Project, error) {
	return list(ctx, s, noun{name: "project"}, scanProject,
		`SELECT id, name, created_at FROM projects WHERE deleted_at = 0 ORDER BY created_at, id LIMIT ?`, listMax)
}

func scanProject(r row) (p domain.Project, err error) {
	var created int64
	err = r.Scan(&p.ID, &p.Name, &created)
	p.CreatedAt = fromMicros(created)
	return p, err
}
