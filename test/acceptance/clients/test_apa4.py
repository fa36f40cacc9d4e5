"""atlassian-python-api 4: every method of its Confluence class that speaks to the cloud."""

import re

import pytest
from atlassian import Confluence
from sandbox import Sandbox

NO_CALL = "the cloud has no such call"
V1_404 = NO_CALL + "; it is of Data Center"

# Methods that only Data Center answers, by what they speak to.
DATA_CENTER = re.compile(
    "json_rpc|plugin|synchrony|collaborative|calendar|cache|licen[cs]e|reindex|jira_metadata|mobile|avatar|password"
    "|permissions?_(granted|to|from)|restrict.*_(page|user)|health_check|access_mode|share_with|inline_tasks_checkbox"
    "|(add|remove)_user|add_user|(create|remove)_group|remove_space_permission|raise_for_status"
)


@pytest.fixture(scope="module")
def api(sandbox, ledger):
    client = Confluence(url=sandbox.url + "/wiki", username=sandbox.email, password=sandbox.api_token, cloud=True)
    ledger.watch(client._session)
    return client


@pytest.fixture(scope="module")
def page(api):
    """A parent with one child in a space with nothing else in it."""
    api.create_space("APA", "Python client")
    parent = api.create_page("APA", "Parent", "<p>Body</p>")["id"]
    return parent, api.create_page("APA", "Child", "<p>Child body</p>", parent_id=parent)["id"]


def titles(results):
    return sorted(r["title"] for r in results)


def test_spaces(api, ledger, page):
    ledger.ok(api, "create_space", "APB", "Second")
    assert ledger.ok(api, "get_space", "APB", expand="description.plain,homepage")["homepage"]["title"]
    assert {"APA", "APB", "MKT"} <= {s["key"] for s in ledger.ok(api, "get_all_spaces", limit=50)["results"]}
    assert ledger.ok(api, "get_home_page_of_space", "APB")["type"] == "page"
    assert "Parent" in titles(ledger.ok(api, "get_space_content", "APA")["page"]["results"])
    ledger.ok(api, "get_space_property", "APA")
    assert ledger.ok(api, "get_space_permissions", "APA")["permissions"]
    ledger.refused(api, "get_all_space_permissions", 404, V1_404, "APA")
    ledger.refused(api, "archive_space", 404, V1_404, "APB")
    assert ledger.ok(api, "add_space_permissions", "APB", "user", "712020:53251e2a-dc02-484c-8287-8f942fff99a3", "read", "space")["id"]
    web = "it drives pages of the web interface, which are in no document of the cloud's API"
    ledger.refused(api, "get_space_export", 404, web, "APB", "html")
    ledger.ok(api, "delete_space", "APB")


def test_pages_are_read(api, ledger, page):
    parent, child = page
    got = ledger.ok(api, "get_page_by_id", parent, expand="body.storage,version,space,ancestors,history,children.page,metadata.labels")
    assert (got["title"], got["version"]["number"], got["space"]["key"]) == ("Parent", 1, "APA")
    assert got["body"]["storage"]["value"] == "<p>Body</p>"
    assert titles(got["children"]["page"]["results"]) == ["Child"]
    assert ledger.ok(api, "get_page_by_title", "APA", "Child")["id"] == child
    assert ledger.ok(api, "get_pages_by_title", "APA", "Child")["id"] == child  # one, whatever its name says
    assert ledger.ok(api, "get_page_id", "APA", "Child") == child
    assert ledger.ok(api, "page_exists", "APA", "Child") is True
    assert api.page_exists("APA", "No such page") is False
    assert ledger.ok(api, "get_page_space", child) == "APA"
    assert ledger.ok(api, "get_page_ancestors", child)[-1]["id"] == parent
    assert ledger.ok(api, "get_parent_content_id", child) == parent
    assert ledger.ok(api, "get_parent_content_title", child) == "Parent"
    assert titles(ledger.ok(api, "get_child_pages", parent)) == ["Child"]
    assert ledger.ok(api, "get_child_id_list", parent) == [child]
    assert ledger.ok(api, "get_child_title_list", parent) == ["Child"]
    assert titles(ledger.ok(api, "get_page_child_by_type", parent, type="page")) == ["Child"]
    assert ledger.ok(api, "get_subtree_of_content_ids", parent) == {parent, child}
    assert ledger.ok(api, "get_descendant_page_id", "APA", parent, "Child") == child
    assert {"Parent", "Child"} <= set(titles(ledger.ok(api, "get_all_pages_from_space", "APA")))
    assert ledger.ok(api, "get_all_pages_from_space_raw", "APA", limit=1)["size"] == 1
    assert "Parent" in titles(ledger.ok(api, "get_all_pages_from_space_as_generator", "APA", limit=1))
    space = str(api.get_space("APA")["id"])
    assert "Parent" in titles(ledger.ok(api, "get_all_pages_by_space_ids_confluence_cloud", [space]))
    assert ledger.ok(api, "scrap_regex_from_page", parent, r"Bo\w+")
    assert ledger.ok(api, "has_unknown_attachment_error", parent) in ("", [], False, None)
    assert ledger.ok(api, "is_page_content_is_already_updated", parent, "<p>Body</p>") is True
    assert "No tables found" in str(ledger.ok(api, "get_tables_from_page", parent))
    assert titles(ledger.ok(api, "cql", 'space = APA and title = "Child"')["results"]) == ["Child"]


def test_pages_are_exported(api, ledger, page):
    web = "the export is a page of the web interface, which is in no document of the cloud's API"
    for method in ("get_page_as_word", "get_page_as_pdf", "export_page"):
        ledger.refused(api, method, 404, web, page[0])
    ledger.refused(api, "get_pdf_download_url_for_confluence_cloud", 404, web, "spaces/flyingpdf/pdfpageexport.action?pageId=" + page[0])


def test_pages_are_written(api, ledger, page):
    made = ledger.ok(api, "create_page", "APA", "Made", "<p>1</p>", parent_id=page[0])["id"]
    assert ledger.ok(api, "update_page", made, "Made", "<p>2</p>")["version"]["number"] == 2
    assert ledger.ok(api, "append_page", made, "Made", "<p>3</p>")["version"]["number"] == 3
    assert ledger.ok(api, "prepend_page", made, "Made", "<p>0</p>")["version"]["number"] == 4
    assert api.get_page_by_id(made, expand="body.storage")["body"]["storage"]["value"] == "<p>0</p><p>2</p><p>3</p>"
    assert ledger.ok(api, "update_existing_page", made, "Made", "<p>5</p>")["version"]["number"] == 5
    assert ledger.ok(api, "update_or_create", page[0], "Made", "<p>6</p>")["id"] == made
    assert ledger.ok(api, "history", made)["createdBy"]["accountId"]
    assert ledger.ok(api, "get_content_history", made)["latest"] is True
    assert ledger.ok(api, "get_content_history_by_version_number", made, 2)["number"] == 2
    ledger.ok(api, "remove_page_history", made, 1)
    ledger.ok(api, "remove_content_history", made, 1)
    ledger.ok(api, "remove_content_history_in_cloud", made, 1)
    ledger.ok(api, "remove_page_history_keep_version", made, 1)
    assert api.get_page_by_id(made, expand="version")["version"]["number"] == 1
    ledger.refused(api, "move_page", 404, "it posts a form of the old web interface, which is in no document of the cloud", "APA", made, target_id=page[1])


def test_pages_go(api, ledger, page):
    made = api.create_page("APA", "To go", "<p>1</p>")["id"]
    ledger.ok(api, "remove_page", made)
    assert api.get_page_by_id(made, status="trashed")["status"] == "trashed"
    assert titles(ledger.ok(api, "get_all_pages_from_space_trash", "APA")) == ["To go"]
    ledger.ok(api, "remove_page_from_trash", made)
    assert api.get_all_pages_from_space_trash("APA") == []
    draft = api.create_page("APA", "A draft", "<p>1</p>", status="draft")["id"]
    assert ledger.ok(api, "get_draft_page_by_id", draft)["status"] == "draft"
    assert titles(ledger.ok(api, "get_all_draft_pages_from_space", "APA")) == ["A draft"]
    ledger.ok(api, "get_all_draft_pages_from_space_through_cql", "APA")
    ledger.ok(api, "remove_page_as_draft", draft)
    other = api.create_page("APA", "Other", "<p>1</p>")["id"]
    ledger.ok(api, "remove_content", other)
    why = "the cloud has no call for a space's trash; list pages with status=trashed"
    read_as = why + " (the path reads as the removed space/{key}/content/{type}, whose type is page or blogpost)"
    ledger.refused(api, "get_trashed_contents_by_space", 400, read_as, "APA")
    ledger.refused(api, "remove_trashed_contents_by_space", 405, why, "APA")


def test_labels_properties_comments(api, ledger, page):
    ledger.ok(api, "set_page_label", page[0], "green")
    assert [l["name"] for l in ledger.ok(api, "get_page_labels", page[0])["results"]] == ["green"]
    assert titles(ledger.ok(api, "get_all_pages_by_label", "green")) == ["Parent"]
    ledger.ok(api, "remove_page_label", page[0], "green")
    assert api.get_page_labels(page[0])["size"] == 0

    ledger.ok(api, "set_page_property", page[0], {"key": "state", "value": {"n": 1}})
    assert ledger.ok(api, "get_page_property", page[0], "state")["value"] == {"n": 1}
    assert [p["key"] for p in ledger.ok(api, "get_page_properties", page[0])["results"]] == ["state"]
    ledger.ok(api, "update_page_property", page[0], {"key": "state", "value": {"n": 2}, "version": {"number": 2}})
    assert api.get_page_property(page[0], "state")["value"] == {"n": 2}
    ledger.ok(api, "delete_page_property", page[0], "state")
    assert api.get_page_properties(page[0])["results"] == []

    ledger.ok(api, "add_comment", page[0], "<p>Well</p>")
    comments = ledger.ok(api, "get_page_comments", page[0], expand="body.storage", depth="all")["results"]
    assert [c["body"]["storage"]["value"] for c in comments] == ["<p>Well</p>"]
    assert set(ledger.ok(api, "get_all_restrictions_for_content", page[0])) >= {"read", "update"}
    ledger.ok(api, "get_all_restictions_for_content", page[0])


def test_attachments(api, ledger, page, tmp_path):
    ledger.ok(api, "attach_content", b"one", "a.txt", "text/plain", page_id=page[0])
    ledger.ok(api, "attach_content", b"two", "a.txt", "text/plain", page_id=page[0])
    (tmp_path / "b.txt").write_bytes(b"b")
    ledger.ok(api, "attach_file", str(tmp_path / "b.txt"), page_id=page[0])
    found = ledger.ok(api, "get_attachments_from_content", page[0], expand="version")["results"]
    assert {a["title"]: a["version"]["number"] for a in found} == {"a.txt": 2, "b.txt": 1}
    first = next(a["id"] for a in found if a["title"] == "a.txt")
    assert [v["number"] for v in ledger.ok(api, "get_attachment_history", first)] == [2, 1]
    why = "the download page takes no API tokens (since November 2025); child/attachment/{id}/download does"
    ledger.refused(api, "download_attachments_from_page", 401, why, page[0], to_memory=True)
    ledger.refused(api, "delete_attachment", 404, "it posts a form of the old web interface, which is in no document of the cloud", page[0], "b.txt")
    ledger.ok(api, "delete_attachment_by_id", first, 1)
    ledger.ok(api, "attach_content", b"three", "a.txt", "text/plain", page_id=page[0])
    ledger.ok(api, "remove_page_attachment_keep_version", page[0], "a.txt", 1)
    assert len(api.get_attachment_history(first)) == 1


def test_templates(api, ledger, page):
    made = ledger.ok(api, "create_or_update_template", "Minutes", {"storage": {"value": "<p>m</p>", "representation": "storage"}}, space="APA")
    assert ledger.ok(api, "get_content_template", made["templateId"])["name"] == "Minutes"
    twice = "with a template_id the client writes the body as JSON twice, so a string arrives and no object"
    ledger.refused(api, "create_or_update_template", 400, twice, "Minutes 2", {}, template_id=made["templateId"], space="APA")
    assert [t["name"] for t in ledger.ok(api, "get_content_templates", "APA")] == ["Minutes"]
    ledger.ok(api, "get_blueprint_templates", "APA")
    for method, argument in {"get_all_templates_from_space": "APA", "get_all_blueprints_from_space": "APA", "get_template_by_id": made["templateId"]}.items():
        ledger.refused(api, method, 404, "the experimental calls are in no document of the cloud; template/… replaced them", argument)
    ledger.ok(api, "remove_template", made["templateId"])


def test_people_and_the_site(api, ledger, page):
    groups = ledger.ok(api, "get_all_groups")
    members = ledger.ok(api, "get_group_members", groups[0]["name"])
    ledger.ok(api, "get_all_members", groups[0]["name"])
    who = members[0]["accountId"]
    assert ledger.ok(api, "get_user_details_by_accountid", who)["accountId"] == who
    ledger.refused(api, "get_user_details_by_username", 400, "the cloud names people by accountId alone", "admin")
    ledger.refused(api, "get_user_details_by_userkey", 400, "the cloud names people by accountId alone", "admin")
    ledger.refused(api, "anonymous", 403, "this site, as most, lets nobody read without an account")
    assert ledger.ok(api, "audit", limit=5)["results"]
    tasks = ledger.ok(api, "check_long_tasks_result")["results"]
    assert ledger.ok(api, "check_long_task_result", tasks[0]["id"])["id"] == tasks[0]["id"]
    assert "<strong>b</strong>" in ledger.ok(api, "convert_wiki_to_storage", "*b*")["value"]
    assert "x" in ledger.ok(api, "convert_storage_to_view", "<p>x</p>")["value"]


def test_whiteboards(api, ledger, page):
    space = str(api.get_space("APA")["id"])
    made = ledger.ok(api, "create_whiteboard", space, "Ideas")
    assert ledger.ok(api, "get_whiteboard", made["id"])["title"] == "Ideas"
    ledger.ok(api, "delete_whiteboard", made["id"])


def test_the_removed_calls_can_be_gone(ledger, tmp_path):
    gone = Sandbox(tmp_path, "--v1-removed")
    try:
        client = Confluence(url=gone.url + "/wiki", username=gone.email, password=gone.api_token, cloud=True)
        ledger.watch(client._session)
        ledger.refused(client, "get_all_spaces", 410, "with --v1-removed, as on sites where the removed v1 calls are gone")
    finally:
        gone.stop()


def test_every_method_of_the_cloud_was_called(ledger):
    left = [n for n in vars(Confluence) if not n.startswith("_") and callable(getattr(Confluence, n)) and n not in ledger.called]
    assert [n for n in left if not DATA_CENTER.search(n)] == []


def test_the_table(ledger):
    ledger.check(
        "atlassian-python-api 4.0.7",
        "Class `Confluence`, API token on the site host. Methods that speak to Data Center alone (plugins, JSON-RPC, "
        "synchrony, calendars, caches, licences and the like) are left out.",
    )
