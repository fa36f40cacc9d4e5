package confluence

import (
	"cmp"
	"slices"
	"time"
)

// OAuthCounts is what the sign-in host did, for tests that ask how often a client
// signed in or refreshed. Requests that a [Fault] answered in its place are not in it.
type OAuthCounts struct {
	Consents      int // people who accepted
	Denials       int // people who cancelled
	Codes         int // codes exchanged for tokens
	CodeReplays   int // codes sent again after their exchange, which revoked what they gave
	Refreshes     int // refresh tokens exchanged, those in GraceReuses included
	GraceReuses   int // refresh tokens exchanged again within [Options].RefreshGrace
	StaleReuses   int // refresh tokens sent again after it, which revoked the grant
	Refused       int // refreshes refused, those in StaleReuses included
	ServiceTokens int // tokens given for client credentials
}

// OAuthCounts gives the counts of one app or service account by its client id, or
// those of all together for "". They start at zero with the sandbox.
func (s *Sandbox) OAuthCounts(clientID string) OAuthCounts {
	s.auth.mu.Lock()
	defer s.auth.mu.Unlock()
	var out OAuthCounts
	for id, n := range s.auth.counts {
		if clientID != "" && id != clientID {
			continue
		}
		out.Consents += n.Consents
		out.Denials += n.Denials
		out.Codes += n.Codes
		out.CodeReplays += n.CodeReplays
		out.Refreshes += n.Refreshes
		out.GraceReuses += n.GraceReuses
		out.StaleReuses += n.StaleReuses
		out.Refused += n.Refused
		out.ServiceTokens += n.ServiceTokens
	}
	return out
}

// count is the counts of an app to add to. The lock is held.
func (a *authority) count(clientID string) *OAuthCounts {
	if a.counts[clientID] == nil {
		a.counts[clientID] = &OAuthCounts{}
	}
	return a.counts[clientID]
}

// Grant is what an account let an app do, as the account's profile lists it.
type Grant struct {
	ClientID string
	Account  string    // account id
	Scopes   []string  // as granted
	Sites    []string  // cloud ids
	Began    time.Time // when consent was given
}

// Grants lists the live grants of an account, the oldest first; those of
// everybody for "".
func (s *Sandbox) Grants(accountID string) []Grant {
	s.auth.mu.Lock()
	defer s.auth.mu.Unlock()
	out := []Grant{}
	now := s.now()
	seen := map[*grant]bool{}
	add := func(g *grant) {
		if !g.dead && !seen[g] && (accountID == "" || g.account == accountID) {
			seen[g] = true
			out = append(out, Grant{g.clientID, g.account, slices.Clone(g.scopes), slices.Clone(g.sites), g.began})
		}
	}
	for _, t := range s.auth.refresh {
		add(t.grant)
	}
	for _, t := range s.auth.access {
		if now.Before(t.expires) {
			add(t.grant)
		}
	}
	slices.SortFunc(out, func(x, y Grant) int { return cmp.Or(x.Began.Compare(y.Began), cmp.Compare(x.ClientID, y.ClientID)) })
	return out
}

// RevokeGrants takes back what an account allowed to apps, as people do in their
// profile: codes, access and refresh tokens are worthless from now on. It gives
// the number of grants.
func (s *Sandbox) RevokeGrants(accountID string) int {
	return s.revoke(func(g *grant) bool { return g.account == accountID })
}

// RevokeGrant takes back what an account allowed to one app.
func (s *Sandbox) RevokeGrant(clientID, accountID string) int {
	return s.revoke(func(g *grant) bool { return g.account == accountID && g.clientID == clientID })
}

// OAuthApps lists the registered apps by client id, without the credentials of
// service accounts.
func (s *Sandbox) OAuthApps() []OAuthApp {
	s.auth.mu.Lock()
	defer s.auth.mu.Unlock()
	out := []OAuthApp{}
	for _, c := range s.auth.clients {
		if c.service == "" {
			out = append(out, c.OAuthApp)
		}
	}
	slices.SortFunc(out, func(x, y OAuthApp) int { return cmp.Compare(x.ClientID, y.ClientID) })
	return out
}

// RemoveOAuthApp deletes an app or a service account's credential, as in the
// developer console: its secret and all its tokens are worthless from now on.
func (s *Sandbox) RemoveOAuthApp(clientID string) {
	s.revoke(func(g *grant) bool { return g.clientID == clientID })
	s.auth.mu.Lock()
	defer s.auth.mu.Unlock()
	delete(s.auth.clients, clientID)
}

func (s *Sandbox) revoke(which func(*grant) bool) int {
	s.auth.mu.Lock()
	defer s.auth.mu.Unlock()
	n := 0
	kill := func(g *grant) {
		if !g.dead && which(g) {
			g.dead = true
			n++
		}
	}
	for _, t := range s.auth.refresh {
		kill(t.grant)
	}
	for _, t := range s.auth.access {
		kill(t.grant)
	}
	for _, t := range s.auth.codes {
		kill(t.grant)
	}
	return n
}
