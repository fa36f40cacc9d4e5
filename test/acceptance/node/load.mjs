// One application that uses the SDK until its time is over: bench/load runs several
// of them beside one router.
//
// load.mjs URL KEY USER says that it is ready, takes for how many seconds to work from
// its standard input, and says how many rounds it made, as JSON. It fails at the first
// thing that is wrong.
import assert from "node:assert/strict";
import { createInterface } from "node:readline/promises";
import { Composio } from "@composio/core";

const ME = "CONFLUENCE_GET_CURRENT_USER";
const SPACES = "CONFLUENCE_GET_SPACES";

async function turn(sdk, user) {
  const session = await sdk.create(user, { toolkits: ["confluence"] });
  assert.ok((await session.tools()).length >= 4);
  assert.equal((await session.toolkits()).items[0].slug, "confluence");
  const me = await session.execute(ME, {});
  assert.equal(me.error, null);
  assert.equal(me.data.displayName, user);
  const spaces = await session.execute(SPACES, { limit: 2 });
  assert.equal(spaces.data.results.length, 2);
  assert.ok((await session.search({ query: "add a label to a page" })).results.length);
  const [tool] = await sdk.tools.getRawComposioTools({ tools: [SPACES] });
  const done = await sdk.tools.execute(SPACES, { userId: user, version: tool.version, arguments: { limit: 1 } });
  assert.equal(done.successful, true);
}

const [url, key, user] = process.argv.slice(2);
const sdk = new Composio({ apiKey: key, baseURL: url, allowTracking: false, disableVersionCheck: true });
console.log("ready");
const input = createInterface({ input: process.stdin });
const { value: seconds } = await input[Symbol.asyncIterator]().next();
input.close();
const end = performance.now() + 1000 * Number(seconds);
let turns = 0;
do {
  await turn(sdk, user);
  turns++;
} while (performance.now() < end);
console.log(JSON.stringify({ turns }));
