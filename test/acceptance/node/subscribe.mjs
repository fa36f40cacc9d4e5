// Runs in test/acceptance/namespace: an official SDK's own triggers.subscribe, unmodified, against a router on port 443.
import assert from "node:assert/strict";
import { Inbox, LONG, SHORT, TYPE, startQuickRouter } from "./watching.mjs";

const { Composio } = await import(process.argv[2]);
const { SLUICE_ADDR, SLUICE_TLS_CERT, SLUICE_TLS_KEY } = process.env;
const router = await startQuickRouter({ SLUICE_ADDR, SLUICE_TLS_CERT, SLUICE_TLS_KEY });
try {
  const { triggers } = new Composio({ apiKey: router.key, baseURL: router.url, allowTracking: false, disableVersionCheck: true });
  const inbox = new Inbox();
  await triggers.subscribe((event) => inbox.put(event), { triggerSlug: [TYPE], userId: "ann" });
  // It says when it has asked, not when it is subscribed: comments are made until one is told.
  let told;
  for (let i = 0; i < 60 && !told; i++) {
    await router.comment(SHORT);
    told = await inbox.next("", 2000).catch(() => undefined);
  }
  assert.equal(told?.payload.change.comment.body.storage.value, SHORT);
  assert.equal(told.triggerSlug, TYPE);
  assert.equal(told.toolkitSlug, "confluence");
  assert.equal(told.id, router.trigger);
  assert.equal(told.userId, "ann");
  await router.comment(LONG);
  do told = await inbox.next("the long comment"); while (told.payload.change.comment.body.storage.value === SHORT);
  assert.equal(told.payload.change.comment.body.storage.value, LONG);
  await triggers.unsubscribe();
} finally {
  await router.stop();
}
process.exit(0); // its socket would stay
