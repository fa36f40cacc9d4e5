"""The generated client of the newest SDK: every method, under strict response validation."""

import composio_client
from composio_client import AutoAuth, Composio, ProjectAuth
from composio_client._operations import OPERATIONS_BY_CHAIN
from generated import ME, SPACES, Recorder, every_call
from world import ANN, world  # noqa: F401 (a fixture among them)

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

PATHS = {o.path for o in OPERATIONS_BY_CHAIN.values()}


def recorder(router, auth):
    return Recorder(router, lambda **how: Composio(auth=auth, **how), REFUSED, PATHS)


def test_every_method(thinking, world):  # noqa: F811
    r = recorder(thinking, AutoAuth(project=thinking.key, organization=thinking.operator))
    every_call(r)
    project(r.call)
    logs(r.call)
    webhooks(r.call)
    rest(r.call)
    servers_by_instance(r.call)
    unknown(r.call)
    consented = recorder(world.router, ProjectAuth(world.router.key))
    consented.call("connected_accounts.revoke", world.consented("hal", ANN).id)
    r.seen |= consented.seen
    assert r.call("api_key_revocation.create", api_keys=["ak_of_nobody"])
    r.keep("composio-client (Python)", composio_client.__version__, "python-composio-client-newest.json")


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
