// The official Composio SDKs connect accounts: auth configs, consent on a site that is a process of its own, sessions.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { Composio } from "@composio/core";
import { Composio as OlderComposio } from "composio-core-older";
import { BACK, startConsent } from "./consent.mjs";

const ME = "CONFLUENCE_GET_CURRENT_USER";
let consent;
before(async () => { consent = await startConsent(); });
after(() => consent?.stop());

// What the SDK raises, down to the answer of the router.
async function refusal(promise) {
  const error = await promise.then(() => assert.fail("it was not refused"), (e) => e);
  let at = error;
  while (at && !at.error && at.cause) at = at.cause;
  return { error, answer: at.error?.error ?? at.error };
}

for (const [name, SDK] of Object.entries({ "0.21": Composio, "0.19": OlderComposio })) {
  const user = (who) => `${who} of ${name}`;
  const person = () => consent.person();
  const config = async (sdk) => (await consent.app(consent.own, `team ${name}`, sdk)).id;
  const runsAs = async (session, ...how) => (await session.execute(ME, {}, ...how)).data.displayName;

  test(`@composio/core ${name}: auth configs`, async () => {
    const { authConfigs } = consent.sdkOf(SDK);
    const made = await consent.app({ client_id: "app-2", client_secret: "hidden-81" }, `own ${name}`, { authConfigs });
    const got = await authConfigs.get(made.id);
    assert.deepEqual([got.name, got.status, got.authScheme, got.credentials.client_id], [`own ${name}`, "ENABLED", "OAUTH2", "app-2"]);
    assert.ok(!JSON.stringify(got).includes("hidden-81"));
    assert.ok((await authConfigs.list({ toolkit: "confluence" })).items.some((c) => c.id === made.id));
    await authConfigs.update(made.id, { type: "custom", credentials: { client_id: "app-3" }, toolAccessConfig: { toolsAvailableForExecution: [ME] } });
    assert.equal((await authConfigs.get(made.id)).credentials.client_id, "app-3");
    await authConfigs.disable(made.id);
    assert.equal((await authConfigs.get(made.id)).status, "DISABLED");
    await authConfigs.enable(made.id);
    await authConfigs.delete(made.id);
    await assert.rejects(authConfigs.get(made.id), /404|not found/i);
  });

  test(`@composio/core ${name}: a session's toolkit by consent`, async () => {
    const sdk = consent.sdkOf(SDK);
    const id = await config(sdk);
    const session = await sdk.create(user("ann"), { toolkits: ["confluence"], authConfigs: { confluence: id } });
    const { answer } = await refusal(session.execute(ME, {}));
    assert.equal(answer.code, 1803);
    assert.ok(answer.suggested_fix.includes(`${consent.router.url}/link/lt_`));

    const request = await session.authorize("confluence", { callbackUrl: BACK });
    const end = new URL((await person().connect(request.redirectUrl, "Visitor")).url);
    assert.deepEqual(Object.fromEntries(end.searchParams), {
      step: "2", status: "success", connected_account_id: request.id, connectedAccountId: request.id, appName: "confluence",
    });
    const account = await request.waitForConnection(5000);
    assert.deepEqual([account.id, account.status, account.isDisabled, account.state.authScheme, account.state.val.status],
      [request.id, "ACTIVE", false, "OAUTH2", "ACTIVE"]);
    assert.equal(account.state.val.access_token, "REDACTED");
    assert.equal(await runsAs(session), "Visitor");
    const { connection } = (await session.toolkits()).items[0];
    assert.deepEqual([connection.isActive, connection.connectedAccount.id, connection.authConfig.id], [true, account.id, id]);

    await sdk.connectedAccounts.disable(account.id);
    assert.equal((await sdk.connectedAccounts.get(account.id)).isDisabled, true);
    assert.equal((await refusal(session.execute(ME, {}))).answer.code, 1803);
    await sdk.connectedAccounts.enable(account.id);
    assert.equal((await sdk.connectedAccounts.refresh(account.id)).status, "ACTIVE");
    assert.equal(await runsAs(session), "Visitor");
    await sdk.authConfigs.disable(id);
    assert.equal((await refusal(session.execute(ME, {}))).answer.code, 1803);
    await sdk.authConfigs.enable(id);
    await sdk.connectedAccounts.delete(account.id);
    await assert.rejects(sdk.connectedAccounts.get(account.id), /404|not found|no connected account/i);
  });

  test(`@composio/core ${name}: several accounts`, async () => {
    const sdk = consent.sdkOf(SDK);
    const id = await config(sdk);
    const ben = user("ben");
    const first = await sdk.connectedAccounts.link(ben, id, { callbackUrl: BACK, alias: "first" });
    const walker = person();
    assert.match((await walker.connect(first.redirectUrl, "Priya Nair", "cancel")).page, /app\.example\.com/);
    await walker.connect(first.redirectUrl, "Priya Nair");
    assert.equal((await first.waitForConnection(5000)).alias, "first");
    await assert.rejects(sdk.connectedAccounts.initiate(ben, id), { name: "ComposioMultipleConnectedAccountsError" });
    const second = await sdk.connectedAccounts.initiate(ben, id, { allowMultiple: true, callbackUrl: BACK });
    await person().connect(second.redirectUrl, "Visitor");
    await sdk.connectedAccounts.waitForConnection(second.id, 5000);
    const { items } = await sdk.connectedAccounts.list({ userIds: [ben], authConfigIds: [id], statuses: ["ACTIVE"] });
    assert.deepEqual(items.map((a) => a.id).sort(), [first.id, second.id].sort());

    const options = { toolkits: ["confluence"], authConfigs: { confluence: id } };
    assert.equal(await runsAs(await sdk.create(ben, options)), "Visitor");
    assert.equal(await runsAs(await sdk.create(ben, { ...options, connectedAccounts: { confluence: first.id } })), "Priya Nair");
    const asks = await sdk.create(ben, { ...options, multiAccount: { enable: true, requireExplicitSelection: true } });
    const { answer } = await refusal(asks.execute(ME, {}));
    assert.ok(JSON.stringify(answer).includes(first.id) && JSON.stringify(answer).includes(second.id));
    assert.equal(await runsAs(asks, { account: "first" }), "Priya Nair");
  });
}
