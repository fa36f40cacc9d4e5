// Package confluence is a Confluence Cloud in memory: a site with spaces, pages,
// blog posts, comments, labels, users and search, served over the REST API v1
// and v2 as the cloud serves it. It is importable like net/http/httptest, for
// tests and demonstrations of anything that speaks to Confluence.
//
//	srv := confluence.NewServer(confluence.Options{Seed: true})
//	defer srv.Close()
//	me := srv.AddUser(confluence.User{Email: "ann@example.com", DisplayName: "Ann"})
//	req, _ := http.NewRequest("GET", srv.URL+"/wiki/api/v2/pages", nil)
//	req.SetBasicAuth(me.Email, me.Token)
//
// # What is served
//
// Two fronts on one handler. The site host (https://name.atlassian.net in the
// cloud) takes Basic authentication by e-mail and API token; each user has a token
// of their own and acts as themselves:
//
//   - /wiki/api/v2: pages and blog posts with their versions, children,
//     descendants, ancestors and labels; attachments; footer and inline comments;
//     likes; tasks; labels; spaces.
//   - /wiki/rest/api: search (CQL) of contents and users; labels; uploads and
//     downloads; moving, copying and archiving pages; versions; templates; body
//     conversion; watches, favourites and views; long tasks; and the calls that
//     today's v1 document no longer lists but the site host still answers,
//     because older clients read with them ([Options].V1Removed turns them off: 410).
//   - /media: the bytes of attachments, at signed addresses that live for
//     [MediaLife]. The addresses below /wiki/download refuse API tokens with 401,
//     as the cloud does.
//   - /_edge/tenant_info, and plain HTML under /wiki/spaces so that the links in
//     answers open in a browser.
//
// Beside those, both APIs have whiteboards, folders, databases and Smart Links,
// content and space properties, custom content, restrictions, permissions and
// operations, groups, bulk look-ups of users, and the audit log.
//
// The hosts of OAuth (auth.atlassian.com and api.atlassian.com) are served below
// /authorize, /oauth/token, /oauth/token/accessible-resources and
// /ex/confluence/{cloudId}. [Sandbox.AddOAuthApp] registers an app with a secret and
// exact redirect URIs. People consent on a plain HTML page: they choose who they
// are, the site and the scopes, and accept or cancel; [Sandbox.Consent] does it for
// a test. PKCE is not asked for, but a challenge that is sent (S256) is checked.
// Codes live ten minutes and work once: one that is sent again revokes what it
// gave. Access tokens last an hour ([Options].AccessLife), refresh tokens rotate
// with ten minutes of grace ([Options].RefreshGrace), and the reuse of an old one
// after that kills its family. The cloud documents no endpoint at which an app
// gives tokens back, so there is none; people do it in their profile, which is
// [Sandbox.RevokeGrant]. [Sandbox.AddSite] makes a further site of the same cloud.
// [Sandbox.AddServiceAccount] gives client credentials, [Sandbox.AddScopedToken]
// an API token for the gateway, [Sandbox.IssueTokens] tokens without the page.
// The gateway enforces the scopes of each operation as Atlassian's documents list
// them, answers 410 to the v1 calls that were removed, and counts points
// ([Options].Quota).
//
// Every answer carries the header [Header].
//
// # Behaviour
//
// Ids are numbers written as strings; versions grow by one and a wrong number is
// a 409; titles are unique in a space without regard to case; a page made
// without a parent goes under the homepage; deleting moves to the trash and
// purging destroys; lists are paged by cursors. Storage bodies are parsed
// strictly and rewritten in canonical form. Tasks and the marks of inline comments
// live in the bodies: ticking a task is a new version, and a comment whose mark an
// update drops is dangling. Long tasks are done at once; [Options].TaskTime lets
// them look busy for a while. Errors have the cloud's bodies and
// sentences where those are known.
//
// What somebody may not see does not exist for them: view restrictions, which
// pages inherit, and permissions of spaces keep contents out of reads, lists and
// search. A new space lets everybody read and write; only its creator and those
// whose [User].Admin is set administer it. In the seed's spaces everybody does.
//
// # Keeping it
//
// [Sandbox.Dump] writes the whole site as JSON and [Sandbox.Load] reads it;
// [Open] and [Sandbox.Save] do so with [Options].File. [Sandbox.SeedMany] makes
// thousands of pages.
//
// # Reading and disturbing it from a test
//
// [Sandbox.Page], [Sandbox.Pages], [Sandbox.BlogPosts], [Sandbox.Labels],
// [Sandbox.Comments], [Sandbox.InlineComments], [Sandbox.Attachments],
// [Sandbox.Tasks] and [Sandbox.Likes] read the state without HTTP.
// [Sandbox.Attach], [Sandbox.Like] and [Sandbox.View] do what people do in a
// browser. [Sandbox.Fail] makes the next matching requests fail: a status with
// Retry-After, a hang, HTML, a cut body, an answer lost after the work was done;
// [Fault].Grant picks requests for tokens. [Sandbox.Throttle] is the 429 of a
// used-up quota, [Sandbox.RefuseTokens] a sign-in host that refuses,
// [Sandbox.ExpireTokens], [Sandbox.RevokeGrants] and [Sandbox.RemoveOAuthApp] end
// what OAuth apps hold. [Sandbox.OAuthCounts] tells how often a client signed in
// and refreshed, [Sandbox.Grants] what it may do.
package confluence
