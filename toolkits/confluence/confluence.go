package confluence

import (
	"context"

	"github.com/sluice-run/sluice/toolkit"
)

// New makes the toolkit.
func New() *toolkit.Toolkit {
	return &toolkit.Toolkit{
		Slug:        "confluence",
		Name:        "Confluence",
		Description: "Confluence Cloud: write, find and organise a team's pages, blog posts, comments, labels and spaces.",
		Logo:        logo,
		AppURL:      "https://www.atlassian.com/software/confluence",
		Categories:  []string{"team collaboration"},
		Version:     "20261122_00",
		CreatedAt:   "2026-11-22T00:00:00Z",
		UpdatedAt:   "2026-11-22T00:00:00Z",
		Auth:        []toolkit.Auth{apiKey(), oauth2(), serviceAccount()},
		Check:       check,
		Synonyms: map[string][]string{
			"page":         {"document", "doc", "article", "wiki page", "entry", "write-up", "note"},
			"pages":        {"documents", "docs", "articles", "notes", "documentation"},
			"blogpost":     {"blog post", "post", "blog", "news", "announcement", "story"},
			"blog":         {"news", "announcement", "story"},
			"space":        {"area", "section", "wiki", "team site", "knowledge base", "workspace"},
			"spaces":       {"areas", "sections", "wikis", "team sites", "knowledge bases", "workspaces"},
			"label":        {"tag", "keyword", "category", "marker"},
			"labels":       {"tags", "keywords", "categories", "markers"},
			"comment":      {"remark", "feedback", "reply", "response"},
			"comments":     {"remarks", "feedback", "replies", "responses", "discussion"},
			"versions":     {"revisions", "history", "changes", "edits"},
			"child":        {"below", "under", "beneath", "nested", "sub"},
			"ancestors":    {"above", "parents", "breadcrumb", "nested", "path"},
			"id":           {"numbered", "single", "one", "particular", "details"},
			"current":      {"logged in", "signed in", "who am i", "whose"},
			"contents":     {"inside", "everything", "stored", "inventory"},
			"footer":       {"bottom", "beneath", "underneath"},
			"property":     {"metadata", "custom field", "attribute"},
			"properties":   {"metadata", "custom fields", "attributes"},
			"attachment":   {"file", "picture", "image", "upload"},
			"attachments":  {"files", "pictures", "images", "uploads"},
			"task":         {"to-do", "todo", "checkbox"},
			"tasks":        {"to-dos", "todos", "checkboxes"},
			"like":         {"likes", "thumbs up"},
			"inline":       {"highlighted", "annotation"},
			"restrictions": {"permissions", "access", "locked"},
			"whiteboard":   {"canvas", "board"},
			"users":        {"people", "colleagues", "persons"},
			"private":      {"confidential", "secret"},
			"user":         {"account", "login", "me", "myself", "identity"},
		},
		Tools: toolkit.Bind(newClient,
			createPage, updatePage, deletePage, getPage, getPages,
			getChildPages, getPageAncestors, getPageVersions,
			createBlogpost, updateBlogpost, getBlogpost, getBlogposts,
			addContentLabel, getLabelsForPage, getLabels,
			cqlSearch, searchContent,
			getSpaces, getSpace, getSpaceContents, createSpace,
			createFooterComment, getPageFooterComments,
			getCurrentUser,
			createPageProperty, getPageProperties, updatePageProperty, deletePageProperty,
			createBlogpostProperty, getBlogpostProperties, updateBlogpostProperty, deleteBlogpostProperty,
			createSpaceProperty, getSpaceProperties, updateSpaceProperty, deleteSpaceProperty,
			createWhiteboard, createWhiteboardProperty, updateWhiteboardProperty, deleteWhiteboardProperty,
			createPrivateSpace, deleteSpace,
			getAttachments, downloadAttachment, uploadAttachment, deleteAttachment,
			getBlogpostLabels, getAttachmentLabels, getLabelsForSpace, getLabelsForSpaceContent,
			getBlogPostsForLabel, getBlogpostVersions, getBlogpostVersionDetails,
			getPageLikeCount, getBlogpostLikeCount, getBlogpostOperations,
			getPageInlineComments, getInlineCommentsForBlogPost,
			getContentRestrictions, getAuditLogs,
			getTasks, updateTask,
			searchUsers, getAnonymousUser,
			createInlineComment, findTextSelections, deleteBlogpost,
			listSpaces, searchPages, searchSpaces, validateCredential,
			movePage, copyPage, copyPageHierarchy, archivePage, restorePage, purgePage, getPageTree,
			replyToComment, resolveComment, deleteComment,
			removeContentLabel, watchContent, unwatchContent, getPageViews,
			getPageVersionDiff, updateContentRestrictions,
			getTemplates, getTemplate, createPageFromTemplate,
		),
		Triggers:     triggers(),
		TriggerNotes: triggerNotes,
	}
}

// logo is two overlapping pages, drawn here so that no host is asked for it.
const logo = "data:image/svg+xml;utf8,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 24 24'%3E" +
	"%3Crect x='3' y='2' width='13' height='17' rx='2' fill='%231868db'/%3E" +
	"%3Crect x='8' y='5' width='13' height='17' rx='2' fill='%236cc3e0'/%3E%3C/svg%3E"

// check proves the credentials good and says whose they are.
func check(ctx context.Context, call *toolkit.Call) (toolkit.Identity, error) {
	c, err := newClient(call)
	if err != nil {
		return nil, err
	}
	u, err := c.currentUser(ctx)
	if err != nil {
		return nil, err
	}
	return toolkit.Identity{"name": u.name(), "email": u.Email, "id": u.AccountID}, nil
}
