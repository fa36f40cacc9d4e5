// The official MCP clients, both generations, at a session's URL.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import * as modern from "@modelcontextprotocol/client";
import { Client as LegacyClient } from "@modelcontextprotocol/sdk/client/index.js";
import { StreamableHTTPClientTransport as LegacyTransport } from "@modelcontextprotocol/sdk/client/streamableHttp.js";
import { startRouter } from "./router.mjs";

let router, url;

before(async () => {
  router = await startRouter();
  const answer = await fetch(`${router.url}/api/v3.1/tool_router/session`, {
    method: "POST",
    headers: { "x-api-key": router.key, "content-type": "application/json" },
    body: JSON.stringify({ user_id: "node", toolkits: { enable: ["confluence"] }, preload: { tools: ["CONFLUENCE_GET_SPACES"] } }),
  });
  assert.equal(answer.status, 201);
  url = (await answer.json()).mcp.url;
});

after(() => router.stop());

const generations = {
  "client 2.x": [modern.Client, modern.StreamableHTTPClientTransport],
  "sdk 1.x": [LegacyClient, LegacyTransport],
};

for (const [name, [Client, Transport]] of Object.entries(generations)) {
  const connect = async (headers) => {
    const client = new Client({ name: "acceptance", version: "1" });
    await client.connect(new Transport(new URL(url), { requestInit: { headers } }));
    return client;
  };

  test(`${name}: lists and calls tools`, async () => {
    const client = await connect({ "x-api-key": router.key });
    const { tools } = await client.listTools();
    assert.deepEqual(tools.map((t) => t.name), [
      "COMPOSIO_SEARCH_TOOLS", "COMPOSIO_GET_TOOL_SCHEMAS", "COMPOSIO_MANAGE_CONNECTIONS", "COMPOSIO_MULTI_EXECUTE_TOOL", "CONFLUENCE_GET_SPACES",
    ]);
    assert.equal(tools.at(-1).annotations.readOnlyHint, true);

    const spaces = JSON.parse((await client.callTool({ name: "CONFLUENCE_GET_SPACES", arguments: { limit: 100 } })).content[0].text);
    const marketing = spaces.data.results.find((s) => s.name === "Marketing");
    assert.equal(spaces.successful, true);

    const create = { title: `From Node ${name}`, spaceId: marketing.key, body: { storage: { value: "<p>Hello</p>", representation: "storage" } } };
    const made = await client.callTool({
      name: "COMPOSIO_MULTI_EXECUTE_TOOL",
      arguments: { tools: [{ tool_slug: "CONFLUENCE_CREATE_PAGE", arguments: create }], sync_response_to_workbench: false },
    });
    const page = JSON.parse(made.content[0].text).data.results[0].response.data;
    assert.equal(page.title, create.title);
    assert.equal(page.spaceId, marketing.id);
    await client.close();
  });

  test(`${name}: a failing tool is an answer, an unknown one an error`, async () => {
    const client = await connect({ authorization: `Bearer ${router.key}` });
    const failed = await client.callTool({ name: "CONFLUENCE_GET_PAGE_BY_ID", arguments: { id: "1" } });
    assert.equal(failed.isError, true);
    assert.match(failed.content[0].text, /CONFLUENCE_SEARCH_CONTENT/);
    const wrong = await client.callTool({ name: "CONFLUENCE_GET_SPACES", arguments: { limit: "many" } });
    assert.equal(wrong.isError, true);
    assert.match(wrong.content[0].text, /limit/);
    await assert.rejects(client.callTool({ name: "NO_SUCH_TOOL", arguments: {} }), /NO_SUCH_TOOL/);
    await client.close();
  });

  test(`${name}: without a key nothing is told`, async () => {
    await assert.rejects(connect({}), /401|x-api-key|nauthorized/);
    await assert.rejects(connect({ "x-api-key": "ak_wrong" }), /401|valid|nauthorized/);
  });
}
