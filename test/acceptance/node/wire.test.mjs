// More of a session through the official SDKs, unmodified: requests of one's own
// wording and the session's files. The newest refuse file hosts on this machine, so
// the content goes there with the address that the API gives.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { Composio } from "@composio/core";
import { Composio as OlderComposio } from "composio-core-older";
import { startRouter } from "./router.mjs";

let router;
before(async () => { router = await startRouter(); });
after(() => router.stop());

for (const [name, SDK] of Object.entries({ "@composio/core 0.21": Composio, "@composio/core 0.19": OlderComposio })) {
  test(`${name}: proxy execute and files`, async () => {
    const composio = new SDK({ apiKey: router.key, baseURL: router.url, allowTracking: false, disableVersionCheck: true });
    const session = await composio.create("user_123", { toolkits: ["confluence"] });
    const answer = await session.proxyExecute({ toolkit: "confluence", endpoint: "/wiki/rest/api/user/current", method: "GET" });
    assert.equal(answer.status, 200);
    assert.equal(answer.data.displayName, "user_123");

    const path = `${router.url}/api/v3.1/tool_router/session/${session.sessionId}/mounts/files/upload_url`;
    const asked = await fetch(path, {
      method: "POST", headers: { "x-api-key": router.key, "content-type": "application/json" },
      body: JSON.stringify({ mount_relative_path: "reports/a.txt", mimetype: "text/plain" }),
    });
    assert.equal(asked.status, 201);
    assert.equal((await fetch((await asked.json()).upload_url, { method: "PUT", body: "hello" })).status, 200);
    const files = session.experimental.files;
    const { items } = await files.list();
    assert.equal(items.length, 1);
    await files.delete("reports/a.txt");
    assert.equal((await files.list()).items.length, 0);
  });
}
