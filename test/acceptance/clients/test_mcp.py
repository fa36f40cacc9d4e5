"""mcp-atlassian as a running server: all of its Confluence tools, with an API token and with OAuth."""

import re

import mcp_tools
import pytest
import requests
from ledger import REPO, named
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


def oauth_token(sandbox, scopes):
    """Signs in as people do: asks for consent, accepts it, changes the code for a token."""
    asked = {
        "client_id": sandbox.client_id, "scope": " ".join(scopes), "redirect_uri": BACK, "state": "s",
        "response_type": "code", "audience": "api.atlassian.com", "prompt": "consent",
    }
    page = requests.get(sandbox.url + "/authorize", params=asked).text
    account = re.search(r'<option value="([^"]+)"[^>]*>Visitor', page)[1]
    answer = requests.post(sandbox.url + "/authorize", data={**asked, "account": account, "decision": "accept"}, allow_redirects=False)
    code = re.search(r"[?&]code=([^&]+)", answer.headers["location"])[1]
    secret = {"client_id": sandbox.client_id, "client_secret": sandbox.client_secret}
    answer = requests.post(sandbox.url + "/oauth/token", json={"grant_type": "authorization_code", "code": code, "redirect_uri": BACK, **secret})
    return answer.json()["access_token"]


def all_scopes():
    table = REPO / "sandbox" / "confluence" / "scopes.txt"
    return sorted({s for line in table.read_text().splitlines() if "\t" in line for s in line.split("\t")[1].split()})


def judge(ledger, listed, answers, refused):
    assert {t for t in listed if t.startswith("confluence_")} == {"confluence_" + t for t in answers}, "a tool was not called"
    seen = {}
    for tool, given in answers.items():
        bad = [str(said)[:300] for wrong, said, _ in given if wrong]
        if bad:
            seen[tool] = bad
        calls = sorted({f"{method} {named(path)}" for _, _, calls in given for method, path, _ in calls})
        ledger.rows.append((tool, ", ".join(f"`{c}`" for c in calls) or "—", refused.get(tool, "not explained") if bad else "passes"))
    assert seen.keys() == refused.keys(), "\n".join(f"{t}: {b}" for t, b in seen.items())


@pytest.fixture
def site(tmp_path):
    s = Sandbox(tmp_path, "--oauth-redirect", BACK)
    yield s
    s.stop()


def test_with_an_api_token(site, ledger_of_its_own, tmp_path):
    settings = {"CONFLUENCE_URL": site.url + "/wiki", "CONFLUENCE_USERNAME": site.email, "CONFLUENCE_API_TOKEN": site.api_token}
    ledger = ledger_of_its_own
    judge(ledger, *mcp_tools.run(tmp_path, settings), BASIC)
    ledger.check("mcp-atlassian 0.23.1 with an API token", "A server on stdio. It takes a site on loopback for Data Center, and keeps its cloud-only tools back.")


def test_with_oauth(site, ledger_of_its_own, tmp_path):
    proxy = Proxy(tmp_path, site.url)
    settings = {
        "CONFLUENCE_URL": "https://sandbox.atlassian.net/wiki", "ATLASSIAN_OAUTH_CLOUD_ID": site.cloud_id,
        "ATLASSIAN_OAUTH_ACCESS_TOKEN": oauth_token(site, all_scopes()),
        # OAuth sessions do not read REQUESTS_CA_BUNDLE; the trust store of the system is moved by SSL_CERT_FILE.
        "HTTPS_PROXY": proxy.url, "REQUESTS_CA_BUNDLE": proxy.ca, "SSL_CERT_FILE": proxy.ca,
    }
    try:
        ledger = ledger_of_its_own
        judge(ledger, *mcp_tools.run(tmp_path, settings, proxy.heard), OAUTH)
    finally:
        proxy.stop()
    ledger.check("mcp-atlassian 0.23.1 with OAuth", "The same server behind a forward proxy on loopback, with a CA made for the run, on the gateway.")
