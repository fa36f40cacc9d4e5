// The official Composio SDKs, the newest and an older one, unmodified.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { Composio } from "@composio/core";
import { Composio as OlderComposio } from "composio-core-older";
import { startRouter } from "./router.mjs";

let router;
before(async () => { router = await startRouter(); });
after(() => router.stop());

for (const [name, SDK] of Object.entries({ "@composio/core 0.21": Composio, "@composio/core 0.19": OlderComposio })) {
  const sdk = () => new SDK({ apiKey: router.key, baseURL: router.url, allowTracking: false, disableVersionCheck: true });

  test(`${name}: session, tools, execute`, async () => {
    const session = await sdk().create("user_123", { toolkits: ["confluence"] });
    assert.equal(session.mcp.url, `${router.url}/tool_router/${session.sessionId}/mcp`);

    const tools = await session.tools();
    assert.deepEqual(tools.map((t) => t.function.name).sort(), [
      "COMPOSIO_GET_TOOL_SCHEMAS", "COMPOSIO_MANAGE_CONNECTIONS", "COMPOSIO_MULTI_EXECUTE_TOOL", "COMPOSIO_SEARCH_TOOLS",
    ]);

    const me = await session.execute("CONFLUENCE_GET_CURRENT_USER", {});
    assert.equal(me.error, null);
    assert.equal(me.data.displayName, "user_123");

    const found = await session.search({ query: "add a label to a page" });
    assert.equal(found.results[0].primaryToolSlugs[0], "CONFLUENCE_ADD_CONTENT_LABEL");

    const { items } = await session.toolkits();
    assert.equal(items.find((t) => t.slug === "confluence").connection.isActive, true);
  });

  test(`${name}: a tool by itself`, async () => {
    const composio = sdk();
    const [tool] = await composio.tools.getRawComposioTools({ tools: ["CONFLUENCE_GET_SPACES"] });
    assert.equal(tool.slug, "CONFLUENCE_GET_SPACES");
    const done = await composio.tools.execute("CONFLUENCE_GET_SPACES", { userId: "user_123", version: tool.version, arguments: { limit: 2 } });
    assert.equal(done.successful, true);
    assert.equal(done.data.results.length, 2);
    await assert.rejects(composio.tools.getRawComposioToolBySlug("CONFLUENCE_NO_SUCH_TOOL"), /CONFLUENCE_NO_SUCH_TOOL|not found/i);
  });

  test(`${name}: a connect link`, async () => {
    const session = await sdk().create("somebody", { toolkits: ["confluence"] });
    const request = await session.authorize("confluence");
    assert.match(request.redirectUrl, new RegExp(`^${router.url}/link/lt_`));
    const page = await fetch(request.redirectUrl);
    assert.equal(page.status, 200);
    assert.match(await page.text(), /Confluence/);
  });
}
