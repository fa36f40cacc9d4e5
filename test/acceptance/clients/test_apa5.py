"""atlassian-python-api 5: every method of its Confluence v2 class."""

import pytest
import requests
from atlassian import ConfluenceV2

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")

NO_CALL = "no document of the cloud has the call"
SEARCH = NO_CALL + "; search is of v1"
COMMENTS = NO_CALL + "; comments are footer-comments or inline-comments"
LABELS = NO_CALL + "; labels are written with v1"
BY_KEY = "the call takes the number of a property, and the client sends its key"
BODY = "the client sends body-format=none, which is none of the formats"
NONE = "the client sends the word None for a parameter that was left out"


@pytest.fixture(scope="module")
def api(sandbox, ledger):
    client = ConfluenceV2(sandbox.url + "/wiki", username=sandbox.email, password=sandbox.api_token, cloud=True)
    ledger.watch(client._session)
    return client


@pytest.fixture(scope="module")
def space(api):
    return api.create_space("APA", "Python client")["id"]


@pytest.fixture(scope="module")
def page(api, space):
    """A parent with one child, which holds a task."""
    parent = api.create_page(space, "Parent", "<p>Body text</p>")["id"]
    task = "<ac:task><ac:task-id>1</ac:task-id><ac:task-status>incomplete</ac:task-status><ac:task-body>do</ac:task-body></ac:task>"
    return parent, api.create_page(space, "Child", f"<ac:task-list>{task}</ac:task-list>", parent)["id"]


def titles(results):
    return sorted(r["title"] for r in results)


def test_spaces(api, ledger, space):
    assert ledger.ok(api, "create_space", "APB", "Second")["key"] == "APB"
    assert ledger.ok(api, "get_space", space)["key"] == "APA"
    assert ledger.ok(api, "get_space_by_key", "APA")["id"] == space
    assert [s["id"] for s in ledger.ok(api, "get_spaces", keys=["APA"])] == [space]
    assert {"Marketing", "Second"} <= set(ledger.ok(api, "get_space_names"))
    assert ledger.ok(api, "get_space_labels", space) == []
    ledger.refused(api, "add_space_label", 405, LABELS, space, "green")
    ledger.refused(api, "add_space_labels", 405, LABELS, space, ["green"])
    ledger.refused(api, "delete_space_label", 404, LABELS, space, "green")
    ledger.refused(api, "get_space_content", 404, SEARCH, space)
    ledger.refused(api, "archive_space", 404, NO_CALL, "APB")
    ledger.refused(api, "get_trashed_contents_by_space", 400, NO_CALL + "; the path reads as the removed space/{key}/content/{type}", "APB")


def test_pages(api, ledger, space, page):
    parent, child = page
    made = ledger.ok(api, "create_page", space, "Made", "<p>1</p>", parent)["id"]
    ledger.ok(api, "create_content", space_id=space, title="Made too", body="<p>1</p>")
    assert ledger.ok(api, "get_page_by_id", parent, "storage")["body"]["storage"]["value"] == "<p>Body text</p>"
    assert ledger.ok(api, "get_content_by_id", parent)["title"] == "Parent"
    assert ledger.ok(api, "get_page_space", child)["spaceId"] == space
    assert [p["id"] for p in ledger.ok(api, "get_page_by_title", "APA", "Child")["results"]] == [child]
    assert ledger.ok(api, "get_page_id", "APA", "Child") == child
    assert titles(ledger.ok(api, "get_child_pages", parent)) == ["Child", "Made"]
    assert {"Child", "Made"} <= set(titles(ledger.ok(api, "get_pages", space_id=space, limit=1, get_body=True, body_format="storage")))
    ledger.refused(api, "get_pages", 400, "without a format, " + BODY, space_id=space)
    ledger.refused(api, "get_content", 400, BODY, space_id=space)
    assert ledger.ok(api, "update_page", made, "Made", "<p>2</p>", version=1, status="current")["version"]["number"] == 2
    ledger.refused(api, "update_page", 400, "without a status, which the call requires", made, "Made", "<p>3</p>", version=2)
    ledger.refused(api, "update_page", 400, "without a version, " + BODY, made, "Made", "<p>3</p>")
    ledger.refused(api, "update_content", 400, "without a version, " + BODY, content_id=made, title="Made", body="<p>3</p>")
    assert [v["number"] for v in ledger.ok(api, "get_page_versions", made)["results"]] == [2, 1]
    assert [v["number"] for v in ledger.ok(api, "iter_page_versions", made, limit=1)] == [2, 1]
    assert [v["number"] for v in ledger.ok(api, "get_all_page_versions", made, limit=1)] == [2, 1]
    assert ledger.ok(api, "get_page_version", made, 1)["number"] == 1
    ledger.refused(api, "search", 404, SEARCH, "Made")
    ledger.refused(api, "search_content", 404, SEARCH, "Made")
    ledger.ok(api, "delete_page", made)
    ledger.ok(api, "delete_content", api.get_page_id("APA", "Made too"))
    assert titles(api.get_child_pages(parent)) == ["Child"]


def test_labels_and_properties(api, ledger, page):
    assert ledger.ok(api, "get_page_labels", page[0]) == []
    for method, labels in {"add_label": "a", "add_page_label": "a", "add_page_labels": ["a"], "delete_page_label": "a"}.items():
        ledger.refused(api, method, 405, LABELS, page[0], labels)
    assert ledger.ok(api, "create_page_property", page[0], "state", {"n": 1})["value"] == {"n": 1}
    assert [p["key"] for p in ledger.ok(api, "get_page_properties", page[0])] == ["state"]
    for method, more in {"get_page_property_by_key": (), "get_content_property": (), "update_page_property": ({"n": 2}, 2), "delete_page_property": ()}.items():
        ledger.refused(api, method, 400, BY_KEY, page[0], "state", *more)
    number = ledger.ok(api, "create_v2_content_property", "page", page[0], {"key": "level", "value": 1})["id"]
    assert len(ledger.ok(api, "get_v2_content_properties", "page", page[0], limit=1)) == 2
    ledger.ok(api, "update_v2_content_property", "page", page[0], number, {"key": "level", "value": 2, "version": {"number": 2}})
    assert ledger.ok(api, "get_v2_content_property", "page", page[0], number)["value"] == 2
    ledger.ok(api, "delete_v2_content_property", "page", page[0], number)
    assert len(api.get_v2_content_properties("page", page[0])) == 1


def test_comments(api, ledger, sandbox, space, page):
    body = {"representation": "storage", "value": "<p>Well</p>"}
    made = ledger.ok(api, "create_global_footer_comment", {"pageId": page[0], "body": body})["id"]
    anchor = {"textSelection": "text", "textSelectionMatchCount": 1, "textSelectionMatchIndex": 0}
    inline = ledger.ok(api, "create_global_inline_comment", {"pageId": page[0], "body": body, "inlineCommentProperties": anchor})["id"]
    assert [c["id"] for c in ledger.ok(api, "get_page_footer_comments", page[0])] == [made]
    assert [c["id"] for c in ledger.ok(api, "get_page_inline_comments", page[0])] == [inline]
    assert made in [c["id"] for c in ledger.ok(api, "get_global_footer_comments", limit=100)["results"]]
    assert inline in [c["id"] for c in ledger.ok(api, "get_global_inline_comments", limit=100)["results"]]
    assert ledger.ok(api, "get_comment_children_v2", made)["results"] == []
    assert ledger.ok(api, "get_comment_likes_count_v2", made)["count"] == 0
    assert ledger.ok(api, "get_comment_likes_users_v2", made)["results"] == []
    assert ledger.ok(api, "get_comment_operations_v2", made)["operations"]
    assert [v["number"] for v in ledger.ok(api, "get_comment_versions_v2", made)["results"]] == [1]
    assert ledger.ok(api, "get_comment_version_v2", made, 1)["number"] == 1
    post = api.post("api/v2/blogposts", data={"spaceId": space, "title": "Post", "body": {"representation": "storage", "value": "<p>Post text</p>"}})["id"]
    on_post = api.create_global_footer_comment({"blogPostId": post, "body": body})["id"]
    in_post = api.create_global_inline_comment({"blogPostId": post, "body": body, "inlineCommentProperties": anchor})["id"]
    assert [c["id"] for c in ledger.ok(api, "get_blogpost_footer_comments", post)] == [on_post]
    assert [c["id"] for c in ledger.ok(api, "get_blogpost_inline_comments", post)] == [in_post]
    upload = requests.post(
        f"{sandbox.url}/wiki/rest/api/content/{page[0]}/child/attachment", files={"file": ("a.txt", b"one")},
        headers={"X-Atlassian-Token": "nocheck"}, auth=(sandbox.email, sandbox.api_token),
    )
    file = upload.json()["results"][0]["id"]
    on_file = api.create_global_footer_comment({"attachmentId": file, "body": body})["id"]
    assert [c["id"] for c in ledger.ok(api, "get_attachment_comments", file)] == [on_file]
    for method, more in {
        "get_comment_by_id": (), "get_comment_children": (), "update_comment": ("<p>x</p>", 2), "delete_comment": (), "create_comment_reply": ("<p>x</p>",),
    }.items():
        ledger.refused(api, method, 404, COMMENTS, made, *more)
    for method in ("create_page_footer_comment", "create_blogpost_footer_comment", "create_custom_content_comment", "create_attachment_comment"):
        ledger.refused(api, method, 404, COMMENTS, page[0], "<p>x</p>")
    ledger.refused(api, "create_page_inline_comment", 404, COMMENTS, page[0], "<p>x</p>", anchor)


def test_the_tree(api, ledger, space):
    for kind in ("whiteboard", "folder", "database"):
        made = ledger.ok(api, "create_" + kind, space, "A " + kind)["id"]
        assert ledger.ok(api, "get_" + kind, made)["title"] == "A " + kind
        if kind == "whiteboard":
            assert ledger.ok(api, "get_whiteboard_by_id", made)["id"] == made
            assert ledger.ok(api, "get_whiteboard_ancestors", made) == []
            ledger.refused(api, "get_whiteboard_children", 404, NO_CALL + "; whiteboards have direct-children", made)
            ledger.refused(api, "get_space_whiteboards", 404, NO_CALL + "; whiteboards cannot be listed", space)
        ledger.ok(api, "delete_" + kind, made)


def test_tasks(api, ledger, page):
    [task] = ledger.ok(api, "get_tasks", page_ids=[int(page[1])])
    ledger.ok(api, "update_task", int(task["id"]), "complete")
    assert ledger.ok(api, "get_task", int(task["id"]))["status"] == "complete"


def test_custom_content(api, ledger, space):
    kind = "ac:app:thing"
    made = ledger.ok(api, "create_custom_content", kind, "Thing", "<p>x</p>", space_id=space)["id"]
    assert ledger.ok(api, "get_custom_content_by_id", made)["title"] == "Thing"
    ledger.ok(api, "update_custom_content", made, kind, "Thing 2", "<p>y</p>", "current", 2, space)
    assert titles(ledger.ok(api, "get_custom_content", type=kind)) == ["Thing 2"]
    ledger.ok(api, "create_custom_content_property", made, "k", 1)
    ledger.refused(api, "get_custom_content_properties", 400, NONE, made)
    for method, more in {"get_custom_content_property_by_key": (), "update_custom_content_property": (2, 2), "delete_custom_content_property": ()}.items():
        ledger.refused(api, method, 400, BY_KEY, made, "k", *more)
    ledger.refused(api, "add_custom_content_label", 405, LABELS, made, "a")
    ledger.refused(api, "delete_custom_content_label", 405, LABELS, made, "a")
    assert ledger.ok(api, "get_custom_content_labels", made) == []
    ledger.refused(api, "get_custom_content_children", 400, NONE, made)
    ledger.refused(api, "get_custom_content_ancestors", 404, NO_CALL, made)
    body = {"representation": "storage", "value": "<p>Well</p>"}
    comment = api.create_global_footer_comment({"customContentId": made, "body": body})["id"]
    assert [c["id"] for c in ledger.ok(api, "get_custom_content_comments", made)] == [comment]
    ledger.ok(api, "delete_custom_content", made)


def test_the_site(api, ledger, sandbox, space, page):
    levels = ledger.ok(api, "get_classification_levels")
    confidential, internal = levels[2]["id"], levels[1]["id"]
    ledger.ok(api, "update_space_default_classification_level", space, internal)
    assert ledger.ok(api, "get_space_default_classification_level", space)["name"] == "Internal"
    ledger.ok(api, "update_content_classification_level", "page", page[0], confidential)
    assert ledger.ok(api, "get_content_classification_level", "page", page[0])["name"] == "Confidential"
    ledger.ok(api, "reset_content_classification_level", "page", page[0])
    assert api.get_content_classification_level("page", page[0])["name"] == "Internal"
    ledger.ok(api, "delete_space_default_classification_level", space)
    key = ledger.ok(api, "enable_admin_key")
    assert ledger.ok(api, "get_admin_key") == key
    ledger.ok(api, "disable_admin_key")
    ledger.ok(api, "invite_user_by_email", {"emails": ["new@b.example"]})
    assert ledger.ok(api, "get_space_permissions")["results"]
    roles = ledger.ok(api, "get_space_roles")["results"]
    assert ledger.ok(api, "get_space_role", roles[0]["id"])["name"] == roles[0]["name"]
    assert ledger.ok(api, "get_space_role_mode")["mode"]
    role = {"name": "Commenter", "description": "Comments", "spacePermissions": ["read/space", "create/comment"]}
    made = ledger.ok(api, "create_space_role", role)["id"]
    assert ledger.ok(api, "update_space_role", made, role | {"name": "Talker"})["name"] == "Talker"
    ledger.ok(api, "delete_space_role", made)
    task = ledger.ok(api, "generate_space_permission_combinations")["taskId"]
    assert ledger.ok(api, "get_space_permission_transition_task", task)["status"] == "COMPLETED"
    assert ledger.ok(api, "get_space_permission_combinations")["results"] == []
    here = {"spaceType": "SPECIFIC", "selectedSpaces": [{"id": space, "key": "APA"}]}
    to = {"permissionCombinationId": "none", "principalTypeAssignments": [{"principalType": "USER", "removeAccess": True}]}
    ledger.ok(api, "assign_space_permission_roles", {"assignments": [to], "spaceSelection": here})
    ledger.ok(api, "remove_space_permission_access", {"permissionCombinationIds": ["none"], "spaceSelection": here})
    assert ledger.ok(api, "get_data_policy_metadata")["anyContentBlocked"] is False
    assert "APA" in [s["key"] for s in ledger.ok(api, "get_data_policy_spaces")["results"]]
    who = "712020:53251e2a-dc02-484c-8287-8f942fff99a3"
    assert [u["accountId"] for u in ledger.ok(api, "bulk_get_users", {"accountIds": [who]})["results"]] == [who]
    assert ledger.ok(api, "check_user_access_by_email", {"emails": ["a@b.example"]})["emailsWithoutAccess"] == ["a@b.example"]
    graph = "the GraphQL gateway is another API, which no document of Confluence's describes"
    ledger.refused(api, "graphql", 404, graph, "{ a }")
    ledger.refused(api, "search_graphql", 404, graph, "x", sandbox.cloud_id)


def test_every_method_was_called(ledger):
    """The class and the parts it is made of, without the common base of all products."""
    own = {n for c in ConfluenceV2.__mro__ if c.__module__.startswith("atlassian.confluence.") for n in vars(c)}
    methods = {n for n in own if not n.startswith("_") and callable(getattr(ConfluenceV2, n))}
    assert methods - ledger.called == set()


def test_the_table(ledger):
    ledger.check("atlassian-python-api 5.0.5", "Class `ConfluenceV2`, API token on the site host.")
