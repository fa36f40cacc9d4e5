"""A site that is kept in a file, killed without warning."""

import json
import pathlib
import time

import requests
from sandbox import Sandbox


def ask(site, method, path, **more):
    answer = requests.request(method, site.url + path, auth=(site.email, site.api_token), timeout=30, **more)
    assert answer.status_code < 300, answer.text
    return answer.json()


def test_a_killed_site_is_there_again(tmp_path):
    file = tmp_path / "site.json"
    flags = ["--file", str(file), "--pages", "1000", "--oauth-redirect", "http://127.0.0.1/back"]
    first = Sandbox(tmp_path, *flags)
    space = ask(first, "GET", "/wiki/api/v2/spaces?keys=MKT")["results"][0]["id"]
    for i in range(20):
        body = {"representation": "storage", "value": f"<p>Kept {i}</p>"}
        made = ask(first, "POST", "/wiki/api/v2/pages", json={"spaceId": space, "title": f"Kept {i}", "body": body})["id"]
    until = time.monotonic() + 60
    while not (file.exists() and "Kept 19" in file.read_text()):
        assert time.monotonic() < until, "the last page was never written to the file"
        time.sleep(0.05)
    first.process.kill()
    first.process.wait(30)
    json.loads(file.read_text())
    assert [p.name for p in pathlib.Path(tmp_path).glob("*.json")] == ["site.json"]
    again = Sandbox(tmp_path, *flags)
    try:
        assert (again.api_token, again.client_id, again.client_secret) == (first.api_token, first.client_id, first.client_secret)
        assert ask(again, "GET", f"/wiki/api/v2/pages/{made}?body-format=storage")["body"]["storage"]["value"] == "<p>Kept 19</p>"
        found = ask(again, "GET", "/wiki/rest/api/search", params={"cql": 'title ~ "Kept"', "limit": 100})
        assert found["totalSize"] >= 20
    finally:
        again.stop()
