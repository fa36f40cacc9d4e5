"""The generated client that is released: every method, under strict response validation."""

import composio_client
from composio_client import Composio
from generated import Recorder, every_call

# Answered with an error that says what to do instead: nothing of the kind exists on one's own server.
REFUSED = {"cli.create_session": 403, "cli.get_session": 403}


def test_every_method(thinking):
    r = Recorder(thinking, lambda **how: Composio(api_key=thinking.key, **how), REFUSED)
    every_call(r)
    r.keep("composio-client (Python)", composio_client.__version__, "python-composio-client.json")
