"""Runs in test/acceptance/namespace: the Python SDK's own triggers.subscribe, unmodified, against a router on port 443."""

import json
import os
import pathlib
import queue
import sys
import tempfile
import urllib.request

from composio import Composio
from conftest import Router

TYPE = "CONFLUENCE_FOOTER_COMMENT_ADDED_TRIGGER"
SHORT = "<p>Short</p>"
LONG = "<p>" + "A long comment, which Pusher's protocol cuts. " * 500 + "</p>"


def send(router, method, path, body):
    request = urllib.request.Request(router.url + "/api/v3.1" + path, json.dumps(body).encode(), method=method)
    request.add_header("x-api-key", router.key)
    request.add_header("content-type", "application/json")
    with urllib.request.urlopen(request, timeout=60) as answer:
        return json.loads(answer.read())


def run(router, tool, **arguments):
    done = send(router, "POST", f"/tools/execute/{tool}", {"user_id": "ann", "arguments": arguments, "version": "latest"})
    assert done["successful"], done
    return done["data"]


def storage(value):
    return {"storage": {"value": value, "representation": "storage"}}


def main(home):
    settings = {k: os.environ[k] for k in ("SLUICE_ADDR", "SLUICE_TLS_CERT", "SLUICE_TLS_KEY")}
    router = Router(home, "--quick", binary=os.environ["SLUICE_QUICK_BINARY"], **settings)
    try:
        page = run(router, "CONFLUENCE_CREATE_PAGE", title="Watched", spaceId="MKT", body=storage("<p>x</p>"))["id"]
        trigger = send(router, "POST", f"/trigger_instances/{TYPE}/upsert", {"user_id": "ann", "trigger_config": {"pageId": page}})["trigger_id"]
        sdk = Composio(api_key=router.key, base_url=router.url, allow_tracking=False)
        told = queue.Queue()
        subscription = sdk.triggers.subscribe(timeout=120)

        @subscription.handle(trigger_slug=TYPE, user_id="ann")
        def _(event):
            told.put(event)

        # It says when it has asked, not when it is subscribed: comments are made until one is told.
        event = None
        for _ in range(60):
            run(router, "CONFLUENCE_CREATE_FOOTER_COMMENT", pageId=page, body=storage(SHORT))
            try:
                event = told.get(timeout=2)
                break
            except queue.Empty:
                continue
        assert event is not None, "no event comes"
        assert event["payload"]["change"]["comment"]["body"]["storage"]["value"] == SHORT
        assert (event["id"], event["trigger_slug"], event["toolkit_slug"], event["user_id"]) == (trigger, TYPE, "confluence", "ann")
        run(router, "CONFLUENCE_CREATE_FOOTER_COMMENT", pageId=page, body=storage(LONG))
        while event["payload"]["change"]["comment"]["body"]["storage"]["value"] == SHORT:
            event = told.get(timeout=120)
        assert event["payload"]["change"]["comment"]["body"]["storage"]["value"] == LONG
        subscription.stop()
    finally:
        router.stop()


if __name__ == "__main__":
    sys.path.insert(0, str(pathlib.Path(__file__).parent))
    with tempfile.TemporaryDirectory() as folder:
        main(folder)
