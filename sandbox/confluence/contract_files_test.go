package confluence_test

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
