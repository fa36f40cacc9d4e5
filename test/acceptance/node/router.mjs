// A running `sluice serve --sandbox` in a home of its own, on a free port.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { randomBytes } from "node:crypto";
import { createInterface } from "node:readline";

export async function startRouter(flags = ["--sandbox"], settings = {}, binary = process.env.SLUICE_BINARY) {
  if (!binary) throw new Error("SLUICE_BINARY is not set: run test/acceptance/run node");
  const home = await mkdtemp(join(tmpdir(), "sluice-node-"));
  const key = "ak_acceptance_" + randomBytes(16).toString("hex");
  const child = spawn(binary, ["serve", ...flags, "--log-level", "error"], {
    env: { PATH: process.env.PATH, SLUICE_HOME: home, SLUICE_API_KEY: key, SLUICE_ADDR: "127.0.0.1:0", ...settings },
    stdio: ["ignore", "pipe", "inherit"],
  });
  let url, sandbox;
  for await (const line of createInterface({ input: child.stdout })) {
    url ??= line.match(/listens on (\S+)/)?.[1];
    const [, at] = line.match(/Sandbox Confluence on (\S+)/) ?? [];
    if (at) sandbox = { url: at };
    const [, user, token] = line.match(/sign in as (\S+) with the API token (\S+)/) ?? [];
    if (user) Object.assign(sandbox, { user, token });
    if (line.includes("COMPOSIO_BASE_URL=")) break;
  }
  if (!url) throw new Error("the router did not start");
  return {
    url,
    key,
    sandbox, // {url, user, token}, where there is one
    async stop() {
      child.kill("SIGTERM");
      const [code] = await once(child, "exit");
      await rm(home, { recursive: true, force: true });
      if (code !== 0) throw new Error(`the router stopped with ${code}`);
    },
  };
}
