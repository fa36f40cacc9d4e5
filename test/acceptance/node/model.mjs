// The scripted model of the Python tests, as a process of its own.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

export async function startModel() {
  const program = fileURLToPath(new URL("../python/model_server.py", import.meta.url));
  const child = spawn("python3", ["-B", program], { env: { PATH: process.env.PATH }, stdio: ["pipe", "pipe", "inherit"] });
  const lines = createInterface({ input: child.stdout });
  const { value: url } = await lines[Symbol.asyncIterator]().next();
  if (!url) throw new Error("the model did not start");
  return {
    url,
    did: async () => (await fetch(url)).json(), // {answers, calls}
    async stop() {
      child.stdin.end();
      await once(child, "exit");
    },
  };
}
