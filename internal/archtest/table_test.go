package archtest

// module is the path that all packages of ours begin with.
const module = "github.com/sluice-run/sluice"

// The layers that many rooms may use. Imports go downwards only.
const (
	l0 = "internal/domain internal/telemetry internal/httpx internal/bm25 internal/webhook"
	l1 = "internal/store internal/vault internal/authscheme internal/jobs internal/files"
	l2 = "internal/identity internal/catalog internal/connect internal/policy internal/execute internal/session internal/event internal/trigger internal/chat"
	l3 = "internal/api internal/mcpserver internal/ui internal/realtime"
)

// rooms is the whole architecture: a package, and what of ours it may import,
// separated by spaces. The first entry that fits counts. A pattern ending in
// /** fits what lies below the folder, /* one level of it; "own" is the folder
// that the entry names and what is below it. A package that fits none fails.
var rooms = []struct{ pkg, may string }{
	{"cmd/sluice", "internal/cli"},

	// Public. They are used without the rest, so they need nothing of it.
	{"toolkit", ""},
	{"toolkit/**", "toolkit own"},
	{"client", "internal/webhook"}, // signatures: one way to verify them
	{"agent", ""},
	{"agent/events", "agent client internal/webhook"}, // where the two meet, and signatures
	{"agent/*", "agent"},

	// The catalogue. A toolkit knows what toolkit offers and its own folders.
	{"toolkits/*/**", "toolkit own"},
	{"toolkits/*", "toolkit own"},

	// The sandbox judges the toolkits and must not share their parsers.
	{"sandbox/*/**", "own"},
	{"sandbox/*", "own"},

	// L0
	{"internal/domain", ""},
	{"internal/telemetry", "internal/domain"},
	{"internal/httpx", "internal/domain"},
	{"internal/bm25", ""},
	{"internal/webhook", "internal/domain"},

	// L1
	{"internal/store", "internal/domain"},
	{"internal/store/sqlstore", "internal/domain internal/store"},
	{"internal/store/storetest", "internal/domain internal/store"},
	{"internal/store/pgtest", ""},
	{"internal/vault", "internal/domain"},
	{"internal/vault/vaulttest", ""},
	{"internal/authscheme", "internal/domain internal/httpx toolkit"},
	{"internal/jobs", l0 + " internal/store internal/store/sqlstore"},
	{"internal/jobs/jobstest", l0 + " internal/store internal/store/sqlstore internal/jobs"},
	{"internal/files", "internal/domain internal/store"},
	{"internal/config", "internal/domain"},

	// L2, in order: identity < catalog < connect < policy < execute < session, event < trigger < chat.
	// event knows none of the others: whatever happens is published through it.
	{"internal/identity", l0 + " " + l1},
	{"internal/catalog", l0 + " " + l1 + " toolkit internal/identity"},
	{"internal/connect", l0 + " " + l1 + " toolkit internal/identity internal/catalog"},
	{"internal/connect/connecttest", l0 + " " + l1 + " internal/store/sqlstore toolkit internal/identity internal/catalog internal/connect"},
	{"internal/policy", l0 + " " + l1 + " toolkit internal/identity internal/catalog internal/connect"},
	{"internal/execute", l0 + " " + l1 + " toolkit internal/identity internal/catalog internal/connect internal/policy"},
	{"internal/phrase", "agent internal/domain internal/execute"},
	{"internal/session", l0 + " " + l1 + " toolkit internal/identity internal/catalog internal/connect internal/policy internal/execute"},
	{"internal/event", l0 + " " + l1},
	{"internal/trigger", l0 + " " + l1 + " toolkit internal/identity internal/catalog internal/connect internal/policy internal/execute internal/event"},
	{"internal/chat", l0 + " " + l1 + " toolkit agent internal/identity internal/catalog internal/connect internal/policy internal/execute internal/session internal/event internal/trigger"},

	// L3: doors. They do not know each other.
	{"internal/api/contracttest", ""},
	{"internal/api", l0 + " " + l1 + " " + l2 + " toolkit own"},
	{"internal/mcpserver", l0 + " " + l1 + " " + l2 + " toolkit own"},
	{"internal/ui", l0 + " " + l1 + " " + l2 + " toolkit own"},
	{"internal/realtime", l0 + " " + l1 + " " + l2 + " toolkit own"},

	// L4 wires everything below it.
	{"internal/app", l0 + " " + l1 + " " + l2 + " internal/config internal/store/sqlstore " + l3 +
		" internal/phrase toolkit toolkits/* agent agent/* sandbox/*"},

	// L5 speaks to a router through client, or starts one through app.
	{"internal/importer", "internal/domain client"},
	{"internal/cli", "internal/app internal/importer client agent agent/events internal/domain internal/telemetry"},

	{"internal/archtest", ""},

	// Programs to learn from: they have what every user of the module has.
	{"examples/*", "client agent agent/*"},

	// Programs and helpers of tests and measurements; not part of the binary.
	{"test/**", "*"},
	{"bench/**", "*"},
	{"bench", "*"},
}

// testsMay is what tests may import beyond their package's own row. The sandbox's
// tests stay strict (see testMayImport), and nobody reaches up to the CLI.
const testsMay = "sandbox/** toolkit toolkits/** agent agent/** client internal/store/** internal/jobs/** internal/api/contracttest internal/connect/connecttest internal/vault/vaulttest " +
	"internal/app internal/config " + l0 + " " + l1 + " " + l2 + " " + l3

// owners says which packages may import a dependency, by the longest path that
// fits. "tests" stands for test files and the packages that serve only tests
// (testPackages). A dependency that is not here fails: add it with its owner,
// and have measured it before.
var owners = []struct{ dep, may string }{
	{"go.opentelemetry.io", "internal/telemetry"},
	{"github.com/prometheus", "internal/telemetry"},
	{"github.com/tink-crypto/tink-go", "internal/vault"},
	{"modernc.org", "internal/store/sqlstore"},
	{"github.com/jackc/pgx", "internal/store/sqlstore tests"},
	{"github.com/pressly/goose", "internal/store/sqlstore"},
	{"github.com/riverqueue/river", "internal/jobs"},
	{"github.com/modelcontextprotocol/go-sdk", "internal/mcpserver agent tests"},
	{"github.com/coder/websocket", "internal/realtime tests"},
	{"github.com/spf13/cobra", "internal/cli"},
	{"github.com/spf13/pflag", "internal/cli"},
	{"github.com/danielgtaylor/huma", "internal/api"},
	{"github.com/getkin/kin-openapi", "tests"},
	{"github.com/caarlos0/env", "internal/config"},
	{"github.com/goccy/go-yaml", "internal/config tests"},
	{"github.com/joho/godotenv", "internal/cli"},
	{"charm.land", "internal/cli"},
	{"github.com/charmbracelet", "internal/cli"},
	{"github.com/mattn/go-isatty", "internal/cli"},
	{"golang.org/x/term", "internal/cli"},
	{"github.com/openai/openai-go", "agent/openai"},
	{"github.com/anthropics/anthropic-sdk-go", "agent/anthropic"},
	{"github.com/invopop/jsonschema", "toolkit agent"},
	{"github.com/google/jsonschema-go", "toolkit agent internal/mcpserver tests"},
	{"github.com/yuin/goldmark", "toolkits/**"},
	{"golang.org/x/oauth2", "internal/authscheme internal/connect"},
	{"golang.org/x/net/html", "toolkits/** sandbox/** agent/offline tests"},
	{"golang.org/x/sync", "*"},
	{"golang.org/x/time", "*"},
	{"golang.org/x/net/dns/dnsmessage", "tests"},
	{"golang.org/x/tools/txtar", "tests"},
	{"github.com/google/go-cmp", "tests"},
	{"github.com/rogpeppe/go-internal", "tests"},
	{"go.uber.org/goleak", "tests"},
	{"pgregory.net/rapid", "tests"},
}

// testPackages serve only tests and measurements although their files do not
// end in _test.go.
const testPackages = "internal/store/storetest internal/store/pgtest internal/jobs/jobstest internal/api/contracttest internal/connect/connecttest internal/vault/vaulttest " +
	"test/** bench bench/**"

// ownClients may make an http.Client: httpx is the way out for upstream
// traffic, and the others speak to a router, a model or a test server, never
// to an upstream. internal/app/builtin.go asks the operator's model server for
// its models, internal/app/doctor_net.go that server and the router itself, and
// internal/vault/transit.go the operator's Vault for its key.
const ownClients = "internal/httpx client agent agent/** internal/cli internal/app/builtin.go internal/app/doctor_net.go internal/vault/transit.go sandbox/** " + testPackages

// maxLines bounds a hand-written Go file.
const maxLines = 800
