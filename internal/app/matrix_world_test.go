package app_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sluice-run/sluice/internal/app"
	"github.com/sluice-run/sluice/internal/connect/connecttest"
	"github.com/sluice-run/sluice/internal/domain"
	"github.com/sluice-run/sluice/internal/identity"
	"github.com/sluice-run/sluice/sandbox/confluence"
	"github.com/sluice-run/sluice/toolkit"
)

// identityOf is one of the matrix's six: a user of a project with two accounts
// and one of everything else that has an owner. Users have the same names in
// both projects.
type identityOf struct {
	project string
	things  map[string]string // by the names that rows use: "session", "account", …
	marks   []string          // what nobody else may ever see
	shared  []string          // what nobody outside of the project may ever see
}

func (n *identityOf) String() string { return n.things["user"] + " of " + n.project }

// set keeps a thing that is a mark of its owner.
func (n *identityOf) set(name, value string) {
	n.things[name] = value
	n.marks = append(n.marks, value)
}

// world is a router with the six identities.
type world struct {
	*router
	all []*identityOf
	// revoked is a key of the first project that is no longer good, second one
	// that is, besides the key of its identities.
	revoked, second string
	operatorKey     string
	ident           *identity.Service

	mu    sync.Mutex
	made  map[*identityOf]int  // triggers
	fresh map[[3]string]string // row, owner and thing: what is made for one row alone
}

// newWorld boots a router and fills it.
func newWorld(t *testing.T, in func(*app.Options)) *world {
	t.Helper()
	m := newModelServer(t, func(string) string { return "{}" })
	r := testApp(t, func(o *app.Options) {
		m.use(&o.Config)
		in(o)
		o.Toolkits = []*toolkit.Toolkit{connecttest.Paper()}
		o.Config.LogLevel = "warn"
	})
	db := r.database()
	w := &world{router: r, ident: identity.New(identity.Options{Store: db}), fresh: map[[3]string]string{}, made: map[*identityOf]int{}}
	second := domain.Project{ID: domain.NewID(domain.PrefixProject), Name: "second", CreatedAt: time.Now()}
	must(t, db.CreateProject(t.Context(), second))
	for _, project := range []string{r.ProjectID(), second.ID} {
		key, k, err := w.ident.CreateKey(t.Context(), project, "matrix")
		must(t, err)
		for _, user := range []string{"ann", "bob", "cid"} {
			n := &identityOf{project: project, things: map[string]string{"key": key, "user": user}}
			n.shared = append(n.shared, key, k.ID)
			w.fill(n)
			w.all = append(w.all, n)
		}
	}
	key, k, err := w.ident.CreateKey(t.Context(), r.ProjectID(), "revoked")
	must(t, err)
	must(t, w.ident.Revoke(t.Context(), r.ProjectID(), k.ID))
	w.revoked = key
	w.operatorKey = r.operator()
	w.second, _, err = w.ident.CreateKey(t.Context(), r.ProjectID(), "second")
	must(t, err)
	return w
}

// ask sends a request of n and reads values out of the answer by their JSON
// paths.
func (w *world) ask(n *identityOf, status int, method, path, body string, paths ...string) []string {
	w.t.Helper()
	a := w.send(method, path, body, "X-Api-Key", n.things["key"])
	if a.status != status {
		w.t.Fatalf("%s: %s %s: %v", n, method, path, a)
	}
	var out []string
	for _, p := range paths {
		v := field(a.body, p)
		if v == "" {
			w.t.Fatalf("%s: %s %s: no %s in %v", n, method, path, p, a)
		}
		out = append(out, v)
	}
	return out
}

// field looks up a.b.0.c in JSON text; "" when it is not there.
func field(text, path string) string {
	var v any
	if json.Unmarshal([]byte(text), &v) != nil {
		return ""
	}
	for step := range strings.SplitSeq(path, ".") {
		switch at := v.(type) {
		case map[string]any:
			v = at[step]
		case []any:
			i := 0
			if _, err := fmt.Sscan(step, &i); err != nil || i >= len(at) {
				return ""
			}
			v = at[i]
		}
	}
	s, _ := v.(string)
	return s
}

// fill gives n one of everything.
func (w *world) fill(n *identityOf) {
	w.t.Helper()
	user := n.things["user"]
	tag := domain.NewSecret("")[:12] // in every name that we choose
	n.marks = append(n.marks, tag)
	n.things["tag"], n.things["project"] = tag, n.project
	n.things["config_name"] = "config " + domain.NewSecret("")[:12]
	n.things["config"] = w.ask(n, http.StatusCreated, http.MethodPost, "/api/v3.1/auth_configs",
		fmt.Sprintf(`{"toolkit":{"slug":"confluence"},"auth_config":{"type":"use_custom_auth","authScheme":"API_KEY","name":%q}}`, n.things["config_name"]),
		"auth_config.id")[0]
	n.shared = append(n.shared, n.things["config_name"], n.things["config"])
	for _, which := range []string{"other", "account"} { // the last one is the newest, on which calls run
		n.set(which, w.connect(n, which+"-"+tag))
	}
	n.set("session", w.openSession(n))
	link := w.ask(n, http.StatusCreated, http.MethodPost, "/api/v3.1/connected_accounts/link",
		fmt.Sprintf(`{"auth_config_id":%q,"user_id":%q,"callback_url":"https://app.example/%s"}`, n.things["config"], user, tag),
		"link_token", "connected_account_id")
	n.set("link", link[0])
	n.set("pending", link[1])
	n.things["project"], n.things["config_uuid"] = n.project, domain.TwinID("auth_config", n.things["config"])
	n.shared = append(n.shared, n.project)
	n.things["server"] = w.addServer(n, fmt.Sprintf(`,"auth_config_ids":[%q]`, n.things["config"]))
	n.shared = append(n.shared, n.things["server"])
	w.addFiles(n, tag)
	w.addEvents(n, tag)
	n.set("trigger", w.addTrigger(n, "CONFLUENCE_PAGE_CREATED_TRIGGER"))
	endpoint := w.ask(n, http.StatusCreated, http.MethodPost, "/api/v3.1/webhook_endpoints",
		fmt.Sprintf(`{"toolkit_slug":"confluence","client_id":%q}`, n.things["config"]), "id", "data.secret")
	n.things["endpoint"], n.things["endpoint_secret"] = endpoint[0], endpoint[1]
	n.marks = append(n.marks, endpoint[1])
	n.shared = append(n.shared, endpoint[0])
	n.set("approval", w.await(n, tag))
	run := w.ask(n, http.StatusOK, http.MethodPost, sessions+"/"+n.things["session"]+"/execute",
		`{"tool_slug":"CONFLUENCE_GET_CURRENT_USER","arguments":{}}`, "log_id", "data.email")
	n.set("log", run[0])
	if run[1] != n.things["email"] {
		w.t.Fatalf("%s runs as %s", n, run[1])
	}
}

// await has a call of n wait for a person's word.
func (w *world) await(n *identityOf, space string) string {
	w.t.Helper()
	id := w.ask(n, http.StatusCreated, http.MethodPost, sessions, fmt.Sprintf(
		`{"user_id":%q,"experimental":{"permissions":{"default":"ask_every_call"}}}`, n.things["user"]), "session_id")[0]
	if n.things["waiting"] == "" { // of fill: what rows make comes while others read
		n.set("waiting", id)
	}
	return w.ask(n, http.StatusForbidden, http.MethodPost, sessions+"/"+id+"/execute", fmt.Sprintf(
		`{"tool_slug":"CONFLUENCE_GET_SPACES","arguments":{"spaceKey":[%q]}}`, space), "error.approval_id")[0]
}

// connect makes an account of n with an identity of its own in the sandbox.
func (w *world) connect(n *identityOf, alias string) string {
	w.t.Helper()
	u := w.Site().AddUser(confluence.User{Email: alias + "@" + "matrix.example", DisplayName: "Person " + alias, Admin: true})
	n.marks = append(n.marks, u.Email, u.DisplayName, u.AccountID, u.Token)
	n.things["email"] = u.Email // of the newest
	body, err := json.Marshal(map[string]any{
		"auth_config": map[string]string{"id": n.things["config"]},
		"connection": map[string]any{"user_id": n.things["user"], "alias": alias, "state": map[string]any{
			"authScheme": "API_KEY",
			"val": map[string]string{
				"subdomain": "sandbox", "base_url": w.SandboxURL(), "generic_id": u.Email, "generic_api_key": u.Token,
			},
		}},
	})
	must(w.t, err)
	return w.ask(n, http.StatusCreated, http.MethodPost, "/api/v3.1/connected_accounts", string(body), "id")[0]
}

// openSession opens a session of n in which everything is on.
func (w *world) openSession(n *identityOf) string {
	w.t.Helper()
	return w.ask(n, http.StatusCreated, http.MethodPost, sessions, fmt.Sprintf(
		`{"user_id":%q,"multi_account":{"enable":true},"manage_connections":{"enable_wait_for_connections":true,`+
			`"callback_url":"https://app.example/%s"},"preload":{"tools":["CONFLUENCE_GET_CURRENT_USER"]}}`,
		n.things["user"], n.things["tag"]), "session_id")[0]
}

// addFiles hands a file in and has a tool make one.
func (w *world) addFiles(n *identityOf, tag string) {
	w.t.Helper()
	content := "content of " + tag
	got := w.ask(n, http.StatusOK, http.MethodPost, "/api/v3.1/files/upload/request",
		fmt.Sprintf(`{"toolkit_slug":"paper","tool_slug":"PAPER_READ","filename":"in-%s.txt","mimetype":"text/plain","md5":""}`, tag),
		"key", "new_presigned_url")
	n.set("file", got[0])
	n.set("upload", blobToken(w.t, got[1]))
	if a := w.send(http.MethodPut, "/files/blob/"+n.things["upload"], content, "X-Api-Key", "", "Content-Type", "text/plain"); a.status != http.StatusOK {
		w.t.Fatalf("uploading: %v", a)
	}
	mounted := w.ask(n, http.StatusCreated, http.MethodPost, sessions+"/"+n.things["session"]+"/mounts/files/upload_url",
		fmt.Sprintf(`{"mount_relative_path":"of-%s.txt","mimetype":"text/plain"}`, tag), "upload_url")
	if a := w.send(http.MethodPut, "/files/blob/"+blobToken(w.t, mounted[0]), content, "X-Api-Key", "", "Content-Type", "text/plain"); a.status != http.StatusOK {
		w.t.Fatalf("uploading into the mount: %v", a)
	}
	out := w.ask(n, http.StatusOK, http.MethodPost, "/api/v3.1/tools/execute/PAPER_PRINT",
		fmt.Sprintf(`{"user_id":%q,"arguments":{"name":"out-%s.txt","text":%q}}`, n.things["user"], tag, content),
		"data.file.s3key", "data.file.s3url")
	n.set("made", out[0])
	n.set("download", blobToken(w.t, out[1]))
}

// addTrigger makes a trigger instance of n on its newest account.
func (w *world) addTrigger(n *identityOf, slug string) string {
	w.t.Helper()
	return w.ask(n, http.StatusOK, http.MethodPost, "/api/v3.1/trigger_instances/"+slug+"/upsert",
		fmt.Sprintf(`{"user_id":%q,"connected_account_id":%q}`, n.things["user"], n.things["account"]), "trigger_id")[0]
}

// addEvents gives n's project its subscription, and n an event of the newest
// account on its way there. Nothing is sent: the subscription is paused.
func (w *world) addEvents(n *identityOf, tag string) {
	w.t.Helper()
	db, ctx := w.database(), w.t.Context()
	hooks, err := db.ListWebhooks(ctx, n.project)
	must(w.t, err)
	if len(hooks) == 0 {
		w.ask(n, http.StatusCreated, http.MethodPost, "/api/v3.1/webhook_subscriptions",
			`{"webhook_url":"https://app.example/hook","enabled_events":["composio.trigger.message"]}`, "id", "secret")
		hooks, err = db.ListWebhooks(ctx, n.project)
		must(w.t, err)
		hooks[0].State, hooks[0].ProbeAt = domain.WebhookPaused, time.Now().Add(24*time.Hour)
		must(w.t, db.UpdateWebhook(ctx, n.project, hooks[0]))
	}
	n.things["hook"] = hooks[0].ID
	n.shared = append(n.shared, hooks[0].ID)
	now := time.Now()
	e := domain.Event{
		ID: domain.NewID(domain.PrefixEvent), ProjectID: n.project, Type: domain.EventTriggerMessage, Source: n.things["account"],
		Key: tag, UserID: n.things["user"], Trigger: "CONFLUENCE_PAGE_CREATED_TRIGGER", AccountID: n.things["account"],
		Payload: []byte(fmt.Sprintf(`{"tag":%q}`, tag)), OccurredAt: now, CreatedAt: now,
	}
	_, err = db.AddEvent(ctx, e)
	must(w.t, err)
	d := domain.Delivery{
		ID: domain.NewID(domain.PrefixDelivery), ProjectID: n.project, EventID: e.ID, EventType: e.Type, WebhookID: hooks[0].ID,
		State: domain.DeliveryParked, EventAt: now, BeganAt: now,
	}
	_, err = db.AddDelivery(ctx, d)
	must(w.t, err)
	n.set("event", e.ID)
	n.set("delivery", d.ID)
}

func blobToken(t *testing.T, address string) string {
	t.Helper()
	u, err := url.Parse(address)
	must(t, err)
	token, ok := strings.CutPrefix(u.Path, "/files/blob/")
	if !ok {
		t.Fatalf("no address of a file: %s", u.Path)
	}
	return token
}

// makers make the things of rows that use one up: {new.session} is a session of
// the owner that belongs to the row alone.
var makers = map[string]func(w *world, n *identityOf) string{
	"approval": func(w *world, n *identityOf) string { return w.await(n, domain.NewSecret("")[:12]) },
	"trigger": func(w *world, n *identityOf) string {
		types := []string{"CONFLUENCE_PAGE_UPDATED_TRIGGER", "CONFLUENCE_SPACE_CREATED_TRIGGER"}
		w.mu.Lock()
		slug := types[w.made[n]%len(types)]
		w.made[n]++
		w.mu.Unlock()
		return w.addTrigger(n, slug)
	},
	"endpoint": func(w *world, n *identityOf) string {
		return w.ask(n, http.StatusCreated, http.MethodPost, "/api/v3.1/webhook_endpoints",
			fmt.Sprintf(`{"toolkit_slug":"confluence","client_id":%q}`, domain.NewSecret("")), "id")[0]
	},
	"session": (*world).openSession,
	"server":  func(w *world, n *identityOf) string { return w.addServer(n, `,"toolkits":["confluence"]`) },
	"name":    func(*world, *identityOf) string { return domain.NewSecret("")[:20] },
	"account": func(w *world, n *identityOf) string {
		id := w.connectMore(n)
		w.ask(n, http.StatusOK, http.MethodPatch, "/api/v3.1/connected_accounts/"+id+"/status", `{"enabled":false}`)
		return id
	},
	// One that came by consent, disabled, so that no call runs on it.
	"consented": func(w *world, n *identityOf) string {
		cfg := w.ask(n, http.StatusCreated, http.MethodPost, "/api/v3.1/auth_configs",
			`{"toolkit":{"slug":"confluence"},"auth_config":{"type":"use_custom_auth","authScheme":"OAUTH2","name":"consent",
			"credentials":{"client_id":"app","client_secret":"made-up"},"is_enabled_for_tool_router":false}}`,
			"auth_config.id")[0]
		a := domain.ConnectedAccount{
			ID: domain.NewID(domain.PrefixAccount), ProjectID: n.project, UserID: n.things["user"], Toolkit: "confluence",
			AuthConfigID: cfg, Scheme: domain.SchemeOAuth2, Origin: domain.OriginProject, WordID: "consented_" + domain.NewSecret("")[:12],
			Status: domain.AccountActive, Disabled: true, CreatedAt: time.Now(), UpdatedAt: time.Now(),
		}
		must(w.t, w.database().CreateAccount(w.t.Context(), a))
		return a.ID
	},
	// A link to connect by consent at the sandbox's sign-in host, and what a walk
	// by hand ends with there: its answer, and the question after it.
	"consentlink": func(w *world, n *identityOf) string { return w.consentLink(n) },
	"answer": func(w *world, n *identityOf) string {
		flow, address := w.walkByHand(n)
		return flow + fmt.Sprintf(`,"address":%q`, address)
	},
	"question": func(w *world, n *identityOf) string {
		flow, address := w.walkByHand(n, "read:confluence-user", "read:content-details:confluence")
		site := w.ask(n, http.StatusOK, http.MethodPost, "/api/v3.1/sluice/consents/answer", "{"+flow+fmt.Sprintf(`,"address":%q}`, address), "sites.0.id")[0]
		return flow + fmt.Sprintf(`,"site":%q`, site)
	},
	"config": func(w *world, n *identityOf) string {
		return w.ask(n, http.StatusCreated, http.MethodPost, "/api/v3.1/auth_configs",
			`{"toolkit":{"slug":"confluence"},"auth_config":{"type":"use_custom_auth","authScheme":"API_KEY","name":"more"}}`,
			"auth_config.id")[0]
	},
	"pending": func(w *world, n *identityOf) string {
		return w.ask(n, http.StatusCreated, http.MethodPost, "/api/v3.1/connected_accounts/link",
			fmt.Sprintf(`{"auth_config_id":%q,"user_id":%q}`, n.things["config"], n.things["user"]), "connected_account_id")[0]
	},
	"transport": func(w *world, n *identityOf) string {
		h := w.handshake(n.things["session"], "X-Api-Key", n.things["key"])
		for i := 0; i < len(h); i += 2 {
			if h[i] == "Mcp-Session-Id" {
				return h[i+1]
			}
		}
		return ""
	},
}

// connectMore is connect for an account on which no call runs: the user's own
// choice stays the newest of before.
func (w *world) connectMore(n *identityOf) string {
	w.t.Helper()
	email := n.things["email"]
	id := w.connect(n, "more-"+domain.NewSecret("")[:12])
	n.things["email"] = email
	return id
}

// freshThing gives what a row made for itself, the same for all its tries.
func (w *world) freshThing(row string, n *identityOf, kind string) string {
	w.t.Helper()
	at := [3]string{row, n.project + "/" + n.things["user"], kind}
	w.mu.Lock()
	v := w.fresh[at]
	w.mu.Unlock()
	if v != "" {
		return v
	}
	make, ok := makers[kind]
	if !ok {
		w.t.Fatalf("row %s: nobody makes a new %s: add it to makers", row, kind)
	}
	if v = make(w, n); v == "" {
		w.t.Fatalf("row %s: no new %s", row, kind)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.fresh[at] = v
	if kind == "config" || kind == "server" {
		n.shared = append(n.shared, v)
	} else {
		n.marks = append(n.marks, v)
	}
	return v
}

// expand puts the owner's things for {session} or {new.session}, and the
// caller's for {my.session}.
func (w *world) expand(row, text string, owner, caller *identityOf) string {
	w.t.Helper()
	return placeholder.ReplaceAllStringFunc(text, func(p string) string {
		name := p[1 : len(p)-1]
		n := owner
		if rest, mine := strings.CutPrefix(name, "my."); mine {
			name, n = rest, caller
		}
		if kind, fresh := strings.CutPrefix(name, "new."); fresh {
			return w.freshThing(row, n, kind)
		}
		v, ok := n.things[name]
		if !ok {
			w.t.Fatalf("row %s: there is no thing {%s}", row, name)
		}
		return v
	})
}

// strangers are the credentials of nobody: what is refused before anything is
// looked up.
func (w *world) strangers() map[string][]string {
	return map[string][]string{
		"no key":             {"X-Api-Key", ""},
		"a guessed key":      {"X-Api-Key", domain.NewSecret("ak_")},
		"a revoked key":      {"X-Api-Key", w.revoked},
		"an id for a key":    {"X-Api-Key", w.all[0].things["session"]},
		"two keys":           {"X-Api-Key", w.all[0].things["key"], "Authorization", "Bearer " + w.all[3].things["key"]},
		"a link for a key":   {"X-Api-Key", "", "Authorization", "Bearer " + w.all[0].things["link"]},
		"a key as a cookie":  {"X-Api-Key", "", "Cookie", "x-api-key=" + w.all[0].things["key"]},
		"a key as basic":     {"X-Api-Key", "", "Authorization", "Basic " + w.all[0].things["key"]},
		"an operator's key":  {"X-Api-Key", w.operatorKey},
		"a key of a user":    {"X-Api-Key", "", "X-User-Api-Key", w.all[0].things["key"]},
		"a key in the query": {"X-Api-Key", ""}, // ?x-api-key= is added
	}
}

// hidden fails when an answer shows anything of those whom the caller must not
// see, but what the request itself said. A nil caller is nobody.
func (w *world) hidden(what, request string, a answer, caller *identityOf, forbidden []*identityOf) {
	w.t.Helper()
	var header strings.Builder
	_ = a.header.Write(&header)
	text := header.String() + a.body
	for _, n := range forbidden {
		w.mu.Lock()
		marks := slices.Clone(n.marks)
		if caller == nil || caller.project != n.project {
			marks = append(marks, n.shared...)
		}
		w.mu.Unlock()
		for _, mark := range marks {
			if strings.Contains(text, mark) && !strings.Contains(request, mark) {
				w.t.Errorf("CROSSING: %s shows %q of %s: %.600v", what, mark, n, a)
			}
		}
	}
}

// except gives the identities whose things a caller must not see: everybody
// else's, or, for a request that names no user, the other project's.
func (w *world) except(caller *identityOf, userLevel bool) []*identityOf {
	var out []*identityOf
	for _, n := range w.all {
		if n.project != caller.project || userLevel && n != caller {
			out = append(out, n)
		}
	}
	return out
}
