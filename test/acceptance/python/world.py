"""What the tests of the SDK share: a router, a site that is a process of its own, and a person who consents there.
Answers must be exactly of the SDK's types."""

import composio_client
import pytest
from composio import Composio, exceptions
from conftest import Router
from person import Person, Site, free_port

BACK = "https://app.example.com/back?step=2"
ME = "CONFLUENCE_GET_CURRENT_USER"
ANN = "Visitor"  # accounts of the site, by the names on its consent page


class World:
    """A router, a site, and the site's app as an auth config."""

    def __init__(self, home):
        # Nothing answers at the site yet: its app is registered with what the auth config says.
        port = free_port()
        at = f"http://127.0.0.1:{port}"
        self.router = Router(home / "router", "--log-level", "error", SLUICE_UPSTREAM_ALLOW="127.0.0.0/8")
        try:
            self.sdk = Composio(api_key=self.router.key, base_url=self.router.url, allow_tracking=False)
            self.sdk.client._strict_response_validation = True  # the generated client's own switch
            self.endpoints = {"authorization_url": at + "/authorize", "token_url": at + "/oauth/token", "api_url": at}
            self.config = self.app("team", client_id="later", client_secret="later")
            redirect = self.sdk.auth_configs.get(self.config).credentials["oauth_redirect_uri"]
            self.site = Site(home / "site", port, redirect)
        except BaseException:
            self.router.stop()
            raise
        self.credentials = {"client_id": self.site.client_id, "client_secret": self.site.client_secret}
        self.sdk.auth_configs.update(self.config, options={"type": "custom", "credentials": self.credentials})
        self.typed = {"subdomain": "sandbox", "base_url": at, "generic_id": self.site.email, "generic_api_key": self.site.api_token}

    def app(self, name, tools=None, **credentials):
        options = {"type": "use_custom_auth", "auth_scheme": "OAUTH2", "name": name, "credentials": self.endpoints | credentials}
        if tools:
            options["tool_access_config"] = {"tools_available_for_execution": tools}
        return self.sdk.auth_configs.create("confluence", options).id

    def keys(self):
        """A config whose users enter API tokens."""
        options = {"type": "use_custom_auth", "auth_scheme": "API_KEY", "credentials": {}}
        return self.sdk.auth_configs.create("confluence", options).id

    def person(self):
        return Person(self.router.url, self.site.url)

    def consented(self, user, account, config=None, alias=None):
        """An account of the user, connected by consent as an account of the site."""
        request = self.sdk.connected_accounts.link(user, config or self.config, allow_multiple=True, alias=alias)
        _, page = self.person().connect(request.redirect_url, account, subdomain="sandbox")
        assert "Confluence is connected" in page.text, page.text
        return request.wait_for_connection(timeout=5)

    def session(self, user, **options):
        return self.sdk.create(user_id=user, toolkits=["confluence"], **{"auth_configs": {"confluence": self.config}} | options)

    def stop(self):
        self.site.stop()
        self.router.stop()


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    w = World(tmp_path_factory.mktemp("world"))
    yield w
    w.stop()


@pytest.fixture
def accounts(world):
    return world.sdk.connected_accounts


@pytest.fixture
def configs(world):
    return world.sdk.auth_configs


def runs_as(session, **how):
    return session.execute(ME, arguments={}, **how).data["displayName"]


def refused(call, code=1803):
    """What the SDK raises for a refusal, after checking its code."""
    with pytest.raises(composio_client.BadRequestError) as raised:
        call()
    assert isinstance(raised.value, exceptions.ComposioError)
    error = raised.value.body["error"]
    assert error["code"] == code
    return error
