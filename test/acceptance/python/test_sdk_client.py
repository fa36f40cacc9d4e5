"""The generated client that the newest SDK needs, and the newest one where the SDK is not there: every method, under
strict response validation."""

import importlib.util

import composio_client
import pytest
from composio_client import AutoAuth, Composio
from composio_client._operations import OPERATIONS_BY_CHAIN
from generated import ME, SPACES, Recorder, every_call
from person import Person, Site, free_port

# Answered with an error that says what to do instead. What is 403 has no meaning on one's own server; what is 404
# or 405 is not offered.
REFUSED = {
    "cli.create_session": 403, "cli.get_session": 403,
    "org.clanker.create_claim": 403,
    # They insist on a key of a user, and there is none.
    "org.consumer.project.resolve": 401, "org.consumer.list_connected_toolkits": 401, "cli.create_codact_failure": 401,
    "connected_accounts.complete_auth": 405, "custom.delete_toolkit": 404, "custom.sync": 404, "custom.upsert": 404,
    "keyring.list_transfer_keys": 404, "session_configs.list": 404, "session_configs.retrieve": 404,
    "toolkits.recommend_scopes": 404, "toolkits.retrieve_scopes_grant_context": 404,
}
LEDGER = "python-composio-client-" + ("sdk.json" if importlib.util.find_spec("composio") else "newest.json")


@pytest.fixture
def site(tmp_path):
    """Makes a site of Confluence that lets an app return to the router."""
    made = []

    def make(port, redirect):
        made.append(Site(tmp_path / "site", port, redirect))
        return made[0]

    yield make
    for s in made:
        s.stop()


def test_every_method(thinking, site):
    auth = AutoAuth(project=thinking.key, organization=thinking.operator)
    r = Recorder(thinking, lambda **how: Composio(auth=auth, **how), REFUSED, {o.path for o in OPERATIONS_BY_CHAIN.values()})
    every_call(r)
    project(r.call)
    logs(r.call)
    webhooks(r.call)
    rest(r.call)
    consented(r, site)
    servers_by_instance(r.call)
    unknown(r.call)
    assert r.call("api_key_revocation.create", api_keys=["ak_of_nobody"])
    r.keep("composio-client (Python)", composio_client.__version__, LEDGER)


def consented(r, site):
    """An account that its person connected at a site of its own, and whose grant can be revoked there."""
    port = free_port()
    at = f"http://127.0.0.1:{port}"
    endpoints = {"authorization_url": at + "/authorize", "token_url": at + "/oauth/token", "api_url": at}
    config = r.client.auth_configs.create(toolkit={"slug": "confluence"}, auth_config={
        "type": "use_custom_auth", "auth_scheme": "OAUTH2", "credentials": endpoints | {"client_id": "later", "client_secret": "later"},
    }).auth_config.id
    where = site(port, r.client.auth_configs.retrieve(config).credentials["oauth_redirect_uri"])
    credentials = {"client_id": where.client_id, "client_secret": where.client_secret}
    r.client.auth_configs.update(config, type="custom", credentials=credentials)
    link = r.client.link.create(auth_config_id=config, user_id="hal")
    _, page = Person(r.router.url, where.url).connect(link.redirect_url, "Visitor", subdomain="sandbox")
    assert "Confluence is connected" in page.text, page.text
    r.call("connected_accounts.revoke", link.connected_account_id)


def project(call):
    """Projects, organisations and usage."""
    known = call("auth.session.retrieve_info").project
    of_user = {"x_user_api_key": "uak_jane", "x_org_id": "any"}
    call("org.list")
    call("org.project.list")
    assert known.nano_id in {p.id for p in call("org.owner.project.list").data}
    made = call("org.owner.project.create", name="another", should_create_api_key=True)
    call("org.owner.project.retrieve", made.id)
    assert call("org.owner.project.regenerate_api_key", made.id).api_key != made.api_key
    call("org.owner.project.delete", made.id)
    call("org.consumer.list_connected_toolkits", user_id="jane", **of_user)
    call("org.consumer.project.resolve", **of_user)
    call("org.clanker.create_claim", human_email="jane@example.com")
    call("org.usage.retrieve_summary")
    call("org.usage.retrieve", "tool_calls")
    call("project.usage.retrieve_summary")
    call("project.usage.retrieve", "tool_calls")


def logs(call):
    (done,) = call("logs.create_tool_execution", limit=1, filters=[{"field": "tool_slug", "operator": "==", "value": ME}]).logs
    call("logs.retrieve_tool_execution", done.id)
    call("logs.tools.list_fields")
    call("cli.create_codact_failure", failure_type="wrong_tool_slug", ctx={}, session={}, x_user_api_key="uak_jane")


def webhooks(call):
    end = call("webhook_endpoints.create", toolkit_slug="confluence", client_id="app-1").root.id
    call("webhook_endpoints.list")
    call("webhook_endpoints.retrieve", end)
    call("webhook_endpoints.update", end, data={"secret": "chosen-by-hand" * 2})
    call("webhook_endpoints.replace", end, data={"secret": "chosen-again" * 2})
    hook = call("webhook_subscriptions.create", webhook_url="https://app.example/hook", enabled_events=["composio.trigger.message"]).id
    call("webhook_subscriptions.list")
    call("webhook_subscriptions.list_event_types")
    call("webhook_subscriptions.retrieve", hook)
    call("webhook_subscriptions.update", hook, enabled_events=["composio.trigger.message"])
    call("webhook_subscriptions.rotate_secret", hook)
    call("webhook_subscriptions.delete", hook)


def rest(call):
    call("toolkits.retrieve_changelog")
    call("toolkits.retrieve_multi", toolkits=["confluence"])
    call("tools.retrieve_required_scopes", tools=[SPACES])
    one = call("tool_router.session.create", user_id="jane").session_id
    call("tool_router.session.delete", one)


def servers_by_instance(call):
    server = call("mcp.create", name="By user", auth_config_ids=[], allowed_tools=[SPACES]).id
    call("mcp.create_instance", server, user_id="jane")
    call("mcp.list_instances", server)
    call("mcp.delete_instance", "jane", server_id=server)


def unknown(call):
    """What is newer than the documents of the API that this server follows."""
    call("connected_accounts.complete_auth", session_uri="urn:x", user_id="jane")
    call("custom.upsert", slug="own", toolkit_config={})
    call("custom.sync", slug="own")
    call("custom.delete_toolkit", "own")
    call("keyring.list_transfer_keys")
    call("session_configs.list")
    call("session_configs.retrieve", "sc_1")
    call("toolkits.recommend_scopes", "confluence", tools=[SPACES])
    call("toolkits.retrieve_scopes_grant_context", "confluence")
