package store

import (
	"context"

	"github.com/sluice-run/sluice/internal/domain"
)

// MCPInstanceFilter narrows a list of instances; empty fields do not.
type MCPInstanceFilter struct {
	Search                    string // part of the user's id or of the instance's, in any case
	OrderByCreated, Ascending bool   // default: newest change first
}

// MCPServers keeps fixed sets of tools, and whom they were given to.
type MCPServers interface {
	// CreateMCPServer fails with CodeConflict when the id or, in the project, the name
	// is taken.
	CreateMCPServer(ctx context.Context, s domain.MCPServer) error
	MCPServer(ctx context.Context, projectID, id string) (domain.MCPServer, error)
	// MCPServerOfAny finds a server of any project: this is how the project of an
	// address without a key becomes known.
	MCPServerOfAny(ctx context.Context, id string) (domain.MCPServer, error)
	// ListMCPServers gives the project's servers, newest first, at most 1,000.
	ListMCPServers(ctx context.Context, projectID string) ([]domain.MCPServer, error)
	// UpdateMCPServer stores s when the stored version is still s.Version-1, else it
	// fails with CodeConflict.
	UpdateMCPServer(ctx context.Context, projectID string, s domain.MCPServer) error
	// DeleteMCPServer removes the server with its instances.
	DeleteMCPServer(ctx context.Context, projectID, id string) error
	// PutMCPInstance keeps an instance unless the server's user has one, of which it
	// then sets the time of change; it gives what is kept.
	PutMCPInstance(ctx context.Context, i domain.MCPInstance) (domain.MCPInstance, error)
	// MCPInstance gives a server's instance by its user.
	MCPInstance(ctx context.Context, projectID, serverID, userID string) (domain.MCPInstance, error)
	// ListMCPInstances gives a server's instances, and how many there are in all.
	ListMCPInstances(ctx context.Context, projectID, serverID string, f MCPInstanceFilter, page Page) ([]domain.MCPInstance, int, error)
	// DeleteMCPInstance removes a server's instance by its id.
	DeleteMCPInstance(ctx context.Context, projectID, serverID, id string) error
}

// ProjectSettings keeps the switches of projects.
type ProjectSettings interface {
	// ProjectSettings gives the zero value where nothing was set.
	ProjectSettings(ctx context.Context, projectID string) (domain.ProjectSettings, error)
	PutProjectSettings(ctx context.Context, projectID string, s domain.ProjectSettings) error
}
