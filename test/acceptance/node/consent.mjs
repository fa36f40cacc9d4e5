// A router without the sandbox, and a Confluence that is a process of its own, where people consent.
import { Composio } from "@composio/core";
import { Person, freePort, startSite } from "./person.mjs";
import { startRouter } from "./router.mjs";

// The address of the application that a person comes back to.
export const BACK = "https://app.example.com/back?step=2";

export async function startConsent(settings) {
  const router = await startRouter([], { SLUICE_UPSTREAM_ALLOW: "127.0.0.0/8", ...settings });
  const sdkOf = (SDK, provider) => new SDK({ apiKey: router.key, baseURL: router.url, allowTracking: false, disableVersionCheck: true, provider });
  const port = await freePort(); // nothing answers there yet: the app is registered with what the auth config says
  const at = `http://127.0.0.1:${port}`;
  const endpoints = { authorization_url: `${at}/authorize`, token_url: `${at}/oauth/token`, api_url: at };
  const sdk = sdkOf(Composio);
  const app = (credentials, name, by = sdk) => by.authConfigs.create("confluence", {
    type: "use_custom_auth", authScheme: "OAUTH2", name, credentials: { ...endpoints, ...credentials },
  });
  const first = await app({ client_id: "later", client_secret: "later" }, "first");
  const { credentials } = await sdk.authConfigs.get(first.id);
  await sdk.authConfigs.delete(first.id);
  const site = await startSite(port, credentials.oauth_redirect_uri);
  const own = { client_id: site.client_id, client_secret: site.client_secret };
  const { id: config } = await app(own, "team");
  const person = () => new Person(router.url, site.url);
  return {
    router, site, config, own, endpoints, sdkOf, app, person,
    // Connects a user to the site as one of its people.
    async connected(user, account = "Visitor", by = sdk) {
      const request = await by.connectedAccounts.link(user, config, { callbackUrl: BACK });
      await person().connect(request.redirectUrl, account);
      return request.waitForConnection(5000);
    },
    async stop() { await site.stop(); await router.stop(); },
  };
}
