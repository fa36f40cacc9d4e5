// The generated clients that the SDKs stand on, the newest and the one before: every method, once.
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { createRequire } from "node:module";
import { readFile } from "node:fs/promises";
import { after, before, test } from "node:test";
import { Composio } from "@composio/client";
import { startConsent } from "./consent.mjs";
import { Ledger, methods } from "./ledger.mjs";
import { startModel } from "./model.mjs";
import { startRouter } from "./router.mjs";

const older = createRequire(createRequire(import.meta.url).resolve("composio-core-older"));
const { Composio: OlderComposio } = older("@composio/client");
const [ME, SPACES, TRIGGER] = ["CONFLUENCE_GET_CURRENT_USER", "CONFLUENCE_GET_SPACES", "CONFLUENCE_PAGE_CREATED_TRIGGER"];
const SESSION = { "cli.createSession": 403, "cli.getSession": 403 };

// They insist on a key of a user, and there is none; nor is there an account to claim.
const USERS = { "org.consumer.listConnectedToolkits": 401, "org.consumer.project.resolve": 401, "cli.createCodactFailure": 401, "org.clanker.createClaim": 403 };

let router, model, consent;
before(async () => {
  model = await startModel();
  const operator = "oak_acceptance_" + randomBytes(16).toString("hex");
  router = await startRouter(["--sandbox"], { SLUICE_MODEL: "openai-chat:scripted", SLUICE_MODEL_BASE_URL: model.url, SLUICE_OPERATOR_KEY: operator });
  router.operator = operator;
  consent = await startConsent();
});
after(async () => { await consent?.stop(); await router?.stop(); await model?.stop(); });

// A method of the client itself is how its resources ask.
const resources = (client) => methods(client, { skip: (at) => at.startsWith("_client") }).filter((name) => name.includes("."));
const unique = (name) => `${name} ${randomBytes(4).toString("hex")}`; // both clients use one project
const version = async (at) => JSON.parse(await readFile(at)).version;

async function sessions(call) {
  const { session_id: one } = await call("toolRouter.session.create", { user_id: "jane", toolkits: { enable: ["confluence"] } });
  await call("toolRouter.session.retrieve", one);
  await call("toolRouter.session.patch", one, { search: { enable: true } });
  await call("toolRouter.session.attach", one);
  await call("toolRouter.session.configHistory", one);
  await call("toolRouter.session.execute", one, { tool_slug: ME, arguments: {} });
  await call("toolRouter.session.executeMeta", one, { slug: "COMPOSIO_GET_TOOL_SCHEMAS", arguments: { tool_slugs: [SPACES] } });
  await call("toolRouter.session.link", one, { toolkit: "confluence" });
  await call("toolRouter.session.search", one, { queries: [{ use_case: "find a page" }] });
  await call("toolRouter.session.toolkits", one);
  await call("toolRouter.session.tools", one);
  const done = await call("toolRouter.session.proxyExecute", one, { toolkit_slug: "confluence", endpoint: "/wiki/rest/api/space", method: "GET" });
  assert.equal(done.status, 200);

  const there = { session_id: one, mount_relative_path: "notes/a.txt" };
  const to = await call("toolRouter.session.files.createUploadURL", "files", { ...there, mimetype: "text/plain" });
  assert.equal((await fetch(to.upload_url, { method: "PUT", body: "kept", headers: { "content-type": "text/plain" } })).status, 200);
  const { items } = await call("toolRouter.session.files.list", "files", { session_id: one, mount_relative_prefix: "notes" });
  assert.deepEqual(items.map((i) => i.mount_relative_path.split("/").at(-1)), ["a.txt"]);
  const from = await call("toolRouter.session.files.createDownloadURL", "files", there);
  assert.equal(await (await fetch(from.download_url)).text(), "kept");
  await call("toolRouter.session.files.delete", "files", there);
}

async function accounts(call) {
  const made = await call("authConfigs.create", { toolkit: { slug: "confluence" }, auth_config: { type: "use_custom_auth", authScheme: "API_KEY", credentials: {} } });
  const config = made.auth_config.id;
  await call("authConfigs.list");
  await call("authConfigs.retrieve", config);
  await call("authConfigs.update", config, { type: "custom", name: "renamed" });
  await call("link.create", { auth_config_id: config, user_id: "bob" });
  const { id } = await call("connectedAccounts.create", { auth_config: { id: config }, connection: { user_id: "bob" } });
  await call("connectedAccounts.retrieve", id);
  const { items: [active] } = await call("connectedAccounts.list", { user_ids: ["jane"], statuses: ["ACTIVE"] });
  await call("connectedAccounts.patch", active.id, { alias: "work" });
  await call("connectedAccounts.refresh", active.id);
  await call("connectedAccounts.updateStatus", active.id, { enabled: true });
  assert.equal((await call("tools.proxy", { endpoint: "/wiki/rest/api/space", method: "GET", connected_account_id: active.id })).status, 200);
  await triggers(call, active.id);
  await call("connectedAccounts.delete", id);
  await call("authConfigs.updateStatus", "DISABLED", { nanoid: config });
  await call("authConfigs.delete", config);
}

async function triggers(call, account) {
  const { trigger_id: trigger } = await call("triggerInstances.upsert", TRIGGER, { connected_account_id: account });
  await call("triggerInstances.listActive");
  const made = await fetch(`${router.url}/api/v3.1/sluice/triggers/test`, {
    method: "POST", headers: { "x-api-key": router.key, "content-type": "application/json" }, body: JSON.stringify({ trigger }),
  });
  assert.ok(made.ok);
  const { data: [log] } = await call("logs.triggers.list", { limit: 10, user_id: "jane" });
  await call("logs.triggers.retrieve", log.id);
  await call("triggerInstances.manage.update", trigger, { status: "disable" });
  await call("triggerInstances.manage.delete", trigger);
  await call("triggersTypes.list");
  await call("triggersTypes.retrieve", TRIGGER);
  await call("triggersTypes.retrieveEnum");
}

async function catalogue(call) {
  await call("toolkits.list");
  await call("toolkits.retrieve", "confluence");
  await call("toolkits.retrieveCategories");
  await call("tools.list", { toolkit_slug: "confluence" });
  await call("tools.retrieve", SPACES);
  await call("tools.retrieveEnum");
  const done = await call("tools.execute", ME, { user_id: "jane", arguments: {} });
  const text = "Find the space with the key MKT";
  assert.deepEqual((await call("tools.getInput", SPACES, { text })).arguments, { spaceKey: ["MKT"] });
  assert.equal((await call("tools.execute", SPACES, { user_id: "jane", text })).successful, true);
  const { data } = await call("logs.tools.list", { cursor: null, search_params: [{ field: "id", operation: "==", value: done.log_id }] });
  assert.deepEqual(data.map((log) => log.entityId), ["jane"]);
  assert.equal((await call("logs.tools.retrieve", done.log_id)).actionId, ME);
  await call("files.createPresignedURL", {
    filename: "a.txt", md5: "d41d8cd98f00b204e9800998ecf8427e", mimetype: "text/plain", tool_slug: "CONFLUENCE_ADD_ATTACHMENT", toolkit_slug: "confluence",
  });
  await call("files.list");
}

async function rest(call) {
  const { id: server } = await call("mcp.custom.create", { name: unique("Readers"), toolkits: ["confluence"], allowed_tools: [SPACES] });
  await call("mcp.create", { name: unique("No toolkits"), auth_config_ids: [], allowed_tools: [SPACES] });
  await call("mcp.list");
  await call("mcp.retrieve", server);
  await call("mcp.retrieveApp", "confluence");
  await call("mcp.update", server, { name: unique("Read only") });
  await call("mcp.generate.url", { mcp_server_id: server, user_ids: ["jane"] });
  await call("mcp.delete", server);
  await call("cli.createSession", {});
  await call("cli.getSession", { id: "x" });
  const { project_id: project } = await call("cli.realtime.credentials");
  await call("cli.realtime.auth", { channel_name: `private-${project}_triggers`, socket_id: "1.1" });
}

// What the newest has besides.
async function newest(call) {
  const { session_id: one } = await call("toolRouter.session.create", { user_id: "jane" });
  await call("toolRouter.session.delete", one);
  await call("toolkits.retrieveChangelog");
  await call("toolkits.retrieveMulti", { toolkits: ["confluence"] });
  await call("tools.retrieveRequiredScopes", { tools: [SPACES] });
  const { id: server } = await call("mcp.create", { name: unique("By user"), auth_config_ids: [], allowed_tools: [SPACES] });
  await call("mcp.createInstance", server, { user_id: "jane" });
  await call("mcp.listInstances", server);
  await call("mcp.deleteInstance", "jane", { serverId: server });
  const { logs: [done] } = await call("logs.createToolExecution", { limit: 1, filters: [{ field: "tool_slug", operator: "==", value: ME }] });
  await call("logs.retrieveToolExecution", done.id);
  await call("logs.tools.listFields");
  await webhooks(call);
  await projects(call);
}

async function webhooks(call) {
  const end = (await call("webhookEndpoints.create", { toolkit_slug: "confluence", client_id: "app-1" })).id;
  await call("webhookEndpoints.list");
  await call("webhookEndpoints.retrieve", end);
  await call("webhookEndpoints.update", end, { data: { secret: "chosen-by-hand".repeat(2) } });
  await call("webhookEndpoints.replace", end, { data: { secret: "chosen-again".repeat(2) } });
  const hook = (await call("webhookSubscriptions.create", { webhook_url: "https://app.example/hook", enabled_events: ["composio.trigger.message"] })).id;
  await call("webhookSubscriptions.list");
  await call("webhookSubscriptions.listEventTypes");
  await call("webhookSubscriptions.retrieve", hook);
  await call("webhookSubscriptions.update", hook, { enabled_events: ["composio.trigger.message"] });
  await call("webhookSubscriptions.rotateSecret", hook);
  await call("webhookSubscriptions.delete", hook);
}

async function projects(call) {
  const { project: known } = await call("auth.session.retrieveInfo");
  const ofUser = { "x-user-api-key": "uak_jane", "x-org-id": "any" };
  await call("org.list");
  await call("org.project.list");
  assert.ok((await call("org.owner.project.list")).data.some((p) => p.id === known.nano_id));
  const made = await call("org.owner.project.create", { name: unique("another"), should_create_api_key: true });
  await call("org.owner.project.retrieve", made.id);
  assert.notEqual((await call("org.owner.project.regenerateAPIKey", made.id)).api_key, made.api_key);
  await call("org.owner.project.delete", made.id);
  await call("org.consumer.listConnectedToolkits", { user_id: "jane", ...ofUser });
  await call("org.consumer.project.resolve", ofUser);
  await call("org.clanker.createClaim", { human_email: "jane@example.com" });
  await call("org.usage.retrieveSummary");
  await call("org.usage.retrieve", "tool_calls");
  await call("project.usage.retrieveSummary");
  await call("project.usage.retrieve", "tool_calls");
  await call("cli.createCodactFailure", { failure_type: "wrong_tool_slug", ctx: {}, session: {}, ...ofUser });
  assert.ok(await call("apiKeyRevocation.create", { api_keys: ["ak_of_nobody"] }));
}

test("@composio/client, the one before", async () => {
  const client = new OlderComposio({ apiKey: router.key, baseURL: router.url, maxRetries: 0 });
  const ledger = new Ledger(router, { refused: SESSION });
  const call = (name, ...args) => ledger.call(client, name, ...args);
  for (const part of [sessions, accounts, catalogue, rest]) await part(call);
  await ledger.keep("@composio/client (TypeScript)", await version(older.resolve("@composio/client").replace(/(@composio.client).*/, "$1/package.json")),
    resources(client), "node-composio-client.json");
});

test("@composio/client, the newest", async () => {
  const client = new Composio({ apiKey: router.key, orgApiKey: router.operator, baseURL: router.url, maxRetries: 0 });
  const ledger = new Ledger(router, { refused: { ...SESSION, ...USERS } });
  const call = (name, ...args) => ledger.call(client, name, ...args);
  for (const part of [sessions, accounts, catalogue, rest, newest]) await part(call);
  const other = new Ledger(consent.router, {});
  await other.call(new Composio({ apiKey: consent.router.key, baseURL: consent.router.url }), "connectedAccounts.revoke", (await consent.connected("hal")).id);
  Object.assign(ledger.calls, other.calls);
  await ledger.keep("@composio/client (TypeScript)", await version(new URL(import.meta.resolve("@composio/client").replace(/(@composio.client).*/, "$1/package.json"))),
    resources(client), "node-composio-client-newest.json");
});
