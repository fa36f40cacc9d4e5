// Every method of a client, called against a real router, with the operations of the API that it asked for and how they
// were answered. The methods are read from the client itself, so that none is forgotten. What was called is kept in
// test/acceptance/coverage, of which docs/compatibility.md is made; UPDATE=1 writes it anew.
import assert from "node:assert/strict";
import { AsyncLocalStorage } from "node:async_hooks";
import { readFile, writeFile } from "node:fs/promises";

const coverage = new URL("../coverage/", import.meta.url);
const listening = new AsyncLocalStorage();
const send = globalThis.fetch;
globalThis.fetch = async (input, init) => { // before any client is made, which may hold on to it
  const answer = await send(input, init);
  listening.getStore()?.(new Request(input, { method: init?.method }), answer.status);
  return answer;
};

const plain = new Set([Object, Array, Map, Set, Headers, Function]);

// methods gives the names of all methods of an object and of the objects that it is made of, but for those that
// skip names and those of classes that hidden names: "CLASS METHOD".
export function methods(object, { skip = () => false, hidden = new Set() } = {}, path = []) {
  const found = [], seen = new Set();
  for (let p = object; p && p !== Object.prototype; p = Object.getPrototypeOf(p)) {
    for (const name of Object.getOwnPropertyNames(p)) {
      const at = [...path, name].join(".");
      if (name === "constructor" || name.startsWith("_") || seen.has(name) || skip(at) || hidden.has(`${p.constructor.name} ${name}`) || hidden.has(`${object.constructor.name} ${name}`)) continue;
      seen.add(name);
      const value = object[name];
      if (typeof value === "function") {
        if (!Function.prototype.toString.call(value).startsWith("class ")) found.push(at);
      } else if (value && typeof value === "object" && !plain.has(value.constructor) && path.length < 3) {
        found.push(...methods(value, { skip, hidden }, [...path, name]));
      }
    }
  }
  return found;
}

export class Ledger {
  // refused are statuses by method, of calls that have no meaning here and are answered with what to do instead;
  // excused are reasons by method, of those that are not called.
  constructor(router, { refused = {}, excused = {} }) {
    Object.assign(this, { router, refused, excused, calls: {} });
  }

  async patterns() {
    const document = await (await send(`${this.router.url}/openapi.json`)).json();
    const newest = JSON.parse(await readFile(new URL("python-composio-client-newest.json", coverage)));
    const newer = Object.values(newest.calls).map((c) => c.operation.split(" ")[1]);
    this.known = [...new Set([...Object.keys(document.paths), ...newer])]
      .sort((a, b) => a.split("{").length - b.split("{").length)
      .map((path) => [path, new RegExp(`^${path.replace(/\{[^}]+\}/g, "[^/]+")}$`)]);
  }

  // call runs a method of the client by its name.
  async call(client, name, ...args) {
    if (!this.known) await this.patterns();
    const owner = name.split(".").slice(0, -1).reduce((o, part) => o[part], client);
    return this.run(name, () => owner[name.split(".").at(-1)](...args));
  }

  // run notes what a function asks for under the name of the method that it calls.
  async run(name, method) {
    if (!this.known) await this.patterns();
    const heard = (request, status) => this.heard(name, request, status);
    try {
      const answer = await listening.run(heard, method);
      this.calls[name] ??= [];
      return answer;
    } catch (e) {
      let told = e;
      while (told && !told.status && told.cause) told = told.cause;
      if (!this.refused[name] || told?.status !== this.refused[name]) throw e;
      const said = told.error?.error ?? told.error;
      assert.ok(said?.message && said?.suggested_fix, `${name}: a refusal says why, and what to do`);
    }
  }

  heard(name, request, status) {
    const { origin, pathname } = new URL(request.url);
    if (origin !== this.router.url || !pathname.startsWith("/api/")) return; // a file's content
    const at = this.known.find(([, pattern]) => pattern.test(pathname.replace(/\/{2,}/g, "/")))?.[0] ?? pathname;
    const noted = { operation: `${request.method} ${at}`, result: status < 300 ? "answered" : `refused (${status})` };
    const all = (this.calls[name] ??= []);
    if (!all.some((c) => c.operation === noted.operation && c.result === noted.result)) all.push(noted);
  }

  // keep holds what was called against all the methods that there are, and against what is kept.
  async keep(name, version, all, file) {
    assert.deepEqual(Object.keys({ ...this.calls, ...this.excused }).sort(), [...new Set(all)].sort());
    const wrong = Object.entries(this.calls).filter(([n, all]) => all.some((c) => c.result !== "answered") && !this.refused[n]);
    assert.deepEqual(wrong, [], "refused, and not expected to be");
    const calls = {}, excused = {};
    for (const [method, asked] of Object.entries(this.calls).sort(byName)) {
      if (asked.length) calls[method] = asked.length === 1 ? asked[0] : asked;
      else excused[method] = "asks the server nothing";
    }
    Object.assign(excused, this.excused);
    const kept = { client: name, version, complete: true, calls, excused: Object.fromEntries(Object.entries(excused).sort(byName)) };
    const at = new URL(file, coverage), text = JSON.stringify(kept, null, 2) + "\n";
    if (process.env.UPDATE) await writeFile(at, text);
    assert.equal(await readFile(at, "utf8"), text, "what was called is not what is kept: run with UPDATE=1 and look at the difference");
  }
}

const byName = ([a], [b]) => (a < b ? -1 : 1);
