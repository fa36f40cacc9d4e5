// What the guides to sessions show, as an application does it with the TypeScript SDK:
// sessions, signing in by hand and in the chat, several accounts, one's own auth configs,
// direct tools, white labelling, and tools of one's own.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { Composio, experimental_createTool, experimental_createToolkit } from "@composio/core";
import { Composio as OlderComposio, experimental_createTool as olderTool, experimental_createToolkit as olderToolkit } from "composio-core-older";
import { VercelProvider } from "@composio/vercel";
import { z } from "zod";
import { BACK, startConsent } from "./consent.mjs";

const [SEARCH, SCHEMAS, MANAGE, WAIT, MULTI] = [
  "COMPOSIO_SEARCH_TOOLS", "COMPOSIO_GET_TOOL_SCHEMAS", "COMPOSIO_MANAGE_CONNECTIONS", "COMPOSIO_WAIT_FOR_CONNECTIONS", "COMPOSIO_MULTI_EXECUTE_TOOL",
];
const [ME, SPACES, PAGES] = ["CONFLUENCE_GET_CURRENT_USER", "CONFLUENCE_GET_SPACES", "CONFLUENCE_GET_PAGES"];
let consent, router, config, sdkOf;
before(async () => {
  consent = await startConsent();
  ({ router, config, sdkOf } = consent);
});
after(() => consent?.stop());

for (const [version, SDK, createTool, createToolkit] of [
  ["0.21", Composio, experimental_createTool, experimental_createToolkit], ["0.19", OlderComposio, olderTool, olderToolkit],
]) {
  const user = (who) => `${who} of ${version}`;
  const create = (who, options, provider) => sdkOf(SDK, provider).create(user(who), { toolkits: ["confluence"], authConfigs: { confluence: config }, ...options });
  const names = async (session) => (await session.tools()).map((t) => t.function.name).sort();
  const runsAs = async (session, ...how) => (await session.execute(ME, {}, ...how)).data.displayName;
  const refused = (promise) => promise.then(() => assert.fail("it was not refused"), (e) => {
    while (!e.error && e.cause) e = e.cause;
    return e.error?.error ?? e.error ?? e;
  });
  const meta = async (session, slug, args) => {
    const done = await session.execute(slug, args);
    assert.ok(!done.error, JSON.stringify(done));
    return done.data;
  };
  const follow = async (link, account) => new URL((await consent.person().connect(link, account)).url);
  const connected = (who, account) => consent.connected(user(who), account, sdkOf(SDK));

  test(`@composio/core ${version}: sessions`, async () => {
    const session = await create("sam", { tools: { confluence: { disable: [SPACES] } }, tags: { disable: ["destructiveHint"] }, preload: { tools: [PAGES] } });
    assert.deepEqual(await names(session), [SEARCH, SCHEMAS, MANAGE, MULTI, PAGES].sort());
    assert.equal(session.mcp.headers["x-api-key"], router.key);
    assert.match(JSON.stringify(await refused(session.execute(SPACES, {}))), /CONFLUENCE_GET_SPACES/);
    await session.update({ preload: { tools: [] } });
    assert.deepEqual(await names(session), [SEARCH, SCHEMAS, MANAGE, MULTI].sort());
    const again = await sdkOf(SDK).use(session.sessionId);
    assert.deepEqual([again.sessionId, again.mcp.url], [session.sessionId, session.mcp.url]);
    assert.deepEqual(await names(again), [SEARCH, SCHEMAS, MANAGE, MULTI].sort());
    if (version === "0.21") { // the older one has none of this
      await again.update({ search: { enable: false } });
      assert.deepEqual(await names(session), [MANAGE, MULTI].sort());
      assert.ok((await again.listConfigHistory()).items.length >= 1);
      await again.delete();
      await assert.rejects(sdkOf(SDK).use(session.sessionId));
    }
  });

  test(`@composio/core ${version}: signing in by hand`, async () => {
    const session = await create("tess", { manageConnections: false });
    assert.ok(!(await names(session)).includes(MANAGE));
    for (const toolkit of (await session.toolkits()).items.filter((t) => !t.connection.isActive)) {
      const request = await session.authorize(toolkit.slug, { callbackUrl: BACK });
      assert.equal((await follow(request.redirectUrl, "Visitor")).searchParams.get("status"), "success");
      assert.equal((await request.waitForConnection(5000)).status, "ACTIVE");
    }
    assert.ok((await session.toolkits()).items.every((t) => t.connection.isActive));
    assert.equal(await runsAs(session), "Visitor");
  });

  test(`@composio/core ${version}: signing in in the chat`, async () => {
    const session = await create("uma", { manageConnections: { enable: true, callbackUrl: BACK, waitForConnections: true } });
    assert.ok((await names(session)).includes(WAIT));
    const asked = (await meta(session, MANAGE, { toolkits: ["confluence"] })).results.confluence;
    assert.deepEqual([asked.status, asked.has_active_connection], ["initiated", false]);
    assert.equal((await follow(asked.redirect_url, "Visitor")).host, "app.example.com");
    assert.equal((await meta(session, WAIT, { toolkits: ["confluence"] })).results.confluence.status, "ACTIVE");
    assert.equal((await meta(session, MANAGE, { toolkits: ["confluence"] })).results.confluence.status, "active");
    const { results } = await meta(session, MULTI, { tools: [{ tool_slug: ME, arguments: {} }], sync_response_to_workbench: false });
    assert.equal(results[0].response.data.displayName, "Visitor");
  });

  test(`@composio/core ${version}: several accounts in one session`, async () => {
    const session = await create("vera", { multiAccount: { enable: true, maxAccountsPerToolkit: 2, requireExplicitSelection: true } });
    for (const [alias, account] of [["work", "Priya Nair"], ["home", "Visitor"]]) {
      const request = await session.authorize("confluence", { alias });
      await follow(request.redirectUrl, account);
      await request.waitForConnection(5000);
    }
    const { results } = await meta(session, MULTI, {
      tools: ["work", "home"].map((account) => ({ tool_slug: ME, arguments: {}, account })), sync_response_to_workbench: false,
    });
    assert.deepEqual(results.map((r) => r.response.data.displayName), ["Priya Nair", "Visitor"]);
    const error = JSON.stringify(await refused(session.execute(ME, {})));
    assert.ok(error.includes("work") && error.includes("home"), error);
  });

  test(`@composio/core ${version}: own auth configs`, async () => {
    const sdk = sdkOf(SDK);
    const { id: own } = await consent.app({ ...consent.own, scopes: "read:confluence-user read:me offline_access" }, "scoped", sdk);
    const session = await create("will", { authConfigs: { confluence: own } });
    const request = await session.authorize("confluence");
    await follow(request.redirectUrl, "Visitor");
    const account = await request.waitForConnection(5000);
    assert.equal(account.authConfig.id, own);
    assert.deepEqual(account.state.val.scope.split(" ").sort(), ["offline_access", "read:confluence-user", "read:me"]);
  });

  test(`@composio/core ${version}: direct tools`, async () => {
    await connected("xena", "Visitor");
    const session = await create("xena", { sessionPreset: "direct_tools", tools: { confluence: { enable: [ME, SPACES] } } });
    assert.deepEqual(await names(session), [ME, SPACES].sort());
    assert.equal(await runsAs(session), "Visitor");
    assert.match(JSON.stringify(await refused(session.execute(PAGES, {}))), /CONFLUENCE_GET_PAGES/);
    const tools = await sdkOf(SDK).tools.get(user("xena"), { tools: [ME] });
    assert.deepEqual(tools.map((t) => t.function.name), [ME]);
  });

  test(`@composio/core ${version}: white labelling`, async () => {
    const brand = (body) => fetch(`${router.url}/api/v3.1/sluice/branding`, {
      method: "PATCH", headers: { "x-api-key": router.key, "content-type": "application/json" }, body: JSON.stringify(body),
    });
    assert.equal((await brand({ name: `Acme ${version}`, color: "#123456" })).status, 200);
    const session = await create("yuri", {});
    const request = await session.authorize("confluence", { callbackUrl: BACK });
    const page = await (await fetch(request.redirectUrl)).text();
    assert.ok(page.includes(`Acme ${version}`) && page.includes("#123456") && !/composio/i.test(page));
    assert.equal((await follow(request.redirectUrl, "Visitor")).host, "app.example.com");
    if (version === "0.21") { // the older one cannot say it
      await session.update({ experimental: { linkUrlOverwrite: "https://connect.acme.example" } });
      assert.match((await session.authorize("confluence")).redirectUrl, /^https:\/\/connect\.acme\.example\/link\/lt_/);
      await session.update({ experimental: { linkUrlOverwrite: null } });
      assert.ok((await session.authorize("confluence")).redirectUrl.startsWith(`${router.url}/link/lt_`));
    }
  });

  test(`@composio/core ${version}: tools of one's own`, async () => {
    await connected("zoe", "Visitor");
    const inputParams = z.object({ name: z.string() });
    const greet = createTool("GREET", {
      name: "Greet", description: "Write a warm greeting for somebody on the front desk display", inputParams,
      execute: async (input, ctx) => ({ text: `Welcome, ${input.name}!`, for: ctx.userId }),
    });
    const whoami = createTool("WHOAMI", {
      name: "Who am I", description: "Tell by the wiki who is at the front desk terminal", inputParams,
      execute: async (input, ctx) => ({ who: (await ctx.execute(ME, {})).data.displayName, askedBy: input.name }),
    });
    const own = { customTools: [greet], customToolkits: [createToolkit("FRONT_DESK", { name: "Front desk", description: "What the desk does", tools: [whoami] })] };
    const session = await create("zoe", { experimental: own }, new VercelProvider());
    const kept = await sdkOf(SDK, new VercelProvider()).use(session.sessionId, own);
    for (const s of [session, kept]) {
      assert.deepEqual(s.customTools().map((t) => t.slug).sort(), ["LOCAL_FRONT_DESK_WHOAMI", "LOCAL_GREET"]);
      assert.ok((await s.search({ query: "write a warm greeting on the front desk display" })).results[0].primaryToolSlugs.includes("LOCAL_GREET"));
      assert.deepEqual((await s.execute("GREET", { name: "Ann" })).data, { text: "Welcome, Ann!", for: user("zoe") });
      assert.deepEqual((await s.execute("LOCAL_FRONT_DESK_WHOAMI", { name: "Bo" })).data, { who: "Visitor", askedBy: "Bo" });
      const done = await (await s.tools())[MULTI].execute({
        tools: [{ tool_slug: "LOCAL_GREET", arguments: { name: "Cy" } }, { tool_slug: ME, arguments: {} }], sync_response_to_workbench: false,
      }, { toolCallId: "1", messages: [] });
      const [mine, theirs] = (typeof done === "string" ? JSON.parse(done) : done).data.results;
      assert.equal(mine.response.data.text, "Welcome, Cy!");
      assert.equal(theirs.response.data.displayName, "Visitor");
    }
  });
}
