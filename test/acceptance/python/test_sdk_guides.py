"""What the guides to sessions show, as an application does it with the Python SDK: sessions, signing in by hand and in
the chat, several accounts, one's own auth configs, direct tools, white labelling, and tools of one's own."""

import asyncio
import json
from urllib.parse import parse_qs, urlsplit

import composio_client
import httpx
import pytest
from agents.tool_context import ToolContext
from composio import Composio
from composio_openai_agents import OpenAIAgentsProvider
from pydantic import BaseModel, Field
from world import ANN, BACK, ME, configs, refused, runs_as, world  # noqa: F401 (fixtures among them)

SEARCH, SCHEMAS, MANAGE, WAIT, MULTI = (
    "COMPOSIO_SEARCH_TOOLS", "COMPOSIO_GET_TOOL_SCHEMAS", "COMPOSIO_MANAGE_CONNECTIONS",
    "COMPOSIO_WAIT_FOR_CONNECTIONS", "COMPOSIO_MULTI_EXECUTE_TOOL",
)
SPACES, PAGES, DELETE = "CONFLUENCE_GET_SPACES", "CONFLUENCE_GET_PAGES", "CONFLUENCE_DELETE_PAGE"
PRIYA = "Priya Nair"


def names(session):
    return {t["function"]["name"] for t in session.tools()}


def multi(session, *calls):
    """The answers of a multi-execute, each one's data or its error."""
    done = session.execute_meta(MULTI, arguments={"tools": list(calls), "sync_response_to_workbench": False})
    return [r["response"]["data"] if r.get("response") and r["response"]["successful"] else r for r in done.data["results"]]


def test_sessions(world):
    session = world.sdk.create(
        user_id="sam", toolkits={"enable": ["confluence"]}, tags={"disable": ["destructiveHint"]},
        tools={"confluence": {"disable": [SPACES]}}, preload={"tools": [PAGES]}, mcp=True,
    )
    assert session.mcp.headers == {"x-api-key": world.router.key}
    assert names(session) == {SEARCH, SCHEMAS, MANAGE, MULTI, PAGES}
    with pytest.raises(composio_client.PermissionDeniedError):
        session.execute(SPACES, arguments={})
    session.update(tools={"confluence": {"tags": ["readOnlyHint"]}}, preload={"tools": []})
    assert names(session) == {SEARCH, SCHEMAS, MANAGE, MULTI}
    with pytest.raises(composio_client.PermissionDeniedError):
        session.execute(DELETE, arguments={"id": "1"})
    history = session.list_config_history()
    assert len(history.items) >= 1

    again = world.sdk.use(session.session_id)
    assert (again.session_id, again.config.user_id, again.mcp.url) == (session.session_id, "sam", session.mcp.url)
    assert again.search(query="find pages about a topic").results[0].primary_tool_slugs
    again.update(search={"enable": False}, tools=None)
    assert names(session) == {MANAGE, MULTI}
    session.delete()
    with pytest.raises(composio_client.NotFoundError):
        world.sdk.use(session.session_id)


def test_signing_in_by_hand(world):
    """The application asks which toolkits are not connected and shows the link itself."""
    session = world.session("tess", manage_connections=False)
    assert MANAGE not in names(session)
    error = refused(lambda: session.execute(ME, arguments={}))
    assert "/link/" not in json.dumps(error)
    for toolkit in session.toolkits().items:
        if not toolkit.connection.is_active:
            request = session.authorize(toolkit.slug, callback_url=BACK)
            end, _ = world.person().connect(request.redirect_url, ANN, subdomain="sandbox")
            assert parse_qs(urlsplit(end).query)["status"] == ["success"]
            assert request.wait_for_connection(timeout=5).user_id == "tess"
    assert all(t.connection.is_active for t in session.toolkits().items)
    assert runs_as(session) == ANN


def test_signing_in_in_the_chat(world):
    """The agent gets the link from a meta tool, and waits until the person has followed it."""
    session = world.session("uma", manage_connections={"enable": True, "callback_url": BACK, "wait_for_connections": True})
    assert {MANAGE, WAIT} <= names(session)
    found = session.execute_meta(SEARCH, arguments={"queries": [{"use_case": "list the spaces"}], "session": {"generate_id": True}}).data
    assert [s["has_active_connection"] for s in found["toolkit_connection_statuses"]] == [False]
    asked = session.execute_meta(MANAGE, arguments={"toolkits": ["confluence"]}).data["results"]["confluence"]
    assert (asked["status"], asked["has_active_connection"]) == ("initiated", False)
    end, _ = world.person().connect(asked["redirect_url"], ANN, subdomain="sandbox")
    assert {"status": ["success"], "step": ["2"]}.items() <= parse_qs(urlsplit(end).query).items()
    waited = session.execute_meta(WAIT, arguments={"toolkits": ["confluence"]}).data["results"]["confluence"]
    assert (waited["status"], waited["has_active_connection"]) == ("ACTIVE", True)
    asked = session.execute_meta(MANAGE, arguments={"toolkits": ["confluence"]}).data["results"]["confluence"]
    assert (asked["status"], asked.get("redirect_url")) == ("active", None)
    (me,) = multi(session, {"tool_slug": ME, "arguments": {}})
    assert me["displayName"] == ANN


def test_several_accounts_in_one_session(world):
    session = world.session("vera", multi_account={"enable": True, "max_accounts_per_toolkit": 2, "require_explicit_selection": True})
    for alias, account in {"work": PRIYA, "home": ANN}.items():
        request = session.authorize("confluence", alias=alias)
        world.person().connect(request.redirect_url, account, subdomain="sandbox")
        assert request.wait_for_connection(timeout=5).alias == alias
    work, home, neither = multi(
        session, {"tool_slug": ME, "arguments": {}, "account": "work"}, {"tool_slug": ME, "arguments": {}, "account": "home"},
        {"tool_slug": ME, "arguments": {}},
    )
    assert (work["displayName"], home["displayName"]) == (PRIYA, ANN)
    assert "work" in json.dumps(neither) and "home" in json.dumps(neither)
    with pytest.raises(composio_client.APIStatusError):  # no room for a third
        session.authorize("confluence", alias="third")


def test_own_auth_configs(world, configs):
    """A session connects through the app that the application names, with the scopes of that one."""
    own = world.app("own", **world.credentials, scopes=["read:confluence-user", "read:me", "offline_access"])
    session = world.session("will", auth_configs={"confluence": own})
    request = session.authorize("confluence")
    assert "client_id=" not in request.redirect_url
    world.person().connect(request.redirect_url, ANN, subdomain="sandbox")
    account = request.wait_for_connection(timeout=5)
    assert account.auth_config.id == own
    assert set(account.state.val.scope.split()) == set(configs.get(own).credentials["scopes"])
    (toolkit,) = session.toolkits().items
    assert toolkit.connection.auth_config.id == own
    with pytest.raises(composio_client.BadRequestError, match="ac_nowhere"):
        world.session("will", auth_configs={"confluence": "ac_nowhere"})


def test_direct_tools(world):
    """The tools themselves instead of tools that find them, in a session and without one."""
    world.consented("xena", ANN)
    session = world.session("xena", session_preset="direct_tools", tools={"confluence": {"enable": [ME, SPACES]}})
    assert names(session) == {ME, SPACES}
    assert runs_as(session) == ANN
    with pytest.raises(composio_client.PermissionDeniedError):
        session.execute(PAGES, arguments={})

    tools = world.sdk.tools.get(user_id="xena", tools=[ME, SPACES])
    assert {t["function"]["name"] for t in tools} == {ME, SPACES}
    assert len(world.sdk.tools.get(user_id="xena", toolkits=["confluence"], limit=7)) == 7
    agentic = Composio(provider=OpenAIAgentsProvider(), api_key=world.router.key, base_url=world.router.url, allow_tracking=False)
    direct = agentic.create(
        user_id="xena", toolkits=["confluence"], auth_configs={"confluence": world.config},
        session_preset="direct_tools", tools={"confluence": {"enable": [ME]}},
    )
    (me,) = direct.tools()
    assert me.name == ME and invoke(me)["data"]["displayName"] == ANN


def invoke(tool, **arguments):
    """What a tool of the OpenAI Agents SDK answers."""
    text = json.dumps(arguments)
    context = ToolContext(context=None, tool_name=tool.name, tool_call_id="call_1", tool_arguments=text)
    return json.loads(asyncio.run(tool.on_invoke_tool(context, text)))


def test_white_labelling(world):
    """Name, picture and colour of the connect page, the application's own OAuth app, and its own host for links."""
    at, key = f"{world.router.url}/api/v3.1/sluice/branding", {"x-api-key": world.router.key}
    httpx.patch(at, headers=key, json={"name": "Acme Notes", "color": "#123456", "logo": "https://acme.example/logo.png"}).raise_for_status()
    try:
        request = world.session("yuri").authorize("confluence", callback_url=BACK)
        page = httpx.get(request.redirect_url).text
        assert all(of in page for of in ("Acme Notes", "#123456", "https://acme.example/logo.png")) and "composio" not in page.lower()
        person = world.person()
        consent, seen = person.submit(*person.go("GET", request.redirect_url), subdomain="sandbox")
        assert "asks for access" in seen.text and parse_qs(urlsplit(consent).query)["client_id"] == [world.site.client_id]
    finally:
        httpx.patch(at, headers=key, json={"name": "", "color": "", "logo": ""}).raise_for_status()

    session = world.session("yuri")
    session.update(experimental={"link_url_overwrite": "https://connect.acme.example"})
    request = session.authorize("confluence", callback_url=BACK)
    own, _, token = request.redirect_url.rpartition("/")
    assert own == "https://connect.acme.example/link"
    error = refused(lambda: session.execute(ME, arguments={}))
    assert "https://connect.acme.example/link/lt_" in error["suggested_fix"] and world.router.url not in error["suggested_fix"]
    asked = session.execute_meta(MANAGE, arguments={"toolkits": ["confluence"]}).data["results"]["confluence"]
    assert asked["redirect_url"].startswith("https://connect.acme.example/link/lt_")
    # What the application's host passes on: the page is this server's.
    world.person().connect(f"{world.router.url}/link/{token}", ANN, subdomain="sandbox")
    assert request.wait_for_connection(timeout=5).user_id == "yuri"


class Greeting(BaseModel):
    name: str = Field(description="Whom to greet")


def test_tools_of_ones_own(world):
    """Tools that run in the application: found by searches, run beside the router's, bound again to a kept session."""
    world.consented("zoe", ANN)
    sdk = Composio(provider=OpenAIAgentsProvider(), api_key=world.router.key, base_url=world.router.url, allow_tracking=False)

    @sdk.experimental.tool()
    def greet(input: Greeting, ctx):
        """Write a warm greeting for somebody on the front desk display."""
        return {"text": f"Welcome, {input.name}!", "for": ctx.user_id}

    desk = sdk.experimental.Toolkit(slug="FRONT_DESK", name="Front desk", description="What the front desk does")

    @desk.tool()
    def whoami(input: Greeting, ctx):
        """Tell by the wiki who is at the front desk terminal."""
        done = ctx.execute(ME, {})
        return {"who": done.data["displayName"], "asked by": input.name}

    own = {"custom_tools": [greet], "custom_toolkits": [desk]}
    session = sdk.create(user_id="zoe", toolkits=["confluence"], auth_configs={"confluence": world.config}, experimental=own)
    slugs = {t.slug for t in session.custom_tools()}
    assert slugs == {"LOCAL_GREET", "LOCAL_FRONT_DESK_WHOAMI"}
    kept = sdk.use(session.session_id, **own)
    for s in (session, kept):
        assert {t.slug for t in s.custom_tools()} == slugs
        assert "LOCAL_GREET" in s.search(query="write a warm greeting on the front desk display").results[0].primary_tool_slugs
        assert s.execute("GREET", arguments={"name": "Ann"}).data == {"text": "Welcome, Ann!", "for": "zoe"}
        assert s.execute("LOCAL_FRONT_DESK_WHOAMI", arguments={"name": "Bo"}).data == {"who": ANN, "asked by": "Bo"}

        both = next(t for t in s.tools() if t.name == MULTI)
        done = invoke(both, sync_response_to_workbench=False, tools=[
            {"tool_slug": "LOCAL_GREET", "arguments": {"name": "Cy"}}, {"tool_slug": ME, "arguments": {}},
        ])
        mine, theirs = done["data"]["results"]
        assert mine["response"]["data"]["text"] == "Welcome, Cy!" and theirs["response"]["data"]["displayName"] == ANN
    assert sdk.use(session.session_id).custom_tools() == []
