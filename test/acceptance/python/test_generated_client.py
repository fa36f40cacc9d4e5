"""Every operation of the generated client, with strict response validation, and what came of it.

The operations are read from the client itself, so that none is forgotten. What was called is kept in
test/acceptance/coverage, of which docs/compatibility.md is made; UPDATE=1 writes it anew.
"""

import inspect
import json
import os
import re
from urllib.parse import urlsplit

import composio_client
import httpx
import pytest
from composio_client import Composio
from composio_client._resource import SyncAPIResource

from conftest import REPO, Router
from model_server import ModelServer

LEDGER = REPO / "test" / "acceptance" / "coverage" / "python-composio-client.json"

# Answered with an error that says what to do instead: nothing of the kind exists on one's own server.
REFUSED = {"cli.create_session", "cli.get_session"}

# Not called yet, with the reason.
LATER = {
    "cli.realtime.auth": "has tests of its own", "cli.realtime.credentials": "has tests of its own",
    "logs.triggers.list": "has tests of its own", "logs.triggers.retrieve": "has tests of its own",
    "tool_router.session.files.create_download_url": "has tests of its own", "tool_router.session.files.create_upload_url": "has tests of its own",
    "tool_router.session.files.delete": "has tests of its own", "tool_router.session.files.list": "has tests of its own",
    "tools.proxy": "has tests of its own", "tool_router.session.proxy_execute": "has tests of its own",
}


def operations(resource, path=()):
    """The names of all methods of the client's resources."""
    for name in dir(type(resource)):
        if name.startswith(("_", "with_")):
            continue
        member = inspect.getattr_static(type(resource), name)
        if inspect.isfunction(member):
            if path:
                yield ".".join((*path, name))
        elif isinstance(child := getattr(resource, name, None), SyncAPIResource):
            yield from operations(child, (*path, name))


class Recorder:
    """Calls operations by name, and notes the operation of the API and how it was answered."""

    def __init__(self, router):
        self.seen, self.answer = {}, None
        patterns = httpx.get(f"{router.url}/openapi.json").json()["paths"]
        # A literal path wins over one with parameters.
        self.patterns = sorted(patterns, key=lambda p: (p.count("{"), p))
        self.client = Composio(
            api_key=router.key, base_url=router.url, max_retries=0, _strict_response_validation=True,
            http_client=httpx.Client(event_hooks={"response": [self._heard]}),
        )

    def _heard(self, response):
        path = urlsplit(str(response.request.url)).path
        at = next((p for p in self.patterns if re.fullmatch(re.sub(r"\{[^}]+\}", "[^/]+", p), path)), path)
        self.answer = (f"{response.request.method} {at}", response.status_code)

    def call(self, name, /, *args, **kwargs):
        method = self.client
        for part in name.split("."):
            method = getattr(method, part)
        try:
            return method(*args, **kwargs)
        except composio_client.APIStatusError:
            if name not in REFUSED:
                raise
            return None
        finally:
            operation, status = self.answer
            self.seen[name] = {"operation": operation, "result": "answered" if status < 300 else f"refused ({status})"}


@pytest.fixture
def thinking(tmp_path):
    """A router with a model for texts."""
    with ModelServer() as model:
        r = Router(tmp_path / "home", SLUICE_MODEL="openai-chat:scripted", SLUICE_MODEL_BASE_URL=model.url)
        yield r
        r.stop()


def test_every_operation(thinking):
    r = Recorder(thinking)
    call = r.call
    sessions(call)
    accounts(call)
    catalogue(call)
    servers(call)
    for name in sorted(REFUSED):
        call(name, **({"id": "x"} if name.endswith("get_session") else {}))

    everything = set(operations(r.client))
    assert everything - set(r.seen) == set(LATER), "an operation is neither called nor listed with its reason"
    assert {n for n in r.seen if r.seen[n]["result"] != "answered"} == REFUSED
    kept = {"client": "composio-client (Python)", "version": composio_client.__version__, "calls": dict(sorted(r.seen.items()))}
    text = json.dumps(kept, indent=2) + "\n"
    if os.environ.get("UPDATE"):
        LEDGER.write_text(text)
    assert LEDGER.read_text() == text, "what was called is not what is kept: run with UPDATE=1 and look at the difference"


def sessions(call):
    one = call("tool_router.session.create", user_id="jane", toolkits={"enable": ["confluence"]}).session_id
    call("tool_router.session.retrieve", one)
    call("tool_router.session.patch", one, search={"enable": True})
    call("tool_router.session.attach", one)
    call("tool_router.session.config_history", one)
    call("tool_router.session.execute", one, tool_slug="CONFLUENCE_GET_CURRENT_USER", arguments={})
    call("tool_router.session.execute_meta", one, slug="COMPOSIO_GET_TOOL_SCHEMAS", arguments={"tool_slugs": ["CONFLUENCE_GET_PAGES"]})
    call("tool_router.session.link", one, toolkit="confluence")
    call("tool_router.session.search", one, queries=[{"use_case": "find a page"}])
    call("tool_router.session.toolkits", one)
    call("tool_router.session.tools", one)


def accounts(call):
    made = call("auth_configs.create", toolkit={"slug": "confluence"}, auth_config={"type": "use_custom_auth", "auth_scheme": "API_KEY", "credentials": {}})
    config = made.auth_config.id
    call("auth_configs.list")
    call("auth_configs.retrieve", config)
    call("auth_configs.update", config, type="custom", name="renamed")
    call("link.create", auth_config_id=config, user_id="bob")
    account = call("connected_accounts.create", auth_config={"id": config}, connection={"user_id": "bob"}).id
    call("connected_accounts.retrieve", account)
    (active,) = call("connected_accounts.list", user_ids=["jane"], statuses=["ACTIVE"]).items
    call("connected_accounts.patch", active.id, alias="work")
    call("connected_accounts.refresh", active.id, validate_credentials=True)
    call("connected_accounts.update_status", active.id, enabled=True)
    trigger = call("trigger_instances.upsert", "CONFLUENCE_PAGE_CREATED_TRIGGER", connected_account_id=active.id).trigger_id
    call("trigger_instances.list_active")
    call("trigger_instances.manage.update", trigger, status="disable")
    call("trigger_instances.manage.delete", trigger)
    call("connected_accounts.delete", account)
    call("auth_configs.update_status", "DISABLED", nanoid=config)
    call("auth_configs.delete", config)


def catalogue(call):
    call("toolkits.list")
    call("toolkits.retrieve", "confluence")
    call("toolkits.retrieve_categories")
    call("tools.list", toolkit_slug="confluence")
    call("tools.retrieve", "CONFLUENCE_GET_PAGES")
    call("tools.retrieve_enum")
    done = call("tools.execute", "CONFLUENCE_GET_CURRENT_USER", user_id="jane", arguments={})
    said = "Find the space with the key MKT"
    assert call("tools.get_input", "CONFLUENCE_GET_SPACES", text=said).arguments == {"spaceKey": ["MKT"]}
    assert call("tools.execute", "CONFLUENCE_GET_SPACES", user_id="jane", text=said).successful
    found = call("logs.tools.list", cursor=None, search_params=[{"field": "id", "operation": "==", "value": done.log_id}]).data
    assert [log.entity_id for log in found] == ["jane"]
    assert call("logs.tools.retrieve", done.log_id).action_id == "CONFLUENCE_GET_CURRENT_USER"
    call("triggers_types.list")
    call("triggers_types.retrieve", "CONFLUENCE_PAGE_CREATED_TRIGGER")
    call("triggers_types.retrieve_enum")
    call("files.create_presigned_url", filename="a.txt", md5="d41d8cd98f00b204e9800998ecf8427e", mimetype="text/plain",
         tool_slug="CONFLUENCE_ADD_ATTACHMENT", toolkit_slug="confluence")
    call("files.list")


def servers(call):
    server = call("mcp.custom.create", name="Readers", toolkits=["confluence"], allowed_tools=["CONFLUENCE_GET_SPACES"]).id
    call("mcp.create", name="No toolkits", auth_config_ids=[], allowed_tools=["CONFLUENCE_GET_SPACES"])
    call("mcp.list")
    call("mcp.retrieve", server)
    call("mcp.retrieve_app", "confluence")
    call("mcp.update", server, name="Read only")
    call("mcp.generate.url", mcp_server_id=server, user_ids=["jane"])
    call("mcp.delete", server)
