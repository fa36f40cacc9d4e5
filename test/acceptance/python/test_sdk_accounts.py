"""The Python SDK as applications use it: auth configs, connected accounts, and sessions over them, with a
person who consents on the page of a site that is a process of its own. Answers must be exactly of the SDK's types."""

import warnings
from urllib.parse import parse_qs, urlsplit

import composio_client
import pytest
from composio import exceptions
from world import ANN, BACK, ME, accounts, configs, refused, runs_as, world  # noqa: F401 (fixtures among them)


def test_auth_configs(world, configs):
    made = configs.create("confluence", {
        "type": "use_custom_auth", "auth_scheme": "OAUTH2", "name": "second", "is_enabled_for_tool_router": False,
        "credentials": world.endpoints | {"client_id": "app-2", "client_secret": "hidden-81", "scopes": ["read:page:confluence"]},
    })
    assert (made.auth_scheme, made.is_composio_managed) == ("OAUTH2", False)
    got = configs.get(made.id)
    assert (got.id, got.name, got.status, got.type, got.toolkit.slug) == (made.id, "second", "ENABLED", "custom", "confluence")
    assert got.credentials["client_id"] == "app-2" and got.credentials["scopes"] == ["read:page:confluence"]
    assert got.is_enabled_for_tool_router is False and "hidden-81" not in got.to_json()
    assert [c.id for c in configs.list(toolkit_slug="confluence", search="second").items] == [made.id]

    configs.update(made.id, options={
        "type": "custom", "is_enabled_for_tool_router": True, "tool_access_config": {"tools_available_for_execution": [ME]},
        "credentials": {"client_id": "app-3"},
    })
    got = configs.get(made.id)
    assert (got.credentials["client_id"], got.is_enabled_for_tool_router) == ("app-3", True)
    assert got.tool_access_config.tools_available_for_execution == [ME]

    configs.disable(made.id)
    assert configs.get(made.id).status == "DISABLED"
    assert made.id not in {c.id for c in configs.list().items}
    assert made.id in {c.id for c in configs.list(show_disabled=True).items}
    configs.enable(made.id)
    assert configs.get(made.id).status == "ENABLED"
    configs.delete(made.id)
    with pytest.raises(composio_client.NotFoundError):
        configs.get(made.id)
    with pytest.raises(composio_client.BadRequestError, match="client_secret"):
        configs.create("confluence", {"type": "use_custom_auth", "auth_scheme": "OAUTH2", "credentials": {"client_id": "app-4"}})


def test_authorizing_a_toolkit_of_a_session(world, accounts):
    session = world.session("ann")
    (toolkit,) = session.toolkits().items
    assert (toolkit.connection.is_active, toolkit.connection.connected_account) == (False, None)

    error = refused(lambda: session.execute(ME, arguments={}))
    assert f"{world.router.url}/link/lt_" in error["suggested_fix"]

    request = session.authorize("confluence", callback_url=BACK, alias="work")
    assert request.status == "INITIATED" and request.redirect_url.startswith(f"{world.router.url}/link/lt_")
    with pytest.raises(exceptions.ComposioSDKTimeoutError):
        request.wait_for_connection(timeout=0.01)
    waiting = accounts.get(request.id)
    assert (waiting.status, waiting.state.val.status) == ("INITIATED", "INITIALIZING")
    end, page = world.person().connect(request.redirect_url, ANN, subdomain="sandbox")
    assert page is None and end.startswith("https://app.example.com/back?")
    assert parse_qs(urlsplit(end).query) == {
        "step": ["2"], "status": ["success"], "connected_account_id": [request.id], "connectedAccountId": [request.id], "appName": ["confluence"],
    }

    account = request.wait_for_connection(timeout=5)
    assert request.status == "ACTIVE"
    assert (account.id, account.status, account.user_id, account.alias) == (request.id, "ACTIVE", "ann", "work")
    assert account.is_disabled is False and account.word_id.startswith("confluence_")
    assert (account.auth_config.id, account.auth_config.auth_scheme) == (world.config, "OAUTH2")
    assert account.state.auth_scheme == "OAUTH2"
    state = account.state.val
    assert (state.status, state.token_type, state.access_token, state.refresh_token) == ("ACTIVE", "Bearer", "REDACTED", "REDACTED")
    assert "read:page:confluence" in state.scope and 0 < state.expires_in <= 3600

    assert runs_as(session) == ANN
    (toolkit,) = session.toolkits(is_connected=True).items
    assert toolkit.connection.is_active
    assert (toolkit.connection.connected_account.id, toolkit.connection.connected_account.status) == (account.id, "ACTIVE")
    assert (toolkit.connection.auth_config.id, toolkit.connection.auth_config.mode) == (world.config, "OAUTH2")
    with pytest.raises(exceptions.ComposioMultipleConnectedAccountsError):
        accounts.link("ann", world.config)


def test_a_person_who_does_not_consent(world, accounts):
    request = accounts.link("ben", world.config, callback_url=BACK)
    person = world.person()
    _, page = person.connect(request.redirect_url, ANN, decision="cancel", subdomain="sandbox")
    assert page is not None and "app.example.com" in page.text
    with pytest.raises(exceptions.SDKError, match="FAILED"):
        request.wait_for_connection(timeout=5)
    end, _ = person.connect(request.redirect_url, ANN, subdomain="sandbox")
    assert parse_qs(urlsplit(end).query)["status"] == ["success"]
    assert request.wait_for_connection(timeout=5).status == "ACTIVE"


def test_initiating_with_consent(world, accounts):
    request = accounts.initiate("cleo", world.config, callback_url=BACK, alias="own")
    assert request.status == "INITIATED" and request.redirect_url
    end, _ = world.person().connect(request.redirect_url, "Priya Nair", subdomain="sandbox")
    assert parse_qs(urlsplit(end).query)["connected_account_id"] == [request.id]
    assert accounts.wait_for_connection(request.id, timeout=5).alias == "own"
    assert runs_as(world.session("cleo")) == "Priya Nair"
    with pytest.raises(exceptions.ComposioMultipleConnectedAccountsError):
        accounts.initiate("cleo", world.config)


def test_initiating_with_a_token(world, accounts):
    from composio.core.models.connected_accounts import auth_scheme

    config = world.keys()
    wrong = auth_scheme.api_key(world.typed | {"generic_api_key": "no-token-of-anybody"})
    with pytest.raises(composio_client.BadRequestError) as raised:
        accounts.initiate("dora", config, config=wrong)
    assert "no-token-of-anybody" not in str(raised.value.body)
    request = accounts.initiate("dora", config, config=auth_scheme.api_key(world.typed))
    assert request.status == "ACTIVE"
    account = request.wait_for_connection(timeout=5)
    assert account.state.auth_scheme == "API_KEY" and account.state.val.status == "ACTIVE"
    assert world.site.api_token not in account.to_json()
    assert runs_as(world.session("dora", auth_configs={"confluence": config})) == "Visitor"
    accounts.update(account.id, alias="typed", connection={"state": auth_scheme.api_key(world.typed)})
    assert accounts.get(account.id).alias == "typed"
    with pytest.raises(exceptions.ComposioConnectedAccountRevocationNotSupportedError):
        accounts.revoke(account.id)


def test_entering_a_token_on_the_page(world, accounts):
    config = world.keys()
    request = accounts.link("emil", config, callback_url=BACK)
    end, page = world.person().enter(request.redirect_url, **{f"field-{k}": v for k, v in world.typed.items()})
    assert page is None and parse_qs(urlsplit(end).query)["status"] == ["success"], page and page.text
    assert request.wait_for_connection(timeout=5).state.auth_scheme == "API_KEY"


def test_an_account_that_is_off(world, accounts):
    account = world.consented("fay", ANN)
    session = world.session("fay")
    assert accounts.disable(account.id).success
    assert accounts.get(account.id).is_disabled is True
    error = refused(lambda: session.execute(ME, arguments={}))
    assert "disabled" in error["message"] + error["suggested_fix"]
    assert accounts.enable(account.id).success
    assert accounts.get(account.id).is_disabled is False
    assert runs_as(session) == ANN


def test_an_auth_config_that_is_off(world, accounts, configs):
    config = world.app("off", **world.credentials)
    world.consented("gil", ANN, config)
    session = world.session("gil", auth_configs={"confluence": config})
    assert runs_as(session) == ANN
    configs.disable(config)
    assert config in str(refused(lambda: session.execute(ME, arguments={})))
    for connecting in (lambda: session.authorize("confluence"), lambda: accounts.link("gil", config, allow_multiple=True)):
        with pytest.raises(composio_client.BadRequestError, match="disabled"):
            connecting()
    configs.enable(config)
    assert runs_as(session) == ANN
    configs.update(config, options={"type": "custom", "tool_access_config": {"tools_available_for_execution": ["CONFLUENCE_GET_SPACES"]}})
    with pytest.raises(composio_client.PermissionDeniedError):
        session.execute(ME, arguments={})
    assert session.execute("CONFLUENCE_GET_SPACES", arguments={"limit": 1}).result_type == "completed"


def test_refreshing_and_revoking(world, accounts):
    account = world.consented("hal", ANN)
    session = world.session("hal")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", exceptions.ComposioDeprecationWarning)
        assert accounts.refresh(account.id).status == "ACTIVE"
    assert runs_as(session) == ANN

    assert accounts.revoke(account.id).connected_account.status == "REVOKED"
    with pytest.raises(exceptions.ComposioConnectedAccountNotRevokableError):
        accounts.revoke(account.id)
    with pytest.raises(exceptions.SDKError, match="REVOKED"):
        accounts.wait_for_connection(account.id, timeout=5)
    error = refused(lambda: session.execute(ME, arguments={}))
    link = next(w for w in error["suggested_fix"].split() if "/link/" in w)
    _, page = world.person().connect(link, ANN)
    assert "Confluence is connected" in page.text
    assert runs_as(session) == ANN

    assert accounts.delete(account.id).success
    with pytest.raises(composio_client.NotFoundError):
        accounts.get(account.id)


def test_several_accounts(world, accounts):
    first = world.consented("ida", "Priya Nair", alias="first")
    second = world.consented("ida", ANN, alias="second")
    other = world.consented("not ida", ANN)
    listed = accounts.list(user_ids=["ida"], toolkit_slugs=["confluence"], auth_config_ids=[world.config], statuses=["ACTIVE"])
    assert {a.id for a in listed.items} == {first.id, second.id}
    assert {(a.alias, a.status, a.is_disabled, a.state.val.status) for a in listed.items} == {
        ("first", "ACTIVE", False, "ACTIVE"), ("second", "ACTIVE", False, "ACTIVE"),
    }

    assert runs_as(world.session("ida")) == ANN  # the newest
    pinned = world.session("ida", connected_accounts={"confluence": first.id})
    assert runs_as(pinned) == "Priya Nair"
    assert pinned.toolkits().items[0].connection.connected_account.id == first.id
    with pytest.raises(composio_client.BadRequestError):
        world.session("ida", connected_accounts={"confluence": other.id})

    asks = world.session("ida", multi_account={"enable": True, "require_explicit_selection": True})
    with pytest.raises(composio_client.BadRequestError) as raised:
        asks.execute(ME, arguments={})
    assert first.id in str(raised.value.body) and second.id in str(raised.value.body)
    assert runs_as(asks, account="first") == runs_as(asks, account=first.word_id) == "Priya Nair"
    assert runs_as(asks, account=second.id) == ANN
    with pytest.raises(composio_client.NotFoundError):
        runs_as(asks, account=other.id)

    accounts.disable(first.id)
    refused(lambda: runs_as(pinned))


def test_authorizing_without_a_session(world):
    newest = world.app("newest", **world.credentials)
    request = world.sdk.toolkits.authorize(user_id="kim", toolkit="confluence")
    _, page = world.person().connect(request.redirect_url, ANN, subdomain="sandbox")
    assert "Confluence is connected" in page.text
    assert request.wait_for_connection(timeout=5).auth_config.id == newest
    done = world.sdk.tools.execute(ME, arguments={}, user_id="kim", dangerously_skip_version_check=True)
    assert done["successful"] and done["data"]["displayName"] == ANN
