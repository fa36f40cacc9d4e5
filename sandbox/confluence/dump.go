package confluence

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/sluice-run/sluice/sandbox/confluence/internal/graph"
)

// dumpFormat is the first thing in a dump.
const dumpFormat = "sluice-confluence-sandbox/1"

// siteDump is a whole site as JSON.
type siteDump struct {
	Format string          `json:"format"`
	Site   string          `json:"site"`
	Store  json.RawMessage `json:"store"`
	Auth   authDump        `json:"auth"`
}

type authDump struct {
	Clients []clientDump `json:"clients"`
	Scoped  []scopedDump `json:"scopedTokens"`
	Grants  []grantDump  `json:"grants"`
}

type clientDump struct {
	OAuthApp
	Service string   `json:"service,omitempty"`
	Sites   []string `json:"sites,omitempty"` // cloud ids of a service account
}

type scopedDump struct {
	Digest  string   `json:"digest"`
	Account string   `json:"account"`
	Scopes  []string `json:"scopes"`
}

// grantDump is a family of tokens. Tokens are digests: a dump lets nobody sign in
// with what it says of them.
type grantDump struct {
	Client  string        `json:"client"`
	Account string        `json:"account"`
	Scopes  []string      `json:"scopes"`
	Sites   []string      `json:"sites,omitempty"` // cloud ids; left out by older dumps: the site's own
	Began   time.Time     `json:"began"`
	Access  []accessDump  `json:"access"`
	Refresh []refreshDump `json:"refresh"`
}

type accessDump struct {
	Digest  string    `json:"digest"`
	Expires time.Time `json:"expires"`
}

type refreshDump struct {
	Digest string    `json:"digest"`
	Used   time.Time `json:"used"`
	Gone   time.Time `json:"gone"`
}

// Dump writes the whole site as JSON: contents with their versions and files,
// spaces, people with their API tokens, permissions, the audit log, OAuth apps
// with their secrets and the digests of live tokens. The same state gives the
// same bytes. Keep it as you would keep the credentials in it.
func (s *Sandbox) Dump(w io.Writer) error {
	out := siteDump{Format: dumpFormat, Site: s.opts.Site, Auth: s.auth.dump(s.now())}
	s.mu.RLock()
	raw, err := graph.Marshal(&s.st)
	s.mu.RUnlock()
	if err != nil {
		return fmt.Errorf("dumping the site: %w", err)
	}
	out.Store = raw
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(out); err != nil {
		return fmt.Errorf("writing the dump: %w", err)
	}
	return nil
}

// Load replaces the site by one that [Sandbox.Dump] wrote. The site's name and
// with it the cloud id stay those of [Options], and a site of [Sandbox.AddSite]
// keeps its sign-in host. On an error nothing changes.
func (s *Sandbox) Load(r io.Reader) error {
	var in siteDump
	if err := json.NewDecoder(r).Decode(&in); err != nil {
		return fmt.Errorf("reading the dump: %w", err)
	}
	if in.Format != dumpFormat {
		return fmt.Errorf("the dump has the format %q, this sandbox reads %q", in.Format, dumpFormat)
	}
	st := newStore(s.opts.MaxContents, s.opts.MaxStored)
	if err := graph.Unmarshal(in.Store, &st); err != nil {
		return fmt.Errorf("reading the dump: %w", err)
	}
	if err := st.check(); err != nil {
		return fmt.Errorf("the dump is not a whole site: %w", err)
	}
	st.restore()
	auth, err := in.Auth.restore(uuidOf("site/"+in.Site), s.cloudID)
	if err != nil {
		return fmt.Errorf("reading the dump: %w", err)
	}
	s.mu.Lock()
	s.st = st
	s.unlock()
	s.auth.mu.Lock()
	defer s.auth.mu.Unlock()
	if s.auth.sites[0] != s {
		return nil
	}
	s.auth.clients, s.auth.codes, s.auth.access, s.auth.refresh, s.auth.scoped, s.auth.meters = auth.clients, auth.codes, auth.access, auth.refresh, auth.scoped, auth.meters
	return nil
}

// check finds what contradicts itself in a site, so that a damaged dump is
// refused and does not bring down a request later.
func (st *store) check() error {
	var errs []error
	bad := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	for id, sp := range st.spaces {
		if sp == nil || sp.id != id {
			bad("space %d has another id", id)
			continue
		}
		st.checkLabels(sp.labels, bad)
	}
	for id, x := range st.contents {
		switch {
		case x == nil || x.id != id:
			bad("content %d has another id", id)
			continue
		case st.spaces[x.spaceID] == nil:
			bad("content %d is in the space %d, which does not exist", id, x.spaceID)
		case len(x.versions) == 0 || slices.Contains(x.versions, nil):
			bad("content %d has no version", id)
		case x.status == statusCurrent && x.parentID != 0 && st.contents[x.parentID] == nil: // a draft may outlive its parent
			bad("content %d stands under %d, which does not exist", id, x.parentID)
		}
		st.checkLabels(x.labels, bad)
		for seen, up := 0, x; up != nil && up.parentID != 0; up = st.contents[up.parentID] {
			if seen++; seen > len(st.contents) {
				bad("content %d is its own ancestor", id)
				return errors.Join(errs...)
			}
		}
		for seen, on := 0, x; on != nil && on.containerID != 0; on = st.contents[on.containerID] {
			if seen++; seen > len(st.contents) {
				bad("content %d contains itself", id)
				return errors.Join(errs...)
			}
		}
	}
	for name, lists := range map[string]map[int64][]int64{"children": st.children, "comments": st.comments, "files": st.files, "order": {0: st.order}} {
		for owner, ids := range lists {
			for _, id := range ids {
				if st.contents[id] == nil {
					bad("%s of %d name %d, which does not exist", name, owner, id)
				}
			}
		}
	}
	for _, name := range []string{usersGroup, adminsGroup} {
		if st.groupNamed(name) == nil {
			bad("the group %s does not exist", name)
		}
	}
	for id, u := range st.users {
		if u == nil || u.AccountID != id {
			bad("account %s has another id", id)
		}
	}
	return errors.Join(errs...)
}

func (st *store) checkLabels(ids []int64, bad func(string, ...any)) {
	for _, id := range ids {
		if st.labels[id] == nil {
			bad("label %d does not exist", id)
		}
	}
}

// restore computes what a dump leaves out.
func (st *store) restore() {
	for _, l := range st.labels {
		st.words.tokens(l.name)
	}
	for _, id := range st.order {
		x := st.contents[id]
		st.claim(x)
		st.reindex(x, x.current().doc())
		for _, v := range x.versions {
			if v.file != nil {
				st.media[v.file.id] = v.file
			}
		}
	}
	for _, u := range st.users {
		loc, err := time.LoadLocation(u.timeZone)
		if err != nil {
			loc = time.UTC
		}
		u.loc = loc
		if u.Token != "" {
			st.tokens[credential(u.Email, u.Token)] = u.AccountID
		}
	}
}

func (a *authority) dump(now time.Time) authDump {
	a.mu.Lock()
	defer a.mu.Unlock()
	out := authDump{Clients: []clientDump{}, Scoped: []scopedDump{}, Grants: []grantDump{}}
	for _, id := range slices.Sorted(maps.Keys(a.clients)) {
		out.Clients = append(out.Clients, clientDump{a.clients[id].OAuthApp, a.clients[id].service, a.clients[id].sites})
	}
	for d, t := range a.scoped {
		out.Scoped = append(out.Scoped, scopedDump{hex.EncodeToString(d[:]), t.account, t.scopes})
	}
	families := map[*grant]*grantDump{}
	family := func(g *grant) *grantDump {
		if families[g] == nil {
			families[g] = &grantDump{Client: g.clientID, Account: g.account, Scopes: g.scopes, Sites: g.sites, Began: g.began, Access: []accessDump{}, Refresh: []refreshDump{}}
		}
		return families[g]
	}
	for d, t := range a.access {
		if !t.dead && now.Before(t.expires) {
			f := family(t.grant)
			f.Access = append(f.Access, accessDump{hex.EncodeToString(d[:]), t.expires})
		}
	}
	for d, t := range a.refresh {
		if !t.dead {
			f := family(t.grant)
			f.Refresh = append(f.Refresh, refreshDump{hex.EncodeToString(d[:]), t.used, t.gone})
		}
	}
	for _, f := range families {
		slices.SortFunc(f.Access, func(x, y accessDump) int { return strings.Compare(x.Digest, y.Digest) })
		slices.SortFunc(f.Refresh, func(x, y refreshDump) int { return strings.Compare(x.Digest, y.Digest) })
		out.Grants = append(out.Grants, *f)
	}
	slices.SortFunc(out.Scoped, func(x, y scopedDump) int { return strings.Compare(x.Digest, y.Digest) })
	slices.SortFunc(out.Grants, func(x, y grantDump) int { return strings.Compare(x.first(), y.first()) })
	return out
}

// first is a digest that no other grant has.
func (g grantDump) first() string {
	if len(g.Refresh) > 0 {
		return g.Refresh[0].Digest
	}
	return g.Access[0].Digest
}

// restore makes the state of a sign-in host. Grants for the site that was dumped
// become those of the site that loads it.
func (d authDump) restore(was, now string) (*authority, error) {
	a := newAuthority()
	for _, c := range d.Clients {
		client := &oauthClient{OAuthApp: c.OAuthApp, service: c.Service}
		if c.Service != "" {
			client.sites = movedSites(c.Sites, was, now)
		}
		a.clients[c.ClientID] = client
	}
	var bad error
	key := func(s string) digest {
		var out digest
		if n, err := hex.Decode(out[:], []byte(s[:min(len(s), 2*len(out))])); err != nil || n != len(out) {
			bad = fmt.Errorf("%q is no digest of a token", s)
		}
		return out
	}
	for _, t := range d.Scoped {
		a.scoped[key(t.Digest)] = &scopedToken{t.Account, t.Scopes}
	}
	for _, g := range d.Grants {
		family := &grant{clientID: g.Client, account: g.Account, scopes: g.Scopes, sites: movedSites(g.Sites, was, now), began: g.Began}
		for _, t := range g.Access {
			a.access[key(t.Digest)] = &accessToken{family, t.Expires}
		}
		for _, t := range g.Refresh {
			a.refresh[key(t.Digest)] = &refreshToken{family, t.Used, t.Gone}
		}
	}
	return a, bad
}

// movedSites are cloud ids after the site was has become now. Older dumps name none.
func movedSites(ids []string, was, now string) []string {
	if len(ids) == 0 {
		return []string{now}
	}
	out := slices.Clone(ids)
	for i, id := range out {
		if id == was {
			out[i] = now
		}
	}
	return out
}

// Open makes a site that is kept in [Options.File]: it starts with what the file
// holds, or as [New] would when there is no file yet. [Sandbox.Save] writes it.
func Open(o Options) (*Sandbox, error) {
	if o.File == "" {
		return New(o), nil
	}
	f, err := os.Open(o.File)
	if errors.Is(err, fs.ErrNotExist) {
		return New(o), nil
	}
	if err != nil {
		return nil, fmt.Errorf("opening the sandbox's file: %w", err)
	}
	defer f.Close()
	o.Seed = false
	s := New(o)
	if err := s.Load(f); err != nil {
		return nil, fmt.Errorf("%s: %w", o.File, err)
	}
	return s, nil
}

// Save writes the site to [Options.File] unless nothing changed since the last
// time. Whoever reads the file meanwhile sees the old state or the new.
func (s *Sandbox) Save() error {
	if s.opts.File == "" {
		return errors.New("saving the sandbox: Options.File is empty")
	}
	s.saveMu.Lock()
	defer s.saveMu.Unlock()
	var b bytes.Buffer
	if err := s.Dump(&b); err != nil {
		return err
	}
	now := sha256.Sum256(b.Bytes())
	if _, err := os.Stat(s.opts.File); err == nil && now == s.saved {
		return nil
	}
	if err := replaceFile(s.opts.File, b.Bytes()); err != nil {
		return fmt.Errorf("saving the sandbox: %w", err)
	}
	s.saved = now
	return nil
}

// replaceFile writes a file beside the old one and puts it in its place.
func replaceFile(name string, data []byte) error {
	f, err := os.CreateTemp(filepath.Dir(name), "."+filepath.Base(name)+"-*")
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if err == nil {
		err = f.Sync()
	}
	if e := f.Close(); err == nil {
		err = e
	}
	if err == nil {
		err = os.Rename(f.Name(), name)
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	return nil
}
