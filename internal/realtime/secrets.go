package realtime

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"regexp"
	"strings"

	"github.com/sluice-run/sluice/internal/domain"
	"github.com/sluice-run/sluice/internal/vault"
)

// Secrets keeps sealed values of projects; *sqlstore.DB is one.
type Secrets interface {
	KeepProjectSecret(ctx context.Context, projectID, field string, sealed []byte) ([]byte, error)
	ProjectSecret(ctx context.Context, projectID, field string) ([]byte, error)
}

// Vault seals and opens them; *vault.Vault is one.
type Vault interface {
	Seal(ctx context.Context, ref vault.Ref, plaintext []byte) ([]byte, error)
	Open(ctx context.Context, ref vault.Ref, sealed []byte) ([]byte, error)
}

// secretField is where a project's secret lies that signs for its channels.
const secretField = "realtime"

func secretRef(projectID string) vault.Ref {
	return vault.Ref{ProjectID: projectID, AccountID: projectID, Field: secretField}
}

// Channels of a project: that of the SDKs, and that of the contract's command line.
func channelsOf(projectID string) []string {
	return []string{"private-" + projectID + "_triggers", "private-cli-" + projectID}
}

// projectOf is the way back; "" when it is none of these.
func projectOf(channel string) string {
	rest, private := strings.CutPrefix(channel, "private-")
	if id, ok := strings.CutSuffix(rest, "_triggers"); private && ok && domain.HasPrefix(id, domain.PrefixProject) {
		return id
	}
	if id, ok := strings.CutPrefix(rest, "cli-"); private && ok && domain.HasPrefix(id, domain.PrefixProject) {
		return id
	}
	return ""
}

var socketID = regexp.MustCompile(`^[0-9]{1,20}\.[0-9]{1,20}$`)

// Authorize signs that the socket may subscribe to the channel, which must be of
// the caller's project. The key of the application is that of the caller, so that
// what was opened with it ends with it.
func (s *Server) Authorize(ctx context.Context, p domain.Principal, socket, channel string) (string, error) {
	switch {
	case !socketID.MatchString(socket):
		return "", domain.Invalid("socket_id", "socket_id: expected the id that the socket was given, two numbers with a dot between")
	case channel == "":
		return "", domain.Invalid("channel_name", "channel_name: expected %s", channelsOf(p.ProjectID)[0])
	case projectOf(channel) != p.ProjectID:
		return "", domain.Errorf(domain.CodeForbidden, "this API key may not subscribe to the channel").
			WithFix("The channel of its project is %s.", channelsOf(p.ProjectID)[0])
	}
	secret, err := s.secret(ctx, p.ProjectID)
	if err != nil {
		return "", err
	}
	return p.KeyID + ":" + hex.EncodeToString(signature(secret, p.KeyID, socket, channel)), nil
}

// allowed says whether auth is what Authorize gave for socket and channel to the
// key with which the socket was opened.
func (s *Server) allowed(ctx context.Context, keyID, socket, channel, auth string) (bool, error) {
	project := projectOf(channel)
	if project == "" {
		return false, nil
	}
	text, own := strings.CutPrefix(auth, keyID+":")
	given := make([]byte, sha256.Size)
	if n, _ := hex.Decode(given, []byte(text[:min(len(text), 2*sha256.Size)])); !own || n != sha256.Size || len(text) != 2*sha256.Size {
		return false, nil // no signature of this key at all
	}
	sealed, err := s.opts.Secrets.ProjectSecret(ctx, project, secretField)
	if domain.CodeOf(err) == domain.CodeNotFound {
		return false, nil // nothing was ever signed for it
	}
	if err != nil {
		return false, err
	}
	secret, err := s.opts.Vault.Open(ctx, secretRef(project), sealed)
	if err != nil {
		return false, err
	}
	return hmac.Equal(given, signature(secret, keyID, socket, channel)), nil
}

// signature is the contract's HMAC, with a secret of the key's own.
func signature(secret []byte, keyID, socket, channel string) []byte {
	own := hmac.New(sha256.New, secret)
	own.Write([]byte(keyID))
	m := hmac.New(sha256.New, own.Sum(nil))
	m.Write([]byte(socket + ":" + channel))
	return m.Sum(nil)
}

// secret gives the project's, and makes it at its first use.
func (s *Server) secret(ctx context.Context, projectID string) ([]byte, error) {
	sealed, err := s.opts.Secrets.ProjectSecret(ctx, projectID, secretField)
	if domain.CodeOf(err) == domain.CodeNotFound {
		var fresh [32]byte
		_, _ = rand.Read(fresh[:]) // crypto/rand.Read never fails (Go 1.24)
		var made []byte
		if made, err = s.opts.Vault.Seal(ctx, secretRef(projectID), fresh[:]); err != nil {
			return nil, err
		}
		// Another process may be first: then its secret counts.
		sealed, err = s.opts.Secrets.KeepProjectSecret(ctx, projectID, secretField, made)
	}
	if err != nil {
		return nil, err
	}
	return s.opts.Vault.Open(ctx, secretRef(projectID), sealed)
}
