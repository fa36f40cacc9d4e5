package confluence

import (
	"fmt"
	"slices"
)

// AddSite makes a further site in the same cloud: it has its own spaces and
// people, while the sign-in host, the OAuth apps and the gateway of s know both.
// People are on both sites when [Sandbox.AddUser] got the same [User].AccountID
// on each; the consent page then lets them choose. [Options].Clock, AccessLife and
// RefreshGrace are those of s. Without [Options].BaseURL its links say
// https://name.atlassian.net. It fails when the name is taken.
//
// The gateway of s counts and disturbs the calls that reach the new site through
// it; the new site's own Handler is its site host.
func (s *Sandbox) AddSite(o Options) (*Sandbox, error) {
	o.Clock, o.AccessLife, o.RefreshGrace = s.opts.Clock, s.opts.AccessLife, s.opts.RefreshGrace
	if o.BaseURL == "" && o.Site != "" {
		o.BaseURL = "https://" + o.Site + ".atlassian.net"
	}
	t := prepare(o)
	s.auth.mu.Lock()
	taken := slices.ContainsFunc(s.auth.sites, func(x *Sandbox) bool { return x.cloudID == t.cloudID })
	if !taken {
		t.auth = s.auth
		s.auth.sites = append(s.auth.sites, t)
	}
	s.auth.mu.Unlock()
	if taken {
		return nil, fmt.Errorf("adding a site: there is one called %q already", t.opts.Site)
	}
	t.open()
	return t, nil
}

// cloud lists the sites that share the sign-in host.
func (s *Sandbox) cloud() []*Sandbox {
	s.auth.mu.Lock()
	defer s.auth.mu.Unlock()
	return slices.Clone(s.auth.sites)
}

// sitesOf lists the sites that an account is on.
func (s *Sandbox) sitesOf(accountID string) []*Sandbox {
	return slices.DeleteFunc(s.cloud(), func(t *Sandbox) bool { return t.account(accountID) == nil })
}

func cloudIDs(sites []*Sandbox) []string {
	var out []string
	for _, t := range sites {
		out = append(out, t.cloudID)
	}
	return out
}

// siteOf finds a site by its cloud id.
func (s *Sandbox) siteOf(cloudID string) *Sandbox {
	for _, t := range s.cloud() {
		if t.cloudID == cloudID {
			return t
		}
	}
	return nil
}

// account finds an account of the site.
func (s *Sandbox) account(id string) *user {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.st.users[id]
}
