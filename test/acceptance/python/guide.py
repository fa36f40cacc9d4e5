"""The guide's own script, cut out of the shared guide when a test needs it."""

import ast
import html

from conftest import SHARED

BEGIN, END = "import asyncio", "asyncio.run(main())"


def script():
    """The "Complete Code" of the guide, as it stands there."""
    text = (SHARED / "seed.txt").read_text()
    complete = text[text.index("Here's the complete code"):]
    code = html.unescape(complete[complete.index(BEGIN):complete.index(END) + len(END)]) + "\n"
    ast.parse(code)  # the cut is a whole program
    return code


def mended():
    """The script with its one mistake mended: COMPOSIO_API_KEY is never defined."""
    code = script()
    assert code.count('{"x-api-key": COMPOSIO_API_KEY}') == 1
    return code.replace('{"x-api-key": COMPOSIO_API_KEY}', '{"x-api-key": api_key}')


def modern():
    """The mended script on pydantic-ai 2, whose MCP client has another name."""
    code = mended()
    assert code.count("MCPServerStreamableHTTP") == 2
    return code.replace("MCPServerStreamableHTTP", "MCPToolset")
