// The SDKs that applications use, the newest, one before, and the last that takes files at loopback addresses: every
// method that they offer, once.
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { createRequire } from "node:module";
import { readFile, readdir } from "node:fs/promises";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { after, before, test } from "node:test";
import { Ledger, methods } from "./ledger.mjs"; // before the SDKs, which hold on to fetch
import { Composio } from "@composio/core";
import { Composio as OlderComposio } from "composio-core-older";
import { Composio as OldestComposio } from "composio-core-oldest";
import { BACK, startConsent } from "./consent.mjs";
import { startModel } from "./model.mjs";

const [ME, SPACES, TRIGGER] = ["CONFLUENCE_GET_CURRENT_USER", "CONFLUENCE_GET_SPACES", "CONFLUENCE_PAGE_CREATED_TRIGGER"];
const EXCUSED = {
  "triggers.subscribe": "goes to Pusher's own hosts, which a test has in a namespace: realtime.test.mjs",
  "triggers.unsubscribe": "goes to Pusher's own hosts, which a test has in a namespace: realtime.test.mjs",
  "files.download": "fetches an address that a tool's answer gives, and asks the API nothing",
  createSession: "gives a client with other options, and asks the server nothing",
  "triggers.parse": "asks the server nothing; webhooks.test.mjs has what it does",
  "triggers.verifyWebhook": "asks the server nothing: webhooks.test.mjs",
};
// Accounts that several users share are not offered, and an access list is of those alone.
const REFUSED = { "connectedAccounts.updateAcl": 400, "experimental.updateAcl": 400 };
const becauseOf = (why, names) => Object.fromEntries(names.map((n) => [n, why]));
const GUARDED = becauseOf("this version refuses files at loopback addresses by itself; 0.13 does not",
  ["files.upload", "session.experimental.files.upload", "session.experimental.files.download"]);
const LATER = becauseOf("newer than the API's documents, and than @composio/client 2.0.0-rc.6, which is the newest that can be had", [
  "connectedAccounts.completeAuth", "toolkits.recommendScopes", "toolkits.listGrantContexts", "keyring.listTransferKeys", "sessionConfigs.list", "sessionConfigs.get",
  "experimental.customToolkits.upsert", "experimental.customToolkits.sync", "experimental.customToolkits.delete",
]);

let consent, model;
before(async () => {
  model = await startModel();
  const operator = "oak_acceptance_" + randomBytes(16).toString("hex");
  consent = await startConsent({ SLUICE_MODEL: "openai-chat:scripted", SLUICE_MODEL_BASE_URL: model.url, SLUICE_OPERATOR_KEY: operator });
  await consent.connected("jane");
});
after(async () => { await consent?.stop(); await model?.stop(); });

// What a package's types call private is not offered: "CLASS METHOD".
async function hidden(folder) {
  const found = new Set();
  for (const name of (await readdir(folder)).filter((n) => n.endsWith(".d.mts"))) {
    let of = "";
    for (const line of (await readFile(join(folder, name), "utf8")).split("\n")) {
      of = line.match(/^(?:export )?declare (?:abstract )?class (\w+)/)?.[1].replace(/\$\d+$/, "") ?? of;
      const [, member] = line.match(/^ +(?:private|protected) (?:readonly |abstract |static |get )*(\w+)/) ?? [];
      if (member) found.add(`${of} ${member}`);
    }
  }
  return found;
}

// A provider gives tools to models; the frameworks' tests have it.
const skip = (at) => /(^|\.)(client|provider|pusherService|sdkConfig|config|toolkitVersions)(\.|$)/.test(at) || /^(getClient|getConfig|flush)$/.test(at);

async function sessions({ call, run, guarded, made }) {
  const session = await call("create", "jane", { toolkits: ["confluence"], authConfigs: { confluence: consent.config } });
  made.push(session);
  const ask = (name, ...args) => {
    const of = name.split(".").slice(0, -1).reduce((o, part) => o[part], session), last = name.split(".").at(-1);
    return of[last] ? run(`session.${name}`, () => of[last](...args)) : undefined; // an older one lacks it
  };
  await call("use", session.sessionId);
  for (const name of ["sessions", "toolRouter"]) {
    const other = await call(`${name}.create`, "jane", { toolkits: ["confluence"] });
    await call(`${name}.use`, other.sessionId);
    await call(`${name}.delete`, other.sessionId);
  }
  assert.ok((await ask("tools")).length > 2);
  assert.equal((await ask("toolkits")).items[0].slug, "confluence");
  await ask("authorize", "confluence");
  await ask("search", { query: "find a page" });
  assert.equal((await ask("execute", ME, {})).data.displayName, "Visitor");
  assert.equal((await ask("proxyExecute", { toolkit: "confluence", endpoint: "/wiki/api/v2/spaces", method: "GET" })).status, 200);
  await ask("update", { preload: { tools: [SPACES] } });
  assert.deepEqual([await ask("customTools"), await ask("customToolkits")], [[], []]);
  await files({ ask, call, guarded, session });
  await ask("ensureConnected", "confluence");
  await ask("listConfigHistory");
  await ask("delete");
}

async function files({ ask, call, guarded, session }) {
  if (guarded) { // what the SDK does with the address that it is given
    const to = await fetch(`${consent.router.url}/api/v3.1/tool_router/session/${session.sessionId}/mounts/files/upload_url`, {
      method: "POST", headers: { "x-api-key": consent.router.key, "content-type": "application/json" },
      body: JSON.stringify({ mount_relative_path: "a.txt", mimetype: "text/plain" }),
    });
    assert.equal((await fetch((await to.json()).upload_url, { method: "PUT", body: "kept" })).status, 200);
  } else {
    await ask("experimental.files.upload", Buffer.from("kept"), { remotePath: "a.txt", mimetype: "text/plain" });
    assert.equal(await (await ask("experimental.files.download", "a.txt")).text(), "kept");
    const kept = await call("files.upload", { file: new File(["kept"], "b.txt", { type: "text/plain" }), toolSlug: "CONFLUENCE_ADD_ATTACHMENT", toolkitSlug: "confluence" });
    assert.equal(kept.name, "b.txt");
  }
  assert.equal((await ask("experimental.files.list")).items.length, 1);
  await ask("experimental.files.delete", "a.txt");
}

async function accounts({ call, newest }) {
  const { id: config } = await call("authConfigs.create", "confluence", {
    type: "use_custom_auth", authScheme: "OAUTH2", name: "own", credentials: { ...consent.endpoints, ...consent.own },
  });
  await call("authConfigs.list");
  assert.equal((await call("authConfigs.get", config)).id, config);
  await call("authConfigs.update", config, { type: "custom", credentials: { client_id: consent.own.client_id } });
  await call("authConfigs.updateStatus", "DISABLED", config);
  await call("authConfigs.enable", config);
  const request = await call("connectedAccounts.link", "ken", config, { callbackUrl: BACK });
  await consent.person().connect(request.redirectUrl, "Visitor");
  const account = await call("connectedAccounts.waitForConnection", request.id, 5000);
  assert.equal(account.status, "ACTIVE");
  await call("connectedAccounts.initiate", "lea", config, { callbackUrl: BACK });
  await call("toolkits.authorize", "mia", "confluence", config);
  assert.equal((await call("connectedAccounts.list", { userIds: ["ken"] })).items[0].id, account.id);
  assert.equal((await call("connectedAccounts.get", account.id)).id, account.id);
  await call("connectedAccounts.update", account.id, { enabled: true });
  await call("connectedAccounts.updateStatus", account.id, { enabled: false });
  await call("connectedAccounts.enable", account.id);
  assert.equal((await call("connectedAccounts.refresh", account.id)).status, "ACTIVE");
  await call("connectedAccounts.disable", account.id);
  if (newest) await call("connectedAccounts.revoke", account.id);
  await call("connectedAccounts.updateAcl", account.id, { allowAllUsers: true });
  await call("experimental.updateAcl", account.id, { allowAllUsers: true });
  await call("connectedAccounts.delete", account.id);
  await call("authConfigs.disable", config);
  await call("authConfigs.delete", config);
}

async function tools({ call, sdk }) {
  await call("toolkits.get", "confluence");
  await call("toolkits.get", {});
  await call("toolkits.listCategories");
  await call("toolkits.getAuthConfigCreationFields", "confluence", "OAUTH2");
  await call("toolkits.getConnectedAccountInitiationFields", "confluence", "OAUTH2");
  await call("tools.getRawComposioTools", { tools: [SPACES] });
  await call("tools.getRawToolRouterSessionTools", (await sdk.create("jane")).sessionId);
  const raw = await call("tools.getRawComposioToolBySlug", SPACES);
  await call("tools.get", "jane", { tools: [SPACES] });
  await call("tools.wrapToolsForProvider", "jane", [raw]);
  const session = await sdk.create("jane", { toolkits: ["confluence"] });
  await call("tools.wrapToolsForToolRouter", session.sessionId, [raw]);
  assert.equal((await call("tools.executeSessionTool", ME, { sessionId: session.sessionId, arguments: {} })).data.displayName, "Visitor");
  const done = await call("tools.execute", ME, { userId: "jane", arguments: {}, dangerouslySkipVersionCheck: true });
  assert.equal(done.data.displayName, "Visitor");
  await call("tools.getToolsEnum");
  assert.deepEqual((await call("tools.getInput", SPACES, { text: "Find the space with the key MKT" })).arguments, { spaceKey: ["MKT"] });
  const { items: [account] } = await sdk.connectedAccounts.list({ userIds: ["jane"], statuses: ["ACTIVE"] });
  const answer = await call("tools.proxyExecute", { endpoint: "/wiki/api/v2/spaces", method: "GET", connectedAccountId: account.id });
  assert.equal(answer.status, 200);
}

async function triggers({ call, sdk }) {
  const { items: [account] } = await sdk.connectedAccounts.list({ userIds: ["jane"], statuses: ["ACTIVE"] });
  const { triggerId } = await call("triggers.create", "jane", TRIGGER, { connectedAccountId: account.id });
  assert.equal((await call("triggers.listActive")).items[0].id, triggerId);
  await call("triggers.disable", triggerId);
  await call("triggers.update", triggerId, { status: "enable" });
  await call("triggers.disable", triggerId);
  await call("triggers.enable", triggerId);
  await call("triggers.delete", triggerId);
  await call("triggers.listTypes");
  assert.equal((await call("triggers.getType", TRIGGER)).slug, TRIGGER);
  await call("triggers.listEnum");
  await call("triggers.setWebhookSubscription", { webhookUrl: "https://app.example/hook" });
  await call("triggers.setWebhookSubscription", { webhookUrl: "https://app.example/other" }); // there is one by now
}

async function servers({ call }) {
  const made = await call("mcp.create", `own ${randomBytes(3).toString("hex")}`, { toolkits: [{ toolkit: "confluence", authConfigId: consent.config }], allowedTools: [SPACES] });
  await call("mcp.list", {});
  await call("mcp.get", made.id);
  await call("mcp.update", made.id, { name: `mine ${randomBytes(3).toString("hex")}` });
  assert.match((await call("mcp.generate", "jane", made.id)).url, /^http:\/\/127\.0\.0\.1/);
  await call("mcp.delete", made.id);
}

// What the newest has besides.
async function newer({ call }) {
  await call("toolkits.getMany", ["confluence"]);
  await call("toolkits.changelog");
  await call("experimental.usage.summary");
  await call("experimental.usage.breakdown", "tool_calls");
  const { logs: [log] } = await call("logs.search", { limit: 1, filters: [{ field: "tool_slug", operator: "==", value: ME }] });
  assert.equal((await call("logs.get", log.id)).id, log.id);
  const hook = await call("webhooks.subscriptions.set", { webhookUrl: "https://app.example/hook" });
  await call("webhooks.subscriptions.list");
  await call("webhooks.subscriptions.get", hook.id);
  await call("webhooks.subscriptions.update", hook.id, { version: "V3" });
  await call("webhooks.subscriptions.rotateSecret", hook.id);
  await call("webhooks.subscriptions.listEventTypes");
  await call("webhooks.subscriptions.delete", hook.id);
  const end = await call("webhooks.endpoints.create", { toolkitSlug: "confluence", clientId: "app-1" });
  await call("webhooks.endpoints.list");
  await call("webhooks.endpoints.get", end.id);
  await call("webhooks.endpoints.replace", end.id, { data: { secret: "chosen-by-hand".repeat(2) } });
  await call("webhooks.endpoints.update", end.id, { data: { secret: "chosen-again".repeat(2) } });
}

const folder = (name) => dirname(fileURLToPath(import.meta.resolve(name)));
for (const [name, SDK, at, file, newest, guarded] of [
  ["the newest", Composio, folder("@composio/core"), "node-composio-newest.json", true, true],
  ["one before", OlderComposio, folder("composio-core-older"), "node-composio.json", false, true],
  ["one that takes files at loopback addresses", OldestComposio, folder("composio-core-oldest"), "node-composio-older.json", false, false],
]) {
  test(`@composio/core, ${name}`, async () => {
    const sdk = consent.sdkOf(SDK), made = [], types = { skip, hidden: await hidden(at) };
    const all = methods(sdk, types);
    const excused = { ...EXCUSED, ...(guarded && GUARDED), ...(newest && LATER) };
    const ledger = new Ledger(consent.router, { excused, refused: REFUSED });
    const call = (n, ...args) => (all.includes(n) ? ledger.call(sdk, n, ...args) : undefined); // an older one lacks it
    const use = { sdk, newest, guarded, made, call, run: (n, f) => ledger.run(n, f) };
    for (const part of [sessions, accounts, tools, triggers, servers, ...(newest ? [newer] : [])]) await part(use);
    const { version: own } = JSON.parse(await readFile(join(at, "..", "package.json")));
    const version = newest ? `${own} on @composio/client 2.0.0-rc.6, for want of rc.8` : own;
    await ledger.keep("@composio/core (TypeScript)", version, [
      ...all, ...methods(made[0], types).map((n) => `session.${n}`),
      ...methods(made[0].experimental.files, types).map((n) => `session.experimental.files.${n}`),
    ], file);
  });
}
