// Agent frameworks work in Confluence with a session's tools, through the SDK's providers:
// the Vercel AI SDK and LangChain. The model is scripted; it searches, executes what it
// found and answers. What it did is looked up on the site and in the framework's transcript.
import assert from "node:assert/strict";
import { afterEach, beforeEach, test } from "node:test";
import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import { Composio } from "@composio/core";
import { LangchainProvider } from "@composio/langchain";
import { VercelProvider } from "@composio/vercel";
import { createReactAgent } from "@langchain/langgraph/prebuilt";
import { ChatOpenAI } from "@langchain/openai";
import { generateText, isStepCount, streamText } from "ai";
import { left, watch } from "./loopback.mjs";
import { startModel } from "./model.mjs";
import { startRouter } from "./router.mjs";

Object.assign(process.env, { LANGSMITH_TRACING: "false", LANGCHAIN_TRACING_V2: "false", TELEMETRY_DISABLED: "true", DO_NOT_TRACK: "1" });
watch();

const TASK = "Create a project documentation page in marketing space";
const TITLE = "Project documentation";
const STEPS = ["COMPOSIO_SEARCH_TOOLS", "COMPOSIO_MULTI_EXECUTE_TOOL", "COMPOSIO_MULTI_EXECUTE_TOOL"];
let router, model;

beforeEach(async () => {
  [router, model] = await Promise.all([startRouter(), startModel()]);
  assert.deepEqual(await pages(), []);
});
afterEach(async () => {
  await model?.stop();
  await router?.stop();
  assert.deepEqual(left, []);
});

async function toolsOf(provider) {
  const sdk = new Composio({ apiKey: router.key, baseURL: router.url, provider, allowTracking: false, disableVersionCheck: true });
  return (await sdk.create("user_123", { toolkits: ["confluence"] })).tools();
}

// The pages of the site with the title that the task asks for.
async function pages() {
  const { url, user, token } = router.sandbox;
  const query = new URLSearchParams({ title: TITLE, expand: "space,version,body.storage" });
  const answer = await fetch(`${url}/wiki/rest/api/content?${query}`, { headers: { authorization: `Basic ${btoa(`${user}:${token}`)}` } });
  assert.equal(answer.status, 200);
  return (await answer.json()).results;
}

// The work was done, once, and the framework saw what came of each step.
async function proves(answer, results) {
  const found = await pages();
  assert.equal(found.length, 1);
  const [page] = found;
  assert.deepEqual([page.space.name, page.version.number], ["Marketing", 1]);
  assert.match(page.body.storage.value, /Goals, owners and links/);
  const { answers, calls } = await model.did();
  assert.deepEqual(calls.map(([name]) => name), STEPS);
  assert.deepEqual(answers, [answer]);
  assert.ok(answer.startsWith(`I created the page "${TITLE}": http`), answer);

  const [tools, spaces, made] = results.map((r) => (typeof r === "string" ? JSON.parse(r) : r));
  assert.equal(results.length, STEPS.length);
  assert.ok([tools, spaces, made].every((r) => r.error == null));
  assert.ok(tools.data.results[1].primary_tool_slugs.includes("CONFLUENCE_CREATE_PAGE"));
  assert.ok(spaces.data.results[0].response.data.results.some((s) => s.name === "Marketing"));
  assert.equal(made.data.results[0].response.data.id, page.id);
}

const vercelModel = () => createOpenAICompatible({ name: "scripted", baseURL: model.url, apiKey: "sk-scripted" })("scripted");

test("Vercel AI SDK: generateText", async () => {
  const tools = await toolsOf(new VercelProvider());
  const done = await generateText({ model: vercelModel(), tools, prompt: TASK, stopWhen: isStepCount(8), maxRetries: 0 });
  await proves(done.text, done.steps.flatMap((s) => s.toolResults.map((r) => r.output)));
});

test("Vercel AI SDK: streamText", async () => {
  const tools = await toolsOf(new VercelProvider());
  const stream = streamText({ model: vercelModel(), tools, prompt: TASK, stopWhen: isStepCount(8), maxRetries: 0 });
  let text = "";
  for await (const piece of stream.textStream) text += piece;
  await proves(text, (await stream.steps).flatMap((s) => s.toolResults.map((r) => r.output)));
});

test("LangChain: an agent of LangGraph", async () => { // whole answers: of streamed ones it counts tokens with a table from elsewhere
  const tools = await toolsOf(new LangchainProvider());
  const llm = new ChatOpenAI({ model: "scripted", apiKey: "sk-scripted", maxRetries: 0, configuration: { baseURL: model.url } });
  const { messages } = await createReactAgent({ llm, tools }).invoke({ messages: [{ role: "user", content: TASK }] });
  await proves(messages.at(-1).text, messages.filter((m) => m.getType() === "tool").map((m) => m.content));
});
