"""The Python SDK's own triggers.subscribe, which can be told no host, led to a router by name and certificate."""

import os
import pathlib
import subprocess
import sys

import pytest

HERE = pathlib.Path(__file__).parent


def test_subscribe():
    done = subprocess.run([HERE.parent / "namespace", sys.executable, HERE / "subscribe.py"], timeout=600)
    if done.returncode == 77 and (os.environ.get("CI") != "true" or os.environ.get("SLUICE_NO_NAMESPACES") == "1"):
        pytest.skip("no namespaces here")
    assert done.returncode != 77, "no namespaces here: SLUICE_NO_NAMESPACES=1 leaves this out where there can be none"
    assert done.returncode == 0
