// The official SDKs verify what a real router posts: every version of the body, and nothing that was tampered with.
import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:http";
import { after, before, test } from "node:test";
import { Composio } from "@composio/core";
import { Composio as OlderComposio } from "composio-core-older";
import { startRouter } from "./router.mjs";

const TYPE = "CONFLUENCE_PAGE_CREATED_TRIGGER";
let router, endpoint, subscription;
const arrived = [];

async function send(method, path, body) {
  const answer = await fetch(`${router.url}/api/v3.1${path}`, {
    method, body: JSON.stringify(body), headers: { "x-api-key": router.key, "content-type": "application/json" },
  });
  assert.ok(answer.ok, `${method} ${path}: ${answer.status}`);
  return answer.json();
}

async function next() {
  if (!arrived.length) await once(endpoint, "arrived", { signal: AbortSignal.timeout(120_000) });
  return arrived.shift();
}

before(async () => {
  router = await startRouter(["--sandbox"], { SLUICE_UPSTREAM_ALLOW: "127.0.0.0/8" });
  endpoint = createServer(async (request, response) => {
    let body = "";
    for await (const part of request) body += part;
    arrived.push({ header: request.headers, body });
    response.writeHead(204).end();
    endpoint.emit("arrived");
  });
  endpoint.listen(0, "127.0.0.1");
  await once(endpoint, "listening");
  subscription = await send("POST", "/webhook_subscriptions", {
    webhook_url: `http://127.0.0.1:${endpoint.address().port}/hooks`, enabled_events: ["composio.trigger.message"], version: "V3",
  });
});
after(async () => { endpoint?.close(); endpoint?.closeAllConnections(); await router?.stop(); });

for (const [name, SDK] of Object.entries({ "0.21": Composio, "0.19": OlderComposio })) {
  for (const version of ["V1", "V2", "V3"]) {
    test(`@composio/core ${name}: verifying version ${version}`, async () => {
      const { triggers } = new SDK({ apiKey: router.key, baseURL: router.url, allowTracking: false, disableVersionCheck: true });
      await send("PATCH", `/webhook_subscriptions/${subscription.id}`, { version });
      const event = await send("POST", "/sluice/triggers/test", { trigger: TYPE, user_id: "ann" });
      const { header, body } = await next();
      assert.equal(header["webhook-id"], event.message_id);
      assert.equal(header["x-composio-webhook-version"], version);
      const said = JSON.parse(body);
      assert.equal(version === "V3" ? said.metadata.test : said.test, true);
      const given = {
        id: header["webhook-id"], payload: body, secret: subscription.secret,
        signature: header["webhook-signature"], timestamp: header["webhook-timestamp"],
      };
      const verified = await triggers.verifyWebhook(given);
      assert.equal(verified.version, version);
      assert.equal(verified.payload.triggerSlug.toUpperCase(), TYPE);
      for (const wrong of [
        { payload: body.replace("Q3 Planning", "Q4 Planning") }, { secret: `${subscription.secret}x` }, { id: "msg_another" },
        { signature: `v1,${Buffer.alloc(32).toString("base64")}` }, { timestamp: "1" },
      ]) {
        await assert.rejects(async () => triggers.verifyWebhook({ ...given, ...wrong }));
      }
    });
  }
}
