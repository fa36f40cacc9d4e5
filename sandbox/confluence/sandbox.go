package confluence

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"log/slog"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// Header is set to "true" on every answer, so that nobody takes the sandbox for
// the real thing.
const Header = "X-Sluice-Sandbox"

// What a site holds at most, unless [Options] say otherwise.
const (
	maxContents = 250_000
	maxStored   = 1 << 30
	maxTasks    = 1_000
	maxFile     = 100 << 20
)

// MaxBody is the largest request body, in bytes. A larger one is 413.
const MaxBody = 5 << 20

// Options says what kind of site to make. The zero value is an empty site.
type Options struct {
	// Site is the site's name, as in https://name.atlassian.net. Default "sandbox".
	Site string
	// BaseURL is what links in answers start with, without a trailing slash. When
	// empty it is taken from each request's Host.
	BaseURL string
	// Seed fills the site with a small believable company; see [Sandbox.Seed].
	Seed bool
	// Clock tells the time; time.Now when nil. It must be safe for concurrent use.
	Clock func() time.Time
	// Logger records requests at debug level; nothing is logged when nil.
	Logger *slog.Logger
	// V1Removed answers 410 to the v1 calls that were taken out of the API, as
	// OAuth apps see them since August 2026. By default the site still serves them.
	V1Removed bool
	// IndexLag is how long a change stays invisible to search. Default 0.
	IndexLag time.Duration
	// TaskTime is for how long long tasks (copying a tree, archiving, deleting a
	// space, converting a body) are told to be running, though their work is done at
	// once. Default 0: they are finished when first asked for.
	TaskTime time.Duration
	// MaxContents and MaxStored bound the site: pages, blog posts, comments and
	// attachments together, and the bytes of all their versions. A write beyond them
	// is refused with 507. Default 250,000 and 1 GiB.
	MaxContents, MaxStored int
	// MaxAttachment is the largest file, in bytes, that may be attached. A larger
	// one is refused with 413. Default 100 MiB, as in the cloud.
	MaxAttachment int
	// Quota is how many points an OAuth app may spend in an hour at the gateway,
	// Burst how many calls one app or token may make in a second. Default 65,000
	// points and no limit of calls.
	Quota, Burst int
	// AccessLife is how long the access tokens of OAuth live. Default: one hour, as
	// in the cloud. It is told in whole seconds.
	AccessLife time.Duration
	// RefreshGrace is how long a refresh token that was exchanged works again.
	// Default 10 minutes, as in the cloud; negative: a token works once.
	RefreshGrace time.Duration
	// Anonymous lets anybody read without credentials what ordinary users may read.
	Anonymous bool
	// KeepChanges keeps a log of all that changes, for [Sandbox.Changes]. Each write
	// then costs a walk over the site.
	KeepChanges bool
	// File is where [Open] and [Sandbox.Save] keep the site, as JSON. Default: nowhere.
	File string
}

// Sandbox is one Confluence site. It is safe for concurrent use.
type Sandbox struct {
	opts    Options
	cloudID string
	handler http.Handler
	mux     *http.ServeMux // what the gateway hands calls on to
	// mediaKey signs the addresses under which files can be fetched.
	mediaKey []byte

	auth *authority

	mu  sync.RWMutex
	st  store
	log *changeLog // nil unless it is kept

	auto automation // rules, and what they have to send

	faultMu  sync.Mutex
	faults   []*Fault
	nFaults  atomic.Int64
	requests atomic.Int64

	saveMu sync.Mutex
	saved  [32]byte // digest of what the file holds
}

// New makes a site.
func New(o Options) *Sandbox {
	s := prepare(o)
	s.auth = newAuthority()
	s.auth.sites = []*Sandbox{s}
	s.open()
	return s
}

// prepare makes a site that has no sign-in host yet.
func prepare(o Options) *Sandbox {
	if o.Site == "" {
		o.Site = "sandbox"
	}
	if o.Clock == nil {
		o.Clock = time.Now
	}
	if o.MaxContents <= 0 {
		o.MaxContents = maxContents
	}
	if o.MaxStored <= 0 {
		o.MaxStored = maxStored
	}
	if o.MaxAttachment <= 0 {
		o.MaxAttachment = maxFile
	}
	if o.Quota <= 0 {
		o.Quota = defaultQuota
	}
	if o.AccessLife <= 0 {
		o.AccessLife = accessLife
	}
	if o.RefreshGrace == 0 {
		o.RefreshGrace = refreshGrace
	}
	s := &Sandbox{opts: o, mediaKey: []byte(rand.Text()), cloudID: uuidOf("site/" + o.Site), st: newStore(o.MaxContents, o.MaxStored)}
	s.auto.wake = make(chan struct{}, 1)
	if o.KeepChanges {
		s.log = &changeLog{}
	}
	return s
}

// open gives a site its handler, and the seed when it is to have it.
func (s *Sandbox) open() {
	s.handler = s.front()
	if s.opts.Seed {
		s.Seed()
	}
}

// Handler serves the site host, that is everything below /wiki and
// /_edge/tenant_info, and the hosts of OAuth: the gateway below
// /ex/confluence/{cloudId}, /authorize, /oauth/token and
// /oauth/token/accessible-resources. It does not look at the request's host.
func (s *Sandbox) Handler() http.Handler { return s.handler }

// CloudID is the site's cloud id, as /_edge/tenant_info tells it.
func (s *Sandbox) CloudID() string { return s.cloudID }

// Requests counts the requests answered so far, faults included.
func (s *Sandbox) Requests() int64 { return s.requests.Load() }

func (s *Sandbox) now() time.Time { return s.opts.Clock().UTC().Truncate(time.Millisecond) }

// uuidOf derives a stable UUID from a name.
func uuidOf(name string) string {
	sum := sha256.Sum256([]byte(name))
	h := hex.EncodeToString(sum[:16])
	return fmt.Sprintf("%s-%s-4%s-8%s-%s", h[:8], h[8:12], h[13:16], h[17:20], h[20:32])
}
