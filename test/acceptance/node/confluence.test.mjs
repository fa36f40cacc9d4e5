// confluence.js against the sandbox alone, with an API token.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { ConfluenceClient } from "confluence.js";

let child, home, client;

before(async () => {
  home = await mkdtemp(join(tmpdir(), "sluice-sandbox-"));
  child = spawn(process.env.SLUICE_BINARY, ["sandbox", "--addr", "127.0.0.1:0", "--json"], {
    env: { PATH: process.env.PATH, SLUICE_HOME: home }, stdio: ["ignore", "pipe", "inherit"],
  });
  let text = "";
  for await (const chunk of child.stdout.iterator({ destroyOnReturn: false })) {
    text += chunk;
    if (text.endsWith("}\n")) break;
  }
  const site = JSON.parse(text);
  client = new ConfluenceClient({ host: site.url, authentication: { basic: { email: site.email, apiToken: site.api_token } } });
});

after(async () => {
  child.kill("SIGTERM");
  await once(child, "exit");
  await rm(home, { recursive: true, force: true });
});

const body = (value) => ({ storage: { value, representation: "storage" } });

test("confluence.js: a page from its making to its end", async () => {
  const made = await client.content.createContent({ space: { key: "MKT" }, type: "page", title: "From Node", body: body("<p>1</p>") });
  const id = made.id;
  await client.content.updateContent({ id, type: "page", title: "From Node", version: { number: 2 }, body: body("<p>2</p>") });
  const got = await client.content.getContentById({ id, expand: ["body.storage", "version"] });
  assert.equal(got.body.storage.value, "<p>2</p>");
  assert.equal(got.version.number, 2);
  assert.equal((await client.content.getHistoryForContent({ id })).latest, true);
  await client.contentLabels.addLabelsToContent({ id, body: [{ prefix: "global", name: "green" }] });
  assert.deepEqual((await client.contentLabels.getLabelsForContent({ id })).results.map((l) => l.name), ["green"]);
  const found = await client.search.searchByCQL({ cql: 'space = MKT and title = "From Node"' });
  assert.deepEqual(found.results.map((r) => r.content.id), [id]);
  await client.content.deleteContent({ id });
  await assert.rejects(client.content.getContentById({ id: "1" }));
});

test("confluence.js: spaces, people, children", async () => {
  assert.ok((await client.space.getSpaces()).results.some((s) => s.key === "MKT"));
  assert.ok((await client.users.getCurrentUser()).accountId);
  const pages = await client.content.getContent({ spaceKey: "MKT", title: "Q3 Planning" });
  const children = await client.contentChildrenAndDescendants.getContentChildrenByType({ id: pages.results[0].id, type: "page" });
  assert.ok(children.results.some((p) => p.title === "Q3 Budget"));
});
