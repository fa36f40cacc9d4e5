// Events while they happen: pusher-js led here by its wsHost, and the official SDKs, which can be told no host, led here
// by name and certificate in a namespace of their own.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import Pusher from "pusher-js";
import { Inbox, LONG, SHORT, TYPE, startQuickRouter } from "./watching.mjs";

let router, credentials;
before(async () => {
  router = await startQuickRouter();
  const answer = await fetch(`${router.url}/api/v3/internal/sdk/realtime/credentials`, { headers: { "x-api-key": router.key } });
  credentials = await answer.json();
});
after(() => router?.stop());

function connect(key = router.key) {
  const { hostname, port } = new URL(router.url);
  return new Pusher(credentials.pusher_key, {
    cluster: credentials.pusher_cluster, wsHost: hostname, wsPort: Number(port), forceTLS: false, enabledTransports: ["ws"],
    channelAuthorization: { endpoint: `${router.url}/api/v3/internal/sdk/realtime/auth`, headers: { "x-api-key": key }, transport: "ajax" },
  });
}

test("pusher-js: an event of a trigger, whole and in pieces", async () => {
  const pusher = connect(), inbox = new Inbox(), state = new Inbox();
  try {
    const channel = pusher.subscribe(`private-${credentials.project_id}_triggers`);
    channel.bind("pusher:subscription_succeeded", () => state.put("subscribed"));
    channel.bind("pusher:subscription_error", (e) => state.put(e));
    channel.bind("trigger_to_client", (data) => inbox.put(data));
    channel.bind("chunked-trigger_to_client", (data) => inbox.put(data));
    assert.equal(await state.next("the subscription"), "subscribed");

    await router.comment(SHORT);
    const whole = await inbox.next("the short comment");
    assert.equal(whole.payload.change.comment.body.storage.value, SHORT);
    assert.deepEqual(whole.originalPayload, whole.payload);
    assert.equal(whole.appName, "confluence");
    assert.equal(whole.metadata.nanoId, router.trigger);
    assert.equal(whole.metadata.triggerName, TYPE);
    assert.equal(whole.metadata.connection.clientUniqueUserId, "ann");
    assert.equal(whole.metadata.connection.status, "ACTIVE");

    await router.comment(LONG);
    const pieces = [];
    do pieces.push(await inbox.next("a piece of the long comment")); while (!pieces.at(-1).final);
    assert.ok(pieces.length > 1);
    assert.deepEqual(pieces.map((p) => p.index), pieces.map((_, i) => i));
    assert.equal(JSON.parse(pieces.map((p) => p.chunk).join("")).payload.change.comment.body.storage.value, LONG);

    pusher.send_event("client-hello", {}, channel.name);
    pusher.connection.bind("error", (e) => state.put(e));
    assert.equal((await state.next("the refusal of a client's event")).data.code, 4301);
  } finally {
    pusher.disconnect();
  }
});

test("pusher-js: a channel of another project, a wrong key", async () => {
  for (const [key, name] of [[router.key, "private-pr_another_triggers"], ["ak_wrong", `private-${credentials.project_id}_triggers`]]) {
    const pusher = connect(key), state = new Inbox();
    try {
      const channel = pusher.subscribe(name);
      channel.bind("pusher:subscription_succeeded", () => state.put("subscribed"));
      channel.bind("pusher:subscription_error", (e) => state.put(e.status));
      assert.equal(await state.next("the refusal"), key === router.key ? 403 : 401);
    } finally {
      pusher.disconnect();
    }
  }
});

for (const sdk of ["@composio/core", "composio-core-older"]) {
  test(`${sdk}: triggers.subscribe, led here by name and certificate`, async (t) => {
    const local = (name) => fileURLToPath(new URL(name, import.meta.url));
    const child = spawn(local("../namespace"), [process.execPath, local("subscribe.mjs"), sdk], { stdio: ["ignore", "inherit", "inherit"] });
    const [code] = await once(child, "exit");
    if (code === 77 && (process.env.CI !== "true" || process.env.SLUICE_NO_NAMESPACES === "1")) return t.skip("no namespaces here");
    assert.equal(code, 0, code === 77 ? "no namespaces here: SLUICE_NO_NAMESPACES=1 leaves this out where there can be none" : undefined);
  });
}
