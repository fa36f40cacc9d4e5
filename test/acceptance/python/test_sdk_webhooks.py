"""The Python SDK verifies what a real router posts: every version of the body, and nothing that was tampered with."""

import base64
import http.server
import json
import queue
import threading
import urllib.request

import pytest
from composio import Composio, exceptions
from conftest import Router

TYPE = "CONFLUENCE_PAGE_CREATED_TRIGGER"


@pytest.fixture
def receiver():
    """An application's endpoint, which keeps what arrives."""
    arrived = queue.Queue()

    class Endpoint(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["content-length"])).decode()
            arrived.put(({k.lower(): v for k, v in self.headers.items()}, body))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Endpoint)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    server.arrived = arrived
    yield server
    server.shutdown()


@pytest.fixture
def open_router(tmp_path):
    r = Router(tmp_path / "home", "--sandbox", SLUICE_UPSTREAM_ALLOW="127.0.0.0/8")
    yield r
    r.stop()


def send(router, method, path, body):
    request = urllib.request.Request(router.url + "/api/v3.1" + path, json.dumps(body).encode(), method=method)
    request.add_header("x-api-key", router.key)
    request.add_header("content-type", "application/json")
    with urllib.request.urlopen(request, timeout=60) as answer:
        return json.loads(answer.read())


def test_every_version_is_verified(open_router, receiver):
    sdk = Composio(api_key=open_router.key, base_url=open_router.url, allow_tracking=False)
    made = send(open_router, "POST", "/webhook_subscriptions", {
        "webhook_url": f"http://127.0.0.1:{receiver.server_port}/hooks", "enabled_events": ["composio.trigger.message"], "version": "V1",
    })
    for version in ("V1", "V2", "V3"):
        send(open_router, "PATCH", f"/webhook_subscriptions/{made['id']}", {"version": version})
        event = send(open_router, "POST", "/sluice/triggers/test", {"trigger": TYPE, "user_id": "ann"})
        header, body = receiver.arrived.get(timeout=120)
        given = {
            "id": header["webhook-id"], "payload": body, "secret": made["secret"],
            "signature": header["webhook-signature"], "timestamp": header["webhook-timestamp"],
        }
        assert header["x-composio-webhook-version"] == version
        assert json.loads(body)["metadata"]["test"] is True if version == "V3" else json.loads(body)["test"] is True

        verified = sdk.triggers.verify_webhook(**given)
        assert str(getattr(verified["version"], "value", verified["version"])) == version
        assert verified["payload"]["trigger_slug"].upper() == TYPE
        assert event["message_id"] == header["webhook-id"]

        parsed = sdk.triggers.parse(body=body, headers=header, verify_secret=made["secret"])
        assert parsed["payload"] == verified["payload"]

        forged = base64.b64encode(b"\0" * 32).decode()
        for wrong in (
            {"payload": body.replace("Q3 Planning", "Q4 Planning")}, {"secret": made["secret"] + "x"}, {"id": "msg_another"},
            {"signature": "v1," + forged}, {"timestamp": "1"},
        ):
            assert given | wrong != given
            with pytest.raises(exceptions.ComposioError):
                sdk.triggers.verify_webhook(**given | wrong)
