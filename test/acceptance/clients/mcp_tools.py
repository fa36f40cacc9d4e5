"""mcp-atlassian as a running server, and every one of its Confluence tools called once or more."""

import asyncio
import base64
import json
import os
import sys

from mcp import ClientSession, StdioServerParameters
from mcp.client.stdio import stdio_client

MAYA = "712020:53251e2a-dc02-484c-8287-8f942fff99a3"
PNG = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="


def run(home, settings, heard=()):
    """Returns the names of the server's tools and, by tool, what each call answered and what it asked of `heard`."""
    return asyncio.run(_run(home, settings, heard))


def failed(said):
    """An answer that says so itself, or that found nothing: every call here has something to find."""
    if not isinstance(said, dict):
        return said == []
    if said.get("success") is False or "error" in said or said.get("failed") or 0 in (said.get("count"), said.get("total_images")):
        return True
    return any(failed(v) for v in said.values() if isinstance(v, dict))


async def _run(home, settings, heard):
    server = StdioServerParameters(
        command=os.path.join(os.path.dirname(sys.executable), "mcp-atlassian"), args=["--toolsets", "all"],
        env={"PATH": os.environ["PATH"], "HOME": str(home), **settings}, cwd=str(home),
    )
    with open(home / "server.log", "w") as log:
        async with stdio_client(server, errlog=log) as (read, write), ClientSession(read, write) as session:
            await session.initialize()
            listed = [t.name for t in (await session.list_tools()).tools]
            answers = {}

            async def tool(name, /, **arguments):
                before = len(heard)
                result = await session.call_tool("confluence_" + name, arguments)
                texts = [c.text for c in result.content if hasattr(c, "text")]
                try:
                    said = json.loads(texts[0])
                except (IndexError, ValueError):
                    said = texts[0] if texts else None
                calls = sorted({(method, path, status) for method, path, status in heard[before:]})
                answers.setdefault(name, []).append((result.isError or failed(said), said, calls))
                return said if isinstance(said, (dict, list)) else {}

            await _calls(tool, home)
            return listed, answers


async def _calls(tool, home):
    made = await tool("create_page", space_key="MKT", title="From MCP", content="# Head\n\nBody text\n\n## Part\n\nold")
    page = made["page"]["id"]
    await tool("update_page", page_id=page, title="From MCP", content="# Head\n\nBody text two\n\n## Part\n\nold")
    await tool("update_page_section", page_id=page, heading_text="Part", new_content="new")
    await tool("get_page", page_id=page)
    await tool("get_page", title="From MCP", space_key="MKT")
    child = (await tool("create_page", space_key="MKT", title="Kid", content="x", parent_id=page))["page"]["id"]
    await tool("get_page_children", parent_id=page)
    await tool("get_space_page_tree", space_key="MKT")
    await tool("search", query='title = "From MCP"')
    await tool("search", query="Autumn")
    await tool("add_label", page_id=page, name="green")
    await tool("get_labels", page_id=page)
    comment = await tool("add_comment", page_id=page, body="Well")
    await tool("reply_to_comment", comment_id=comment.get("comment", {}).get("id", "1"), body="Indeed")
    await tool("get_comments", page_id=page)
    await tool("add_inline_comment", page_id=page, body="Hm", text_selection="Body text two")
    await tool("get_inline_comments", page_id=page)
    await tool("get_page_history", page_id=page, version=1)
    await tool("get_page_diff", page_id=page, from_version=1, to_version=2)
    await tool("get_page_views", page_id=page)
    await tool("upload_attachment", content_id=page, content_base64=base64.b64encode(b"one").decode(), filename="a.txt")
    (home / "b.png").write_bytes(base64.b64decode(PNG))
    await tool("upload_attachments", content_id=page, file_paths=str(home / "b.png"))
    files = (await tool("get_attachments", content_id=page)).get("attachments", [])
    first = files[0]["id"] if files else "att1"
    await tool("download_attachment", attachment_id=first)
    await tool("download_content_attachments", content_id=page)
    await tool("get_page_images", content_id=page)
    await tool("delete_attachment", attachment_id=first)
    templates = await tool("list_page_templates", space_key="MKT")
    templates = templates if isinstance(templates, list) else templates.get("templates", [])
    template = templates[0].get("id") or templates[0].get("templateId") if templates else "1"
    await tool("get_page_template", template_id=template)
    await tool("create_page_from_template", space_key="MKT", title="Made from one", template_id=template)
    await tool("copy_page", source_page_id=page, destination_space_key="MKT", new_title="Copy")
    await tool("move_page", page_id=child, target_parent_id="98355")
    await tool("set_page_restrictions", page_id=page, edit_groups=["confluence-admins"])
    await tool("get_page_restrictions", page_id=page)
    await tool("check_content_permissions", content_id=page, user_identifier=MAYA, operation="read")
    await tool("get_space_permissions", space_id="98321")
    await tool("search_user", query="Visitor", group_name="confluence-admins")
    await tool("delete_page", page_id=child)
