"""The generated REST client with strict response validation: every answer must be exactly of its type."""

import os

import composio_client
import pytest
from composio_client import Composio


def fields(item):
    return set(item.to_dict())


@pytest.fixture
def api(router):
    return Composio(api_key=router.key, base_url=router.url, max_retries=0, _strict_response_validation=True)


@pytest.fixture
def session(api):
    return api.tool_router.session.create(user_id="user_123", toolkits={"enable": ["confluence"]})


def test_sessions(api, router):
    made = api.tool_router.session.create(
        user_id="user_123",
        toolkits={"enable": ["confluence"]},
        tools={"confluence": {"disable": ["CONFLUENCE_DELETE_PAGE"]}},
        tags={"disable": ["destructiveHint"]},
        preload={"tools": ["CONFLUENCE_GET_SPACES"]},
        manage_connections={"enable": True, "enable_wait_for_connections": True},
        multi_account={"enable": True, "max_accounts_per_toolkit": 3, "require_explicit_selection": True},
        workbench={"enable": True},
    )
    assert made.mcp.type == "http"
    assert made.mcp.url == f"{router.url}/tool_router/{made.session_id}/mcp"
    assert made.config.toolkits.enabled == ["confluence"]
    assert made.config.workbench.enable is False  # asked for, not offered
    assert "COMPOSIO_REMOTE_WORKBENCH" not in made.tool_router_tools
    assert "COMPOSIO_WAIT_FOR_CONNECTIONS" in made.tool_router_tools

    got = api.tool_router.session.retrieve(made.session_id)
    assert got.config.to_dict() == made.config.to_dict()

    patched = api.tool_router.session.patch(made.session_id, search={"enable": False})
    assert patched.config_version == made.config_version + 1
    assert "COMPOSIO_SEARCH_TOOLS" not in patched.tool_router_tools
    with pytest.raises(composio_client.ConflictError):
        api.tool_router.session.patch(made.session_id, search={"enable": True}, extra_body={"expected_config_version": made.config_version})

    attached = api.tool_router.session.attach(made.session_id)
    assert attached.session_id == made.session_id


def test_a_deleted_session_is_gone(api, session):
    api.delete(f"/api/v3.1/tool_router/session/{session.session_id}", cast_to=object)
    with pytest.raises(composio_client.NotFoundError):
        api.tool_router.session.retrieve(session.session_id)


def test_tools_of_a_session(api, session):
    listed = api.tool_router.session.tools(session.session_id)
    assert [t.slug for t in listed.items] == session.tool_router_tools
    preloaded = api.tool_router.session.create(user_id="u", toolkits={"enable": ["confluence"]}, preload={"tools": "all"})
    direct = [t.slug for t in api.tool_router.session.tools(preloaded.session_id).items if t.slug.startswith("CONFLUENCE_")]
    assert len(direct) == api.toolkits.retrieve("confluence").meta.tools_count >= 62
    assert direct == sorted(direct)


def test_toolkits_of_a_session(api, session):
    api.tool_router.session.execute(session.session_id, tool_slug="CONFLUENCE_GET_CURRENT_USER")
    (toolkit,) = api.tool_router.session.toolkits(session.session_id, toolkits=["confluence"]).items
    assert toolkit.connected_account.status == "ACTIVE"
    assert api.tool_router.session.toolkits(session.session_id, is_connected=True).total_items == 1


def test_running_tools(api, session):
    spaces = api.tool_router.session.execute(session.session_id, tool_slug="CONFLUENCE_GET_SPACES", arguments={"limit": 100})
    assert spaces.error is None
    assert "Marketing" in {s["name"] for s in spaces.data["results"]}
    gone = api.tool_router.session.execute(session.session_id, tool_slug="CONFLUENCE_GET_PAGE_BY_ID", arguments={"id": "1"})
    assert "CONFLUENCE_SEARCH_CONTENT" in gone.error
    meta = api.tool_router.session.execute_meta(
        session.session_id, slug="COMPOSIO_MULTI_EXECUTE_TOOL",
        arguments={"tools": [{"tool_slug": "CONFLUENCE_GET_CURRENT_USER", "arguments": {}}], "sync_response_to_workbench": False},
    )
    assert meta.data["success_count"] == 1
    with pytest.raises(composio_client.BadRequestError, match="idd"):
        api.tool_router.session.execute(session.session_id, tool_slug="CONFLUENCE_GET_PAGE_BY_ID", arguments={"idd": 1})
    with pytest.raises(composio_client.NotFoundError):
        api.tool_router.session.execute(session.session_id, tool_slug="CONFLUENCE_NO_SUCH_TOOL")


def test_search(api, session):
    found = api.tool_router.session.search(session.session_id, queries=[{"use_case": "add a label to a page"}, {"use_case": "zxqv"}])
    assert found.results[0].primary_tool_slugs[0] == "CONFLUENCE_ADD_CONTENT_LABEL"
    assert set(found.results[0].primary_tool_slugs) <= set(found.tool_schemas)
    assert found.results[1].primary_tool_slugs == []


def test_connecting(api, session, router):
    link = api.tool_router.session.link(session.session_id, toolkit="confluence", callback_url="https://app.example.com/cb")
    assert link.redirect_url.startswith(f"{router.url}/link/lt_")
    account = api.connected_accounts.retrieve(link.connected_account_id)
    assert account.status == "INITIATED"
    listed = api.connected_accounts.list(user_ids=["user_123"], toolkit_slugs=["confluence"], statuses=["INITIATED"])
    assert [a.id for a in listed.items] == [account.id]

    config = api.auth_configs.create(toolkit={"slug": "confluence"}, auth_config={"type": "use_custom_auth", "auth_scheme": "API_KEY", "credentials": {}})
    again = api.link.create(auth_config_id=config.auth_config.id, user_id="user_123")
    assert again.link_token.startswith("lt_")
    assert config.auth_config.id in {c.id for c in api.auth_configs.list(toolkit_slug="confluence").items}
    assert api.auth_configs.retrieve(config.auth_config.id).auth_scheme == "API_KEY"
    api.connected_accounts.delete(account.id)
    with pytest.raises(composio_client.NotFoundError):
        api.connected_accounts.retrieve(account.id)


def test_an_application_of_ones_own(api):
    tool = "CONFLUENCE_GET_SPACES"
    made = api.auth_configs.create(toolkit={"slug": "confluence"}, auth_config={
        "type": "use_custom_auth", "auth_scheme": "OAUTH2", "name": "team",
        "credentials": {"client_id": "app-1", "client_secret": "hidden-771", "scopes": ["read:page:confluence", "offline_access"]},
        "restrict_to_following_tools": [tool],
    })
    config = made.auth_config.id
    assert made.auth_config.is_composio_managed is False
    got = api.auth_configs.retrieve(config)
    assert got.credentials.pop("oauth_redirect_uri").endswith("/oauth/callback")  # what to register at the provider
    assert got.credentials == {"client_id": "app-1", "scopes": ["read:page:confluence", "offline_access"]}
    assert got.tool_access_config.tools_available_for_execution == [tool]
    assert "hidden-771" not in got.to_json()

    api.auth_configs.update(config, type="custom", credentials={"client_secret": "hidden-772"}, tool_access_config={"tools_available_for_execution": []})
    assert api.auth_configs.retrieve(config).restrict_to_following_tools == []
    with pytest.raises(composio_client.BadRequestError, match="credentials.client_id"):
        api.auth_configs.update(config, type="custom", credentials={"client_id": ""})
    managed = api.auth_configs.create(toolkit={"slug": "confluence"}, auth_config={"type": "use_composio_managed_auth"})
    assert managed.auth_config.id == config

    link = api.link.create(auth_config_id=config, user_id="user_123", connection_data={"subdomain": "acme"})
    account = api.connected_accounts.retrieve(link.connected_account_id)
    assert (account.status, account.data["subdomain"]) == ("INITIATED", "acme")
    refreshed = api.connected_accounts.refresh(account.id)
    assert refreshed.redirect_url and refreshed.redirect_url != link.redirect_url
    legacy = api.connected_accounts.create(auth_config={"id": config}, connection={"user_id": "user_123"})
    assert legacy.redirect_url.startswith("http")

    api.auth_configs.update_status("DISABLED", nanoid=config)
    assert config not in {c.id for c in api.auth_configs.list().items}
    assert api.auth_configs.list(show_disabled=True, search="team").items[0].status == "DISABLED"
    api.auth_configs.update_status("ENABLED", nanoid=config)
    api.auth_configs.delete(config)
    with pytest.raises(composio_client.NotFoundError):
        api.auth_configs.retrieve(config)
    with pytest.raises(composio_client.NotFoundError):
        api.connected_accounts.retrieve(account.id)


def test_changing_an_account(api, session):
    api.tool_router.session.execute(session.session_id, tool_slug="CONFLUENCE_GET_CURRENT_USER")
    (account,) = api.connected_accounts.list(user_ids=["user_123"], statuses=["ACTIVE"]).items
    assert api.connected_accounts.patch(account.id, alias="work").success
    assert api.connected_accounts.retrieve(account.id).alias == "work"
    assert api.connected_accounts.refresh(account.id, validate_credentials=True).status == "ACTIVE"
    assert api.connected_accounts.update_status(account.id, enabled=False).success
    assert api.connected_accounts.retrieve(account.id).is_disabled
    with pytest.raises(composio_client.BadRequestError) as refused:
        api.tool_router.session.execute(session.session_id, tool_slug="CONFLUENCE_GET_CURRENT_USER", account="work")
    assert refused.value.body["error"]["code"] == 1803
    assert api.connected_accounts.update_status(account.id, enabled=True).success
    with pytest.raises(composio_client.BadRequestError):
        api.post(f"/api/v3.1/connected_accounts/{account.id}/revoke", cast_to=object)  # newer clients: connected_accounts.revoke
    assert api.connected_accounts.delete(account.id).success


def test_the_catalogue(api):
    (toolkit,) = api.toolkits.list().items
    count = toolkit.meta.tools_count
    assert toolkit.slug == "confluence" and count >= 62
    detail = api.toolkits.retrieve("confluence")
    assert {d.mode for d in detail.auth_config_details} == {"API_KEY", "OAUTH2", "S2S_OAUTH2"}
    assert api.toolkits.retrieve_categories().items
    tools = api.tools.list(toolkit_slug="confluence", limit=9999)
    assert tools.total_items == count
    assert 5 <= api.tools.list(toolkit_slug="confluence", important="true").total_items < count
    one = api.tools.retrieve("CONFLUENCE_GET_PAGE_BY_ID")
    assert one.input_parameters["type"] == "object"
    assert one.slug in api.tools.retrieve_enum()
    with pytest.raises(composio_client.NotFoundError):
        api.tools.retrieve("CONFLUENCE_NO_SUCH_TOOL")


def test_running_a_tool_outside_a_session(api):
    me = api.tools.execute("CONFLUENCE_GET_CURRENT_USER", user_id="user_123", arguments={})
    assert me.successful and me.error is None
    assert me.data["displayName"] == "user_123"


def test_pages_of_a_list(api):
    whole = [t.slug for t in api.tools.list(toolkit_slug="confluence", limit=9999).items]
    seen, cursor, pages = [], None, 0
    while pages == 0 or cursor:
        page = api.tools.list(toolkit_slug="confluence", limit=10, **({"cursor": cursor} if cursor else {}))
        pages += 1
        assert (page.current_page, page.total_items, page.total_pages) == (pages, len(whole), -(-len(whole) // 10))
        seen += [t.slug for t in page.items]
        cursor = page.next_cursor
    assert (seen, pages) == (whole, -(-len(whole) // 10))


def test_a_wrong_key(router):
    with pytest.raises(composio_client.AuthenticationError, match="x-api-key|valid"):
        Composio(api_key="ak_wrong_" + os.urandom(8).hex(), base_url=router.url, max_retries=0).toolkits.list()
