"""Every method of a generated client, called once with strict response validation, and what came of it.

The methods are read from the client itself, so that none is forgotten. What was called is kept in
test/acceptance/coverage, of which docs/compatibility.md is made; UPDATE=1 writes it anew.
"""

import inspect
import json
import operator
import os
import re
from urllib.parse import urlsplit

import composio_client
import httpx
from conftest import REPO

SPACES, TRIGGER = "CONFLUENCE_GET_SPACES", "CONFLUENCE_PAGE_CREATED_TRIGGER"
ME = "CONFLUENCE_GET_CURRENT_USER"


def operations(resource, path=()):
    """The names of all methods of a client's resources, and of theirs."""
    for name in dir(resource):
        if name.startswith(("_", "with_")) and name != "_internal":
            continue
        member = getattr(resource, name, None)
        if inspect.ismethod(member):
            if path:
                yield public(".".join((*path, name)))
        elif name == "_internal" or "SyncAPIResource" in {c.__name__ for c in type(member).__mro__}:
            yield from operations(member, (*path, name))


def public(name):
    """The newest clients keep some methods, as they are, where applications are not to look."""
    return name.removeprefix("_internal.")


def patterns(router, more=()):
    """The paths of the router's document and more; one with fewer parameters goes before others."""
    known = {*httpx.get(f"{router.url}/openapi.json", timeout=60).json()["paths"], *more}
    return sorted(known, key=lambda p: (p.count("{"), p))


def operation(request, known):
    """The method and the pattern of the path of a request."""
    path = urlsplit(str(request.url)).path
    at = next((p for p in known if re.fullmatch(re.sub(r"\{[^}]+\}", "[^/]+", p), path)), path)
    return f"{request.method} {at}"


def result(status):
    return "answered" if status < 300 else f"refused ({status})"


class Recorder:
    """Calls methods by name, and notes the operation of the API and how it was answered."""

    def __init__(self, router, make, refused, paths=()):
        self.router, self.refused = router, refused
        self.seen, self.answer = {}, None
        self.patterns = patterns(router, paths)
        self.client = make(
            base_url=router.url, max_retries=0, _strict_response_validation=True,
            http_client=httpx.Client(event_hooks={"response": [self._heard]}, timeout=60),
        )

    def _heard(self, response):
        self.answer = (operation(response.request, self.patterns), response.status_code)

    def call(self, name, /, *args, **kwargs):
        try:
            method = operator.attrgetter(name)(self.client)
        except AttributeError:
            method = operator.attrgetter("_internal." + name)(self.client)
        self.answer = None
        try:
            return method(*args, **kwargs)
        except composio_client.APIStatusError as e:
            if e.status_code != self.refused.get(name):
                raise
            said = e.body["error"]
            assert said["message"] and said["suggested_fix"], "a refusal says why, and what to do"
            return None
        finally:
            if self.answer:
                self.seen[name] = {"operation": self.answer[0], "result": result(self.answer[1])}

    def direct(self, path, body):
        """What a test needs that no method asks for."""
        answer = httpx.post(self.router.url + path, headers={"x-api-key": self.router.key}, json=body, timeout=60)
        return answer.raise_for_status().json()

    def keep(self, client, version, ledger):
        """Holds what was called against all methods, and against what is kept."""
        assert set(operations(self.client)) == set(self.seen), "a method was not called"
        wanted = {name: f"refused ({status})" for name, status in self.refused.items()}
        assert {n: c["result"] for n, c in self.seen.items() if c["result"] != "answered"} == wanted
        keep(ledger, {"client": client, "version": version, "strict": True, "complete": True, "calls": dict(sorted(self.seen.items()))})


def keep(ledger, kept):
    """Holds what was called against the file of test/acceptance/coverage, or writes that."""
    file = REPO / "test" / "acceptance" / "coverage" / ledger
    text = json.dumps(kept, indent=2) + "\n"
    if os.environ.get("UPDATE"):
        file.write_text(text)
    assert file.read_text() == text, "what was called is not what is kept: run with UPDATE=1 and look at the difference"


def every_call(r):
    """What both generations of the client have."""
    sessions(r.call)
    files_of_sessions(r.call)
    accounts(r)
    catalogue(r.call)
    servers(r.call)
    r.call("cli.create_session")
    r.call("cli.get_session", id="x")
    given = r.call("cli.realtime.credentials")
    r.call("cli.realtime.auth", channel_name=f"private-{given.project_id}_triggers", socket_id="1.1")


def sessions(call):
    one = call("tool_router.session.create", user_id="jane", toolkits={"enable": ["confluence"]}).session_id
    call("tool_router.session.retrieve", one)
    call("tool_router.session.patch", one, search={"enable": True})
    call("tool_router.session.attach", one)
    call("tool_router.session.config_history", one)
    call("tool_router.session.execute", one, tool_slug=ME, arguments={})
    call("tool_router.session.execute_meta", one, slug="COMPOSIO_GET_TOOL_SCHEMAS", arguments={"tool_slugs": ["CONFLUENCE_GET_PAGES"]})
    call("tool_router.session.link", one, toolkit="confluence")
    call("tool_router.session.search", one, queries=[{"use_case": "find a page"}])
    call("tool_router.session.toolkits", one)
    call("tool_router.session.tools", one)
    done = call("tool_router.session.proxy_execute", one, toolkit_slug="confluence", endpoint="/wiki/rest/api/space", method="GET")
    assert done.status == 200, done


def files_of_sessions(call):
    one = call("tool_router.session.create", user_id="jane", toolkits={"enable": ["confluence"]}).session_id
    there = {"session_id": one, "mount_relative_path": "notes/a.txt"}
    to = call("tool_router.session.files.create_upload_url", "files", mimetype="text/plain", **there)
    httpx.put(to.upload_url, content=b"kept", headers={"content-type": "text/plain"}).raise_for_status()
    assert [i.mount_relative_path for i in call("tool_router.session.files.list", "files", session_id=one, mount_relative_prefix="notes").items]
    assert httpx.get(call("tool_router.session.files.create_download_url", "files", **there).download_url).text == "kept"
    call("tool_router.session.files.delete", "files", **there)


def accounts(r):
    call = r.call
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
    call("connected_accounts.refresh", active.id, **{"validate_credentials": True} if composio_client.__version__.startswith("1.") else {})
    call("connected_accounts.update_status", active.id, enabled=True)
    assert call("tools.proxy", endpoint="/wiki/rest/api/space", method="GET", connected_account_id=active.id).status == 200
    trigger = call("trigger_instances.upsert", TRIGGER, connected_account_id=active.id).trigger_id
    call("trigger_instances.list_active")
    r.direct("/api/v3.1/sluice/triggers/test", {"trigger": trigger})
    (log,) = call("logs.triggers.list", limit=10, user_id="jane").data
    call("logs.triggers.retrieve", log.id)
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
    done = call("tools.execute", ME, user_id="jane", arguments={})
    said = "Find the space with the key MKT"
    assert call("tools.get_input", SPACES, text=said).arguments == {"spaceKey": ["MKT"]}
    assert call("tools.execute", SPACES, user_id="jane", text=said).successful
    found = call("logs.tools.list", cursor=None, search_params=[{"field": "id", "operation": "==", "value": done.log_id}]).data
    assert [log.entity_id for log in found] == ["jane"]
    assert call("logs.tools.retrieve", done.log_id).action_id == ME
    call("triggers_types.list")
    call("triggers_types.retrieve", TRIGGER)
    call("triggers_types.retrieve_enum")
    call("files.create_presigned_url", filename="a.txt", md5="d41d8cd98f00b204e9800998ecf8427e", mimetype="text/plain",
         tool_slug="CONFLUENCE_ADD_ATTACHMENT", toolkit_slug="confluence")
    call("files.list")


def servers(call):
    server = call("mcp.custom.create", name="Readers", toolkits=["confluence"], allowed_tools=[SPACES]).id
    call("mcp.create", name="No toolkits", auth_config_ids=[], allowed_tools=[SPACES])
    call("mcp.list")
    call("mcp.retrieve", server)
    call("mcp.retrieve_app", "confluence")
    call("mcp.update", server, name="Read only")
    call("mcp.generate.url", mcp_server_id=server, user_ids=["jane"])
    call("mcp.delete", server)
