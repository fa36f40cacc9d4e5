// What the realtime tests do at a quick router: a trigger on a page's comments, and comments long and short.
import assert from "node:assert/strict";
import { startRouter } from "./router.mjs";

export const TYPE = "CONFLUENCE_FOOTER_COMMENT_ADDED_TRIGGER";
export const SHORT = "<p>Short</p>";
export const LONG = `<p>${"A long comment, which Pusher's protocol cuts. ".repeat(500)}</p>`;

export async function startQuickRouter(settings) {
  const router = await startRouter([], settings, process.env.SLUICE_QUICK_BINARY);
  const send = async (method, path, body) => {
    const answer = await fetch(`${router.url}/api/v3.1${path}`, {
      method, body: body && JSON.stringify(body), headers: { "x-api-key": router.key, "content-type": "application/json" },
    });
    assert.ok(answer.ok, `${method} ${path}: ${answer.status}`);
    return answer.json();
  };
  const run = async (tool, args) => {
    const done = await send("POST", `/tools/execute/${tool}`, { user_id: "ann", arguments: args, version: "latest" });
    assert.equal(done.successful, true, done.error);
    return done.data;
  };
  const page = await run("CONFLUENCE_CREATE_PAGE", { title: "Watched", spaceId: "MKT", body: { storage: { value: "<p>x</p>", representation: "storage" } } });
  const trigger = (await send("POST", `/trigger_instances/${TYPE}/upsert`, { user_id: "ann", trigger_config: { pageId: page.id } })).trigger_id;
  const comment = (value) => run("CONFLUENCE_CREATE_FOOTER_COMMENT", { pageId: page.id, body: { storage: { value, representation: "storage" } } });
  return { ...router, send, trigger, comment };
}

// A list that can be waited on.
export class Inbox {
  #items = [];
  #wake = () => {};
  put(item) { this.#items.push(item); this.#wake(); }
  async next(what, ms = 120_000) {
    const late = Date.now() + ms;
    while (!this.#items.length) {
      if (Date.now() > late) throw new Error(`${what} does not come`);
      await new Promise((resolve) => { const t = setTimeout(resolve, 1000); this.#wake = () => { clearTimeout(t); resolve(); }; });
    }
    return this.#items.shift();
  }
}
