// The person who connects an account: a browser without scripts, and a site of Confluence to consent on.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createServer } from "node:net";

export async function freePort() {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address();
  server.close();
  await once(server, "close");
  return port;
}

// A running `sluice sandbox` that lets an app return to the router.
export async function startSite(port, redirect) {
  const child = spawn(process.env.SLUICE_BINARY, ["sandbox", "--addr", `127.0.0.1:${port}`, "--oauth-redirect", redirect, "--json"], {
    env: { PATH: process.env.PATH }, stdio: ["ignore", "pipe", "inherit"],
  });
  let text = "";
  for await (const chunk of child.stdout.iterator({ destroyOnReturn: false })) {
    text += chunk;
    if (text.endsWith("}\n")) break;
  }
  if (!text) throw new Error("the sandbox did not start");
  return { ...JSON.parse(text), async stop() { child.kill("SIGTERM"); await once(child, "exit"); } };
}

const plain = (s) => s.replace(/&(amp|#34|#43|quot|lt|gt);/g, (_, n) => ({ amp: "&", "#34": '"', "#43": "+", quot: '"', lt: "<", gt: ">" })[n]);
const attribute = (tag, name) => plain(tag.match(new RegExp(`\\b${name}="([^"]*)"`))?.[1] ?? "");

// What a browser would send of a page's form untouched, with what the person chose.
function fill(page, given) {
  const form = new URLSearchParams();
  for (const [tag] of page.matchAll(/<input\b[^>]*>/g)) {
    if (!/type="(checkbox|radio)"/.test(tag) || /\bchecked\b/.test(tag)) form.append(attribute(tag, "name"), attribute(tag, "value"));
  }
  for (const [list, name] of page.matchAll(/<select\b[^>]*\bname="([^"]*)"[^>]*>.*?<\/select>/gs)) {
    const options = [...list.matchAll(/(<option\b[^>]*>)([^<]*)/g)].map(([, tag, text]) => [text, attribute(tag, "value")]);
    form.append(name, (options.find(([text]) => text === given[name]) ?? options[0])[1]);
  }
  for (const [name, value] of Object.entries(given)) if (name !== "account") form.set(name, value);
  return form;
}

// A browser with cookies, that follows pages and redirects, but not to the application's own pages.
export class Person {
  #cookies = new Map();
  constructor(...hosts) { this.hosts = hosts.map((h) => new URL(h).host); }

  async go(url, body) {
    for (let i = 0; i < 10; i++) {
      const { host } = new URL(url);
      if (!this.hosts.includes(host)) return { url };
      const jar = this.#cookies.get(host) ?? new Map();
      this.#cookies.set(host, jar);
      const answer = await fetch(url, {
        method: body ? "POST" : "GET", body, redirect: "manual", headers: { cookie: [...jar].map(([n, v]) => `${n}=${v}`).join("; ") },
      });
      for (const line of answer.headers.getSetCookie()) {
        const [, name, value] = line.match(/^([^=]+)=([^;]*)/);
        jar.set(name, value);
      }
      const page = await answer.text();
      const to = answer.headers.get("location") ?? (page.match(/http-equiv="refresh" content="0; url=([^"]+)"/)?.[1] && plain(page.match(/http-equiv="refresh" content="0; url=([^"]+)"/)[1]));
      if (!to) return { url, page, status: answer.status };
      [url, body] = [new URL(to, url).href, undefined];
    }
    throw new Error(`too many redirects, the last to ${url}`);
  }

  submit({ url, page }, given) {
    const action = attribute(page.match(/<form\b[^>]*>/)[0], "action");
    return this.go(new URL(action || url, url).href, fill(page, given));
  }

  // Walks from a connect link over the consent of an account of the site to the end.
  async connect(link, account, decision = "accept") {
    const consent = await this.submit(await this.go(link), { "field-subdomain": "sandbox" });
    if (!consent.page?.includes("asks for access")) throw new Error(`no consent page: ${consent.url} ${consent.page}`);
    return this.submit(consent, { account, decision });
  }
}
