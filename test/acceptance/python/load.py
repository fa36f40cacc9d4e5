"""One application that uses the SDK until its time is over: bench/load runs several of them beside one router.

load.py URL KEY USER says that it is ready, takes for how many seconds to work from its standard input, and says how
many rounds it made, as JSON. It fails at the first thing that is wrong.
"""

import json
import sys
import time

from composio import Composio

ME, SPACES = "CONFLUENCE_GET_CURRENT_USER", "CONFLUENCE_GET_SPACES"


def turn(sdk, user):
    session = sdk.create(user_id=user, toolkits=["confluence"])
    assert len(session.tools()) >= 4
    assert session.toolkits().items[0].slug == "confluence"
    done = session.execute(ME, arguments={})
    assert done.error is None and done.data["displayName"] == user, done
    done = session.execute(SPACES, arguments={"limit": 2})
    assert done.error is None and len(done.data["results"]) == 2, done
    assert session.search(query="add a label to a page").results
    (tool,) = sdk.tools.get_raw_composio_tools(tools=[SPACES])
    done = sdk.tools.execute(SPACES, arguments={"limit": 1}, user_id=user, version=tool.version)
    assert done["successful"], done


def main(url, key, user):
    sdk = Composio(api_key=key, base_url=url, allow_tracking=False)
    print("ready", flush=True)
    end, turns = time.monotonic() + float(sys.stdin.readline()), 0
    while turns == 0 or time.monotonic() < end:
        turn(sdk, user)
        turns += 1
    print(json.dumps({"turns": turns}))


if __name__ == "__main__":
    main(*sys.argv[1:])
