"""Fixtures: the sandbox alone, and the record of what a client called."""

import pytest
from ledger import Ledger
from sandbox import Sandbox


def pytest_addoption(parser):
    parser.addoption("--update", action="store_true", help="write what was seen into docs/clients.md")


@pytest.fixture(scope="session")
def sandbox(tmp_path_factory):
    s = Sandbox(tmp_path_factory.mktemp("sandbox"))
    yield s
    s.stop()


@pytest.fixture(scope="session")
def ledger(request):
    return Ledger(update=request.config.getoption("--update"))


@pytest.fixture
def ledger_of_its_own(request):
    return Ledger(update=request.config.getoption("--update"))
