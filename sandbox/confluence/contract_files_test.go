package confluence_test

import "encoding/json"

// driveAttachments calls everything that attachments have.
func driveAttachments(s *site, page, post string) {
	v1, v2 := "/wiki/rest/api/content/", "/wiki/api/v2"
	file := part{"file", "a.txt", "text/plain", "one"}
	minor := part{"minorEdit", "", "", "true"}
	comment := part{"comment", "", "text/plain; charset=utf-8", "c"}
	id := s.form("POST", v1+page+"/child/attachment", "nocheck", file, comment, minor).str("results.0.id")
	s.form("PUT", v1+page+"/child/attachment", "nocheck", file, minor)
	s.form("PUT", v1+post+"/child/attachment", "nocheck", file, minor)
	s.form("POST", v1+page+"/child/attachment/"+id+"/data", "nocheck", file, minor)
	s.must(200, "PUT", v1+page+"/child/attachment/"+id, obj{"id": id, "type": "attachment", "title": "b.txt", "version": obj{"number": 3, "when": "2026-11-22T12:00:00.000Z", "minorEdit": false}})
	s.must(302, "GET", v1+page+"/child/attachment/"+id+"/download?version=1", nil)
	s.must(200, "GET", v1+page+"/child/attachment?expand=version,container,metadata.labels", nil)
	s.must(200, "POST", v1+id+"/label", []obj{{"prefix": "global", "name": "files"}})
	label := s.must(200, "GET", v2+"/attachments/"+id+"/labels", nil).str("results.0.id")
	s.must(201, "POST", v2+"/footer-comments", obj{"attachmentId": id, "body": storage("<p>c</p>")})
	for _, p := range []string{
		"/attachments?limit=1", "/attachments/" + id + "?include-labels=true&include-versions=true&include-operations=true", "/attachments/" + id + "/versions",
		"/attachments/" + id + "/versions/2", "/attachments/" + id + "/footer-comments?body-format=storage", "/pages/" + page + "/attachments?sort=-modified-date",
		"/blogposts/" + post + "/attachments", "/labels/" + label + "/attachments",
	} {
		s.must(200, "GET", v2+p, nil)
	}
	s.must(204, "DELETE", v2+"/attachments/"+id, nil)
	s.must(204, "DELETE", v2+"/attachments/"+id+"?purge=true", nil)
}

// driveTasks calls everything that tasks have.
func driveTasks(s *site, space string) {
	v2 := "/wiki/api/v2"
	s.page(space, "Tasks", `<ac:task-list><ac:task><ac:task-body><ac:link><ri:user ri:account-id="`+s.me.AccountID+`" /></ac:link> by <time datetime="2026-12-01" /></ac:task-body></ac:task></ac:task-list>`)
	id := s.must(200, "GET", v2+"/tasks?body-format=storage&assigned-to="+s.me.AccountID, nil).str("results.0.id")
	s.must(200, "PUT", v2+"/tasks/"+id+"?body-format=atlas_doc_format", obj{"status": "complete"})
	s.must(200, "GET", v2+"/tasks/"+id+"?body-format=storage", nil)
	s.must(200, "GET", v2+"/tasks?status=complete&include-blank-tasks=false&due-at-from=1&due-at-to=2000000000000&space-id="+space, nil)
}

// driveInline calls everything that inline comments and likes have.
func driveInline(s *site, page, post, footer string) {
	v2 := "/wiki/api/v2"
	s.must(200, "PUT", v2+"/pages/"+page, edit(page, "Contract 2", "<p>some words to mark</p>", 4))
	mark := obj{"textSelection": "words", "textSelectionMatchCount": 1, "textSelectionMatchIndex": 0}
	id := s.must(201, "POST", v2+"/inline-comments", obj{"pageId": page, "body": storage("<p>i</p>"), "inlineCommentProperties": mark}).str("id")
	s.must(201, "POST", v2+"/inline-comments", obj{"parentCommentId": id, "body": storage("<p>r</p>")})
	s.must(200, "PUT", v2+"/inline-comments/"+id, obj{"version": obj{"number": 2}, "body": storage("<p>j</p>"), "resolved": true})
	s.Like(id, s.me.AccountID)
	s.Like(page, s.me.AccountID)
	for _, p := range []string{
		"/pages/" + page + "/inline-comments?body-format=storage&resolution-status=resolved", "/blogposts/" + post + "/inline-comments", "/inline-comments?limit=1",
		"/inline-comments/" + id + "?body-format=storage&include-likes=true&include-versions=true&include-operations=true", "/inline-comments/" + id + "/children?body-format=storage",
		"/inline-comments/" + id + "/versions?body-format=storage", "/inline-comments/" + id + "/versions/1", "/inline-comments/" + id + "/likes/count",
		"/inline-comments/" + id + "/likes/users", "/pages/" + page + "/likes/count", "/pages/" + page + "/likes/users", "/blogposts/" + post + "/likes/count",
		"/blogposts/" + post + "/likes/users", "/footer-comments/" + footer + "/likes/count", "/footer-comments/" + footer + "/likes/users", "/pages/" + page + "?include-likes=true",
	} {
		s.must(200, "GET", v2+p, nil)
	}
	s.must(200, "GET", "/wiki/rest/api/content/"+page+"/child/comment?location=resolved&expand=extensions.inlineProperties,extensions.resolution", nil)
	s.must(204, "DELETE", v2+"/inline-comments/"+id, nil)
}

// driveLife calls everything that moves, copies, archives and restores.
func driveLife(s *site, space string) {
	v1, v2 := "/wiki/rest/api/content/", "/wiki/api/v2"
	a, b := s.page(space, "Life A", "<p>1</p>"), s.page(space, "Life B", "<p>b</p>")
	child := s.page(space, "Life child", "<p>c</p>", obj{"parentId": a})
	s.must(200, "PUT", v2+"/pages/"+a, edit(a, "Life A", "<p>2</p>", 2))
	s.must(200, "PUT", v1+b+"/move/before/"+a, nil)
	s.must(200, "GET", v2+"/pages/"+a+"/descendants?depth=2&limit=1", nil)
	s.must(200, "GET", v1+a+"/descendant?expand=page", nil)
	s.must(200, "GET", v1+a+"/descendant/page?depth=all", nil)
	s.must(200, "POST", v1+a+"/copy", obj{"destination": obj{"type": "parent_page", "value": b}, "pageTitle": "Life C", "copyLabels": true})
	task := s.must(202, "POST", v1+a+"/pagehierarchy/copy", obj{"destinationPageId": b, "titleOptions": obj{"prefix": "P "}})
	s.must(200, "GET", "/wiki/rest/api/longtask/"+task.str("id"), nil)
	s.must(200, "POST", v1+a+"/version", obj{"operationKey": "restore", "params": obj{"versionNumber": 1, "message": "m"}})
	s.must(204, "DELETE", v1+a+"/version/1", nil)
	s.must(202, "POST", v1+"archive", obj{"pages": []obj{{"id": json.Number(child)}}})
	s.must(202, "DELETE", v1+b+"/pageTree", nil)
}

// driveAudience calls everything that watches, favourites, views, templates and
// conversions have.
func driveAudience(s *site, page string) {
	v1 := "/wiki/rest/api"
	for _, what := range []string{"content/" + page, "space/MKT", "label/planning"} {
		at := v1 + "/user/watch/" + what
		s.unforged("POST", at)
		s.must(200, "GET", at, nil)
		if what != "label/planning" {
			defer s.unforged("DELETE", at)
		}
	}
	s.View(page, s.me.AccountID)
	template := obj{"name": "T", "templateType": "page", "body": obj{"storage": storage("<p>x</p>")}, "space": obj{"key": "TPL"}}
	s.space("TPL")
	id := s.must(200, "POST", v1+"/template", template).str("templateId")
	template["templateId"] = id
	s.must(200, "PUT", v1+"/template", template)
	async := s.must(200, "POST", v1+"/contentbody/convert/async/export_view", storage("<p>x</p>")).str("asyncId")
	s.must(200, "POST", v1+"/contentbody/convert/async/export_view", obj{"value": "h1. x", "representation": "wiki"})
	rel := "/relation/favourite/from/user/current/to/content"
	s.must(200, "PUT", v1+rel+"/"+page, nil)
	for _, p := range []string{
		"/content/" + page + "/notification/child-created", "/content/" + page + "/notification/created", "/space/MKT/watch",
		"/analytics/content/" + page + "/views?fromDate=2026-01-01T00:00:00Z", "/analytics/content/" + page + "/viewers", "/template/page?spaceKey=TPL&expand=body", "/template/" + id,
		"/template/blueprint", "/contentbody/convert/async/" + async, rel, rel + "/" + page, "/relation/favourite/to/content/" + page + "/from/user",
	} {
		s.must(200, "GET", v1+p, nil)
	}
	s.must(204, "DELETE", v1+rel+"/"+page, nil)
	s.must(204, "DELETE", v1+"/template/"+id, nil)
}
