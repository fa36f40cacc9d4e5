"""Fixtures: the real binary, serving the sandbox, on a free port."""

import os
import pathlib
import re
import subprocess

import pytest

from model_server import ModelServer

REPO = pathlib.Path(__file__).resolve().parents[3]
SHARED = REPO.parent / "shared"


def pytest_report_header():
    return f"binary: {os.environ.get('SLUICE_BINARY', '(SLUICE_BINARY is not set)')}"


class Router:
    """A running `sluice serve` in a home of its own, with the sandbox unless other flags are given."""

    def __init__(self, home, *flags, binary=None, **settings):
        flags = flags or ("--sandbox",)
        self.key = "ak_acceptance_" + os.urandom(16).hex()
        environment = {k: v for k, v in os.environ.items() if not k.startswith(("SLUICE_", "COMPOSIO_", "OPENAI_"))}
        environment |= {"SLUICE_HOME": str(home), "SLUICE_API_KEY": self.key, "SLUICE_ADDR": "127.0.0.1:0"} | settings
        self.process = subprocess.Popen(
            [binary or os.environ["SLUICE_BINARY"], "serve", *flags],
            env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )
        self.url = self.sandbox_url = ""
        for line in self.process.stdout:
            if m := re.search(r"listens on (\S+)", line):
                self.url = m[1]
            if m := re.search(r"Sandbox Confluence on (\S+)", line):
                self.sandbox_url = m[1]
            if m := re.search(r"sign in as (\S+) with the API token (\S+)", line):
                self.sandbox_user, self.sandbox_token = m[1], m[2]
            if "COMPOSIO_BASE_URL=" in line:
                break
        assert self.url and (self.sandbox_url or "--sandbox" not in flags), "the router did not start"

    def stop(self):
        self.process.terminate()
        self.process.stdout.read()
        assert self.process.wait(30) == 0, "the router did not stop cleanly"


@pytest.fixture
def router(tmp_path):
    r = Router(tmp_path / "home")
    yield r
    r.stop()


@pytest.fixture
def thinking(tmp_path):
    """A router with a model for texts and a key for its operator."""
    with ModelServer() as model:
        operator = "oak_acceptance_" + os.urandom(16).hex()
        r = Router(
            tmp_path / "home", SLUICE_MODEL="openai-chat:scripted", SLUICE_MODEL_BASE_URL=model.url,
            SLUICE_OPERATOR_KEY=operator, SLUICE_UPSTREAM_ALLOW="127.0.0.0/8",
        )
        r.operator = operator
        yield r
        r.stop()
