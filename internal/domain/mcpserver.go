package domain

import (
	"crypto/rand"
	"fmt"
	"time"
)

// MCPServer is a fixed set of tools of a project, served to any of its users
// under one address (contract §3.5). A use of it is a session that is kept
// nowhere: user and account come with each request.
type MCPServer struct {
	ID        string // a UUID
	ProjectID string
	Name      string
	// Toolkits are those of its tools; never empty.
	Toolkits []string
	// Tools are the only ones that it serves; none: all of its toolkits.
	Tools []string
	// AuthConfigs are the ones on whose accounts its tools run, one a toolkit. A
	// toolkit without one runs on any account of the user.
	AuthConfigs []string
	// ManagedAuth says that its addresses come with the tool that connects accounts,
	// unless said otherwise.
	ManagedAuth bool
	Version     int // raised by one with each change
	CreatedAt   time.Time
	UpdatedAt   time.Time
	Instances   int // of it; read only
}

// MCPInstance says that a user was given an MCP server.
type MCPInstance struct {
	ID        string // a UUID
	ProjectID string
	ServerID  string
	UserID    string // the only one of the server
	CreatedAt time.Time
	UpdatedAt time.Time
}

// ProjectSettings are switches of a project. Their zero value is the default.
type ProjectSettings struct {
	// OpenMCP lets addresses of MCP servers that were made for a user work without an
	// API key.
	OpenMCP bool `json:"open_mcp,omitempty"`
}

// NewUUID makes a random UUID (version 4), where the contract asks for one.
func NewUUID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // crypto/rand.Read never fails (Go 1.24)
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}
