"""schemathesis against our own OpenAPI document: no request may be answered by a 5xx, by a status or type that the
document does not have, or by a body that is not of its schema. SCHEMA_SECONDS says how long it looks."""

import json
import os
import pathlib
import subprocess
import sys

import pytest
import requests
from conftest import Router

CHECKS = [
    "not_a_server_error", "status_code_conformance", "content_type_conformance", "response_headers_conformance",
    "response_schema_conformance", "ignored_auth", "unsupported_method",
]  # fmt: skip


class World:
    """A project that has one of everything, so that requests get behind the first look-up."""

    def __init__(self, router):
        self.router, self.session = router, requests.Session()
        self.session.headers["x-api-key"] = router.key

    def post(self, path, body=None):
        answer = self.session.post(self.router.url + "/api/v3.1" + path, json=body or {})
        assert answer.ok, (path, answer.status_code, answer.text)
        return answer.json()

    def get(self, path):
        answer = self.session.get(self.router.url + "/api/v3.1" + path)
        assert answer.ok, (path, answer.status_code, answer.text)
        return answer.json()

    def make(self):
        """The values of path parameters, by the beginning of the path. Each call makes new things."""
        opened = self.post("/tool_router/session", {"user_id": "ann"})["session_id"]
        self.post(f"/tool_router/session/{opened}/execute", {"tool_slug": "CONFLUENCE_GET_CURRENT_USER"})  # connects her
        config = {"type": "use_custom_auth", "authScheme": "API_KEY"}
        config = self.post("/auth_configs", {"toolkit": {"slug": "confluence"}, "auth_config": config})["auth_config"]["id"]
        account = self.post("/connected_accounts/link", {"auth_config_id": config, "user_id": "ben"})["connected_account_id"]
        anns = self.get("/connected_accounts?user_ids=ann&statuses=ACTIVE")["items"][0]["id"]
        slug = "CONFLUENCE_PAGE_CREATED_TRIGGER"
        wanted = {"connected_account_id": anns, "trigger_config": {"status": "current"}}
        trigger = self.post(f"/trigger_instances/{slug}/upsert", wanted)["trigger_id"]
        known = self.get("/webhook_subscriptions")["items"]
        hook = {"webhook_url": "https://app.example/hook", "enabled_events": ["composio.trigger.message"]}
        hook = known[0]["id"] if known else self.post("/webhook_subscriptions", hook)["id"]
        self.post("/sluice/triggers/test", {"trigger": trigger})
        event = self.get("/sluice/events")["items"][0]["id"]
        server = self.post("/mcp/servers", {"name": f"server {os.urandom(4).hex()}", "auth_config_ids": [config]})["id"]
        log = self.get("/sluice/executions")["items"][0]["id"] if "/api/v3.1/sluice/executions" in self.document["paths"] else ""
        return {
            "/tool_router/session/": {"session_id": opened, "mount_id": "files"},
            "/auth_configs/": {"nanoid": config},
            "/connected_accounts/": {"nanoid": account, "nanoId": account},
            "/trigger_instances/manage/": {"triggerId": trigger},
            "/trigger_instances/{slug}": {"slug": slug},
            "/triggers_types/": {"slug": slug},
            "/webhook_subscriptions/": {"id": hook},
            "/sluice/events/": {"id": event},
            "/mcp/servers/": {"serverId": server, "instanceId": "ann"},
            "/mcp/app/": {"appKey": "confluence"},
            "/mcp/": {"id": server},
            "/toolkits/": {"slug": "confluence"},
            "/tools/": {"tool_slug": "CONFLUENCE_GET_SPACES", "slug": "CONFLUENCE_GET_SPACES"},
            "/logs/tool_execution/": {"id": log},
        }

    def configuration(self, document):
        """schemathesis.toml: the parameters of each operation. What deletes or ends things gets things of its own."""
        self.document = document
        kept = self.make()
        own, lines = {}, ["[generation]", "max-examples = 100000", "[phases.stateful]", "enabled = false"]
        for path, operations in document["paths"].items():
            for method in operations:
                if method == "parameters":
                    continue
                ends = method == "delete" or path.endswith(("/revoke", "/delete"))
                if ends and not own:
                    own = self.make()
                known = own if ends else kept
                start = next((s for s in known if path.removeprefix("/api/v3.1").startswith(s)), None)
                if start is None or "{" not in path:
                    continue
                lines += ["[[operations]]", f'include-name = "{method.upper()} {path}"', "[operations.parameters]"]
                lines += [f'"path.{name}" = {json.dumps(v)}' for name, v in known[start].items() if v and f"{{{name}}}" in path]
        return "\n".join(lines)


@pytest.mark.skipif("SCHEMA_SECONDS" not in os.environ, reason="test/acceptance/run schema runs it")
def test_schema(tmp_path):
    router = Router(tmp_path / "home", "--sandbox", "--log-level", "error")
    try:
        document = requests.get(router.url + "/openapi.json").json()
        # One of two ways to give the key; a request that uses both is refused.
        document["security"], document["components"]["securitySchemes"] = [{"ApiKey": []}], {
            "ApiKey": document["components"]["securitySchemes"]["ApiKey"],
        }
        # Streams have no end, and what revokes the key in use ends the test.
        for path in [p for p in document["paths"] if p.endswith(("/stream", "/api_key_revocation"))]:
            del document["paths"][path]
        (tmp_path / "openapi.json").write_text(json.dumps(document))
        (tmp_path / "schemathesis.toml").write_text(World(router).configuration(document))
        seconds = os.environ["SCHEMA_SECONDS"]
        command = [
            str(pathlib.Path(sys.executable).parent / "schemathesis"), "--config-file", "schemathesis.toml", "run", "openapi.json",
            "--url", router.url, "-H", f"x-api-key: {router.key}", "--checks", ",".join(CHECKS),
            "--phases", "examples,coverage,fuzzing", "--max-time", seconds, "--continue-on-failure", "--workers", "1",
            "--request-timeout", "60", "--warnings", "off", "--no-color",
        ]  # fmt: skip
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=4 * int(seconds) + 120)
        assert router.process.poll() is None, "the router ended"
        assert done.returncode == 0, (done.stdout[-20000:] + done.stderr[-2000:]).replace(router.key, "…")
        print(done.stdout[-1200:])
    finally:
        router.stop()
