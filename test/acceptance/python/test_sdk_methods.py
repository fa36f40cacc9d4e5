"""Every public method of the Python SDK, called against the real router, and the operations that each one asked for.

The methods are read from the SDK's own objects. Answers must be exactly of the generated client's types. What was
called is kept in test/acceptance/coverage, of which docs/compatibility.md is made; UPDATE=1 writes it anew.
"""

import functools
import inspect
import warnings
from importlib.metadata import version

import composio_client
import httpx
import pytest
from composio import Composio, exceptions
from composio.core.models.connected_accounts import auth_scheme
from composio_client._operations import OPERATIONS_BY_CHAIN
from generated import ME, SPACES, TRIGGER, keep, operation, patterns, result
from world import ANN, world  # noqa: F401 (a fixture among them)

HOOK = {"webhook_url": "https://app.example/hook"}
SPACE = "/wiki/api/v2/spaces"

# Answered with an error: not offered.
REFUSED = {
    "connected_accounts.complete_auth": 405, "keyring.list_transfer_keys": 404,
    "experimental.custom_toolkits.delete": 404, "experimental.custom_toolkits.sync": 404, "experimental.custom_toolkits.upsert": 404,
    "connected_accounts.update_acl": 400, "experimental.update_acl": 400,  # accounts that several users share
    "toolkits.list_grant_contexts": 404, "toolkits.recommend_scopes": 404,
}

# Can be told no host: test_sdk_realtime.py calls it in a network of its own, and has it answered.
ELSEWHERE = {"triggers.subscribe": [
    {"operation": "GET /api/v3/internal/sdk/realtime/credentials", "result": "answered"},
    {"operation": "POST /api/v3/internal/sdk/realtime/auth", "result": "answered"},
]}


def methods(thing, path=(), seen=None):
    """The names of the public methods of an SDK's object and of the objects that it has; each kind of object once."""
    seen = seen if seen is not None else {type(thing)}
    below = []
    for name in sorted(set(dir(type(thing))) | set(vars(thing))):
        if name.startswith("_") or name in ("client", "provider", "logger"):
            continue
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # some names are deprecated
            member = getattr(thing, name)
        if isinstance(member, functools.partial) or inspect.isroutine(member):
            if name != "sanitize_payload":  # of the base class of all resources, for themselves
                yield ".".join((*path, name))
        elif type(member).__module__.startswith("composio.core") and type(member) not in seen and _acts(member):
            seen.add(type(member))
            below.append((name, member))
    for name, member in below:
        yield from methods(member, (*path, name), seen)


def _acts(thing):
    """Whether the object is one that acts, and not a value."""
    return not isinstance(thing, (str, int, dict, list, tuple)) and hasattr(thing, "__dict__")


class Caller:
    """Calls methods by name, and notes which operations each one asked for and how those were answered."""

    def __init__(self, router):
        known = patterns(router, {o.path for o in OPERATIONS_BY_CHAIN.values()})
        self.asked, self.calls = [], {}

        def heard(response):
            one = {"operation": operation(response.request, known), "result": result(response.status_code)}
            if one not in self.asked:
                self.asked.append(one)

        self.sdk = Composio(
            api_key=router.key, base_url=router.url, allow_tracking=False, max_retries=0,
            http_client=httpx.Client(event_hooks={"response": [heard]}, timeout=60),
        )
        self.sdk.client._strict_response_validation = True  # the generated client's own switch
        assert self.sdk.client.without_retries._strict_response_validation

    def call(self, name, /, *args, **kwargs):
        return self.on(self.sdk, name, "", *args, **kwargs)

    def on(self, thing, name, of, /, *args, **kwargs):
        """Calls a method of an object that is not reached from the SDK by name alone."""
        method, self.asked = thing, []
        for part in name.split("."):
            method = getattr(method, part)
        try:
            return method(*args, **kwargs)
        except composio_client.APIStatusError as e:
            if e.status_code != REFUSED.get(of + name):
                raise
            return None
        finally:
            kept = self.calls.setdefault(of + name, [])
            kept += [a for a in self.asked if a not in kept]

    def keep(self, everything):
        silent = {name: "asks the server nothing" for name, asked in self.calls.items() if not asked}
        assert everything == set(self.calls) | set(ELSEWHERE), "a public method is neither called nor has it a reason"
        refused = {n for n, asked in self.calls.items() if any(a["result"].startswith("refused") for a in asked)}
        assert refused == set(REFUSED)
        calls = {n: asked for n, asked in sorted((self.calls | ELSEWHERE).items()) if asked}
        keep("python-composio.json", {
            "client": "composio (Python)", "version": version("composio"), "strict": True, "complete": True,
            "calls": calls, "excused": dict(sorted(silent.items())),
        })


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_every_method(world):  # noqa: F811
    c = Caller(world.router)
    consented = world.consented("ann", ANN)
    tools(c, consented)
    toolkits(c, world)
    configs(c, world)
    accounts(c, world)
    triggers(c, consented)
    webhooks(c, world)
    servers(c, world)
    rest(c)
    session = sessions(c, world)
    request = c.call("connected_accounts.link", "kim", world.config)
    world.person().connect(request.redirect_url, ANN, subdomain="sandbox")
    c.on(request, "wait_for_connection", "ConnectionRequest.", timeout=60)
    assert c.on(request, "from_id", "ConnectionRequest.", request.id, c.sdk.client).status == "ACTIVE"
    everything = set(methods(c.sdk))
    for of, thing in {"session.": session, "ConnectionRequest.": request}.items():
        everything |= {of + name for name in methods(thing)}
    c.keep(everything)


def tools(c, account):
    (tool,) = c.call("tools.get_raw_composio_tools", tools=[SPACES])
    assert c.call("tools.get_raw_composio_tool_by_slug", SPACES).version == tool.version
    assert len(c.call("tools.get", user_id="ann", tools=[SPACES])) == 1
    done = c.call("tools.execute", ME, {}, user_id="ann", version=tool.version)
    assert done["data"]["displayName"] == ANN
    assert c.call("tools.proxy", SPACE, "GET", connected_account_id=account.id).status == 200
    found = c.call("logs.search", limit=1, filters=[{"field": "tool_slug", "operator": "==", "value": ME}]).logs
    assert c.call("logs.get", found[0].id)


def toolkits(c, world):  # noqa: F811
    assert c.call("toolkits.list").items
    assert c.call("toolkits.get") and c.call("toolkits.get", "confluence").slug == "confluence"
    assert c.call("toolkits.get_many", ["confluence"])
    c.call("toolkits.list_categories")
    c.call("toolkits.changelog")
    assert c.call("toolkits.get_auth_config_creation_fields", "confluence", "OAUTH2")
    assert c.call("toolkits.get_connected_account_initiation_fields", "confluence", "API_KEY")
    assert c.call("toolkits.authorize", user_id="ben", toolkit="confluence").redirect_url
    c.call("toolkits.recommend_scopes", "confluence", tools=[SPACES])
    c.call("toolkits.list_grant_contexts", "confluence")


def configs(c, world):  # noqa: F811
    options = {"type": "use_custom_auth", "auth_scheme": "OAUTH2", "credentials": world.endpoints | {"client_id": "app-9", "client_secret": "hidden-9"}}
    made = c.call("auth_configs.create", "confluence", options).id
    assert made in {i.id for i in c.call("auth_configs.list").items}
    c.call("auth_configs.update", made, options={"type": "custom", "is_enabled_for_tool_router": False})
    assert c.call("auth_configs.get", made).is_enabled_for_tool_router is False
    c.call("auth_configs.disable", made)
    c.call("auth_configs.enable", made)
    c.call("auth_configs.delete", made)


def accounts(c, world):  # noqa: F811
    config = world.keys()
    made = c.call("connected_accounts.initiate", "dora", config, config=auth_scheme.api_key(world.typed)).id
    assert c.call("connected_accounts.wait_for_connection", made, timeout=60).status == "ACTIVE"
    assert c.call("connected_accounts.get", made).user_id == "dora"
    assert [a.id for a in c.call("connected_accounts.list", user_ids=["dora"]).items] == [made]
    c.call("connected_accounts.update", made, alias="typed")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", exceptions.ComposioDeprecationWarning)
        c.call("connected_accounts.refresh", made)
    c.call("connected_accounts.update_status", made, enabled=False)
    c.call("connected_accounts.enable", made)
    c.call("connected_accounts.disable", made)
    c.call("connected_accounts.delete", made)
    c.call("connected_accounts.revoke", world.consented("hal", ANN).id)
    c.call("connected_accounts.complete_auth", user_id="dora", session_uri="urn:x")
    shared = world.consented("eve", ANN).id
    c.call("connected_accounts.update_acl", shared, allow_all_users=True)
    c.call("experimental.update_acl", shared, allow_all_users=False)


def triggers(c, account):
    made = c.call("triggers.create", TRIGGER, connected_account_id=account.id).trigger_id
    assert [t.id for t in c.call("triggers.list_active").items] == [made]
    c.call("triggers.disable", made)
    c.call("triggers.enable", made)
    c.call("triggers.delete", made)
    assert c.call("triggers.get_type", TRIGGER).slug == TRIGGER
    assert c.call("triggers.list").items and TRIGGER in c.call("triggers.list_enum")


def webhooks(c, world):  # noqa: F811
    hook = c.call("triggers.set_webhook_subscription", **HOOK)["id"]
    assert c.call("webhooks.subscriptions.set", **HOOK)["id"] == hook
    assert [h.id for h in c.call("webhooks.subscriptions.list").items] == [hook]
    c.call("webhooks.subscriptions.list_event_types")
    assert c.call("webhooks.subscriptions.get", hook).webhook_url == HOOK["webhook_url"]
    c.call("webhooks.subscriptions.update", hook, version="V2")
    c.call("webhooks.subscriptions.rotate_secret", hook)
    c.call("webhooks.subscriptions.delete", hook)
    c.call("webhooks.subscriptions.set", **HOOK)  # the first is made, another one changes that
    end = c.call("webhooks.endpoints.create", toolkit_slug="confluence", client_id=world.site.client_id).root.id
    assert [e.id for e in c.call("webhooks.endpoints.list", toolkit_slug="confluence").items] == [end]
    c.call("webhooks.endpoints.get", end)
    c.call("webhooks.endpoints.update", end, data={"secret": "chosen-by-hand" * 2})
    c.call("webhooks.endpoints.replace", end, data={"secret": "chosen-again" * 2})
    # test_sdk_webhooks.py has both take what a router sent, and refuse what it did not.
    for name, given in {"triggers.parse": {"body": "{}"}, "triggers.verify_webhook": dict.fromkeys(("id", "payload", "secret", "signature", "timestamp"), "1")}.items():
        with pytest.raises(exceptions.ComposioError):
            c.call(name, **given)


def servers(c, world):  # noqa: F811
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", exceptions.ComposioDeprecationWarning)
        made = c.call("mcp.create", "Readers", toolkits=[{"toolkit": "confluence", "auth_config_id": world.config}], allowed_tools=[SPACES]).id
        assert c.call("mcp.generate", "ann", made)["url"].startswith(world.router.url)
        assert [s.id for s in c.call("mcp.list")["items"]] == [made]
        c.call("mcp.update", made, name="Others")
        assert c.call("mcp.get", made)
        c.call("mcp.delete", made)


def rest(c):
    assert c.call("experimental.usage.summary").instant_charge == "0"
    assert c.call("experimental.usage.breakdown", "tool_calls").groups
    c.call("experimental.custom_toolkits.upsert", slug="OWN", toolkit_config={"name": "Own", "app_url": "https://mcp.example/mcp", "auth_schemes": []})
    c.call("experimental.custom_toolkits.sync", "CUSTOM_OWN")
    c.call("experimental.custom_toolkits.delete", "CUSTOM_OWN")
    c.call("experimental.tool", slug="OWN")
    c.call("keyring.list_transfer_keys")


def sessions(c, world):  # noqa: F811
    how = {"user_id": "ann", "toolkits": ["confluence"], "auth_configs": {"confluence": world.config}}
    gone = c.call("sessions.create", **how).session_id
    assert c.call("sessions.use", gone).session_id == gone
    c.call("sessions.delete", gone)
    session = c.call("create", **how)
    assert c.call("use", session.session_id).session_id == session.session_id
    assert c.call("tools.get_raw_tool_router_meta_tools", session.session_id)

    def call(name, /, *args, **kwargs):
        return c.on(session, name, "session.", *args, **kwargs)

    assert call("tools") and call("toolkits").items[0].slug == "confluence"
    assert call("search", query="find a page").results
    assert call("execute", ME, arguments={}).data["displayName"] == ANN
    assert call("execute_meta", "COMPOSIO_GET_TOOL_SCHEMAS", arguments={"tool_slugs": [SPACES]}).data
    assert call("proxy_execute", toolkit="confluence", endpoint=SPACE, method="GET")["status"] == 200
    call("update", search={"enable": False})
    assert call("list_config_history").items
    assert (call("custom_tools"), call("custom_toolkits")) == ([], [])
    call("authorize", "confluence")
    files(c, session, call)
    call("delete")
    return session


def files(c, session, call):
    """The SDK itself refuses addresses of this machine, to which files go here."""
    with pytest.raises(Exception, match="non-public address"):
        call("experimental.files.upload", b"kept", remote_path="a.txt")
    (asked,) = c.calls["session.experimental.files.upload"]
    asked["result"] += ", but the SDK sends no file to an address of this machine"
    to = c.sdk.client.tool_router.session.files.create_upload_url("files", session_id=session.session_id, mount_relative_path="a.txt", mimetype="text/plain")
    httpx.put(to.upload_url, content=b"kept", headers={"content-type": "text/plain"}).raise_for_status()
    assert [i.mount_relative_path for i in call("experimental.files.list").items] == ["a.txt"]
    file = call("experimental.files.download", "a.txt")
    assert httpx.get(file.download_url).text == "kept"
    with pytest.raises(Exception, match="non-public address"):
        file.buffer()
    call("experimental.files.delete", "a.txt")
