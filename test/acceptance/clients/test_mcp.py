"""mcp-atlassian as a running server: all of its Confluence tools, with an API token and with OAuth."""

from html.parser import HTMLParser
from urllib.parse import parse_qs, urlsplit

import mcp_tools
import pytest
import requests
from ledger import REPO, named
from mcp_atlassian.utils.oauth import OAuthConfig
from proxy import Proxy
from sandbox import Sandbox

BACK = "http://127.0.0.1/back"

DC = "the client refuses: it takes a site on loopback for Data Center, where this is not"
SERVLET = "401: it reads the download page, which takes no API tokens (since November 2025)"

# By tool, why it does not work.
BASIC = {
    "check_content_permissions": DC,
    "create_page_from_template": DC,
    "download_attachment": SERVLET,
    "download_content_attachments": SERVLET,
    "get_inline_comments": "finds none: what it wrote through v1 as an inline comment became a footer comment, since v1 cannot anchor one",
    "get_page_images": SERVLET,
    "get_page_template": DC,
    "get_page_views": DC,
    "get_space_permissions": DC,
    "list_page_templates": DC,
    "move_page": "404: it posts a form of the old web interface, which is in no document of the cloud",
}

GONE = "410: it uses a v1 call that the gateway no longer has"
SITE = "403: it sends files to the site host with the OAuth token, which only the gateway takes"
VERSION = "it looks for the id of a version, and a version of v2 has its number alone; versions/{id}, which it would call next, is in no document"
NO_FILE = "nothing to read, since nothing could be uploaded"

NOTE = """The same server behind a forward proxy on loopback, with a CA made for the run, on the gateway.
It signs in with its own code: it makes the address of the consent page, exchanges the
code, finds the site, keeps the tokens, and refreshes them before they run out, which
they do here all the time. The test is the person who accepts, and hands the code over:
the callback server of its wizard (`--oauth-setup`) listens on all interfaces of the
machine, which a test does not do."""

OAUTH = {
    "add_label": GONE + ", to read the labels after it has added one",
    "download_attachment": NO_FILE,
    "get_comments": GONE + ", and it takes the refusal for no comments",
    "get_labels": GONE,
    "get_page": GONE + ", when a page is named by title and space",
    "get_page_diff": VERSION,
    "get_page_history": VERSION,
    "get_page_images": NO_FILE,
    "get_space_page_tree": GONE,
    "upload_attachment": SITE,
    "upload_attachments": SITE,
}


class ConsentForm(HTMLParser):
    """The fields of the consent page, as a browser would send them when Accept is clicked."""

    def __init__(self, page, account):
        super().__init__()
        self.fields, self.account, self.select = [("decision", "accept")], account, None
        self.feed(page)

    def handle_starttag(self, tag, attributes):
        given = dict(attributes)
        if tag == "input" and (given["type"] == "hidden" or "checked" in given):
            self.fields.append((given["name"], given["value"]))
        elif tag == "select":
            self.select, self.first = given["name"], True
        elif tag == "option":
            self.option = given["value"]

    def handle_data(self, text):
        if not self.select or not text.strip():
            return
        if text == self.account if self.select == "account" else self.first:
            self.fields.append((self.select, self.option))
        self.first = False

    def handle_endtag(self, tag):
        if tag == "select":
            self.select = None


def sign_in(site, settings, monkeypatch):
    """The client's own sign-in: it makes the address, exchanges the code, finds the site and keeps the tokens; we are the person who clicks."""
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    client = OAuthConfig(client_id=site.client_id, client_secret=site.client_secret, redirect_uri=BACK, scope=" ".join(all_scopes()))
    page = requests.get(client.get_authorization_url(state="s"))
    assert page.status_code == 200, page.text
    answer = requests.post("https://auth.atlassian.com/authorize", data=ConsentForm(page.text, "Visitor").fields, allow_redirects=False)
    back = parse_qs(urlsplit(answer.headers["location"]).query)
    assert back["state"] == ["s"]
    assert client.exchange_code_for_tokens(back["code"][0]), "the client did not get its tokens"
    assert client.cloud_id == site.cloud_id
    return {
        "ATLASSIAN_OAUTH_CLIENT_ID": site.client_id, "ATLASSIAN_OAUTH_CLIENT_SECRET": site.client_secret,
        "ATLASSIAN_OAUTH_REDIRECT_URI": BACK, "ATLASSIAN_OAUTH_SCOPE": client.scope, "ATLASSIAN_OAUTH_CLOUD_ID": client.cloud_id,
    }


def all_scopes():
    table = REPO / "sandbox" / "confluence" / "scopes.txt"
    return sorted({s for line in table.read_text().splitlines() if "\t" in line for s in line.split("\t")[1].split()} - {"|"} | {"offline_access"})


def judge(ledger, listed, answers, refused):
    assert {t for t in listed if t.startswith("confluence_")} == {"confluence_" + t for t in answers}, "a tool was not called"
    seen = {}
    for tool, given in answers.items():
        bad = [str(said)[:300] for wrong, said, _ in given if wrong]
        if bad:
            seen[tool] = bad
        calls = sorted({f"{method} {named(path)}" for _, _, calls in given for method, path, _ in calls if path != "/oauth/token"})
        ledger.rows.append((tool, ", ".join(f"`{c}`" for c in calls) or "—", refused.get(tool, "not explained") if bad else "passes"))
    assert seen.keys() == refused.keys(), "\n".join(f"{t}: {b}" for t, b in seen.items())


@pytest.fixture
def site(tmp_path):
    s = Sandbox(tmp_path)
    yield s
    s.stop()


def test_with_an_api_token(site, ledger_of_its_own, tmp_path):
    settings = {"CONFLUENCE_URL": site.url + "/wiki", "CONFLUENCE_USERNAME": site.email, "CONFLUENCE_API_TOKEN": site.api_token}
    ledger = ledger_of_its_own
    judge(ledger, *mcp_tools.run(tmp_path, settings), BASIC)
    ledger.check("mcp-atlassian 0.23.1 with an API token", "A server on stdio. It takes a site on loopback for Data Center, and keeps its cloud-only tools back.")


def test_with_oauth(tmp_path, ledger_of_its_own, monkeypatch):
    # Tokens that live shorter than the client's margin of five minutes: it refreshes them before each use.
    site = Sandbox(tmp_path, "--oauth-redirect", BACK, "--access-life", "4m")
    proxy = Proxy(tmp_path, site.url)
    settings = {
        # OAuth sessions do not read REQUESTS_CA_BUNDLE; the trust store of the system is moved by SSL_CERT_FILE.
        "HTTPS_PROXY": proxy.url, "REQUESTS_CA_BUNDLE": proxy.ca, "SSL_CERT_FILE": proxy.ca,
        "HOME": str(tmp_path), "PYTHON_KEYRING_BACKEND": "keyring.backends.fail.Keyring", # it keeps the tokens in a file
    }
    try:
        settings |= sign_in(site, settings, monkeypatch)
        signed_in = len(proxy.heard)
        ledger = ledger_of_its_own
        judge(ledger, *mcp_tools.run(tmp_path, settings | {"CONFLUENCE_URL": "https://sandbox.atlassian.net/wiki"}, proxy.heard), OAUTH)
        refreshes = [status for _, path, status in proxy.heard[signed_in:] if path == "/oauth/token"]
        assert refreshes and set(refreshes) == {200}, f"refreshes were answered {refreshes}"
    finally:
        proxy.stop()
        site.stop()
    ledger.check("mcp-atlassian 0.23.1 with OAuth", NOTE)
