package confluence

import (
	"net/url"
	"slices"
	"strconv"
	"strings"
)

func attachmentRoutes() map[string]endpoint {
	return map[string]endpoint{
		"GET /attachments":                        (*call).getAttachments,
		"GET /attachments/{id}":                   (*call).getAttachment,
		"DELETE /attachments/{id}":                (*call).deleteAttachment,
		"GET /attachments/{id}/labels":            contentLabels(typeFile),
		"GET /attachments/{id}/versions":          contentVersions(typeFile),
		"GET /attachments/{id}/versions/{number}": contentVersion(typeFile),
		"GET /attachments/{id}/footer-comments":   rootComments(typeFile),
		"GET /pages/{id}/attachments":             attachmentsOf(typePage),
		"GET /blogposts/{id}/attachments":         attachmentsOf(typeBlog),
		"GET /labels/{id}/attachments":            (*call).getLabelAttachments,
	}
}

type v2Attachment struct {
	ID          string              `json:"id"`
	Status      string              `json:"status"`
	Title       string              `json:"title"`
	CreatedAt   string              `json:"createdAt"`
	PageID      string              `json:"pageId,omitempty"`
	BlogPostID  string              `json:"blogPostId,omitempty"`
	MediaType   string              `json:"mediaType"`
	Description *string             `json:"mediaTypeDescription"`
	Comment     string              `json:"comment"`
	FileID      string              `json:"fileId"`
	FileSize    int                 `json:"fileSize"`
	WebUI       string              `json:"webuiLink"`
	Download    string              `json:"downloadLink"`
	Version     *v2Version          `json:"version,omitempty"`
	Labels      *v2Sub[v2Label]     `json:"labels,omitempty"`
	Versions    *v2Sub[v2Version]   `json:"versions,omitempty"`
	Operations  *v2Sub[v2Operation] `json:"operations,omitempty"`
	Links       v2AttachmentLinks   `json:"_links"`
}

type v2AttachmentLinks struct {
	WebUI    string `json:"webui"`
	Download string `json:"download"`
	Base     string `json:"base,omitempty"`
}

// downloadLink is the address of the download servlet, which signed-in browsers
// use; below /wiki.
func (st *store) downloadLink(x *content, v *version) string {
	q := url.Values{"version": {strconv.Itoa(v.number)}, "modificationDate": {strconv.FormatInt(v.at.UnixMilli(), 10)}, "cacheVersion": {"1"}, "api": {"v2"}}
	return "/download/attachments/" + itoa(x.containerID) + "/" + url.PathEscape(v.title) + "?" + q.Encode()
}

func (c *call) showAttachment(x *content, v *version, base string) *v2Attachment {
	ver := showVersion(v)
	out := &v2Attachment{
		ID: x.ref(), Status: x.status, Title: v.title, CreatedAt: stamp(x.createdAt), MediaType: v.file.mediaType, Description: describeMedia(v.file.mediaType),
		Comment: v.message, FileID: v.file.id, FileSize: len(v.file.data), WebUI: c.st.webui(x), Download: c.st.downloadLink(x, v), Version: &ver,
	}
	if v != x.current() {
		out.Status = statusHistorical
	}
	if on := c.st.contents[x.containerID]; on != nil && on.typ == typeBlog {
		out.BlogPostID = itoa(on.id)
	} else if on != nil {
		out.PageID = itoa(on.id)
	}
	out.Links = v2AttachmentLinks{WebUI: out.WebUI, Download: out.Download, Base: base}
	return out
}

// listAttachments answers the lists of attachments. rows is called with the lock held.
func (c *call) listAttachments(def int, rows func() ([]*content, *apiError)) (any, *apiError) {
	want, err := c.anyOf("status", []string{statusCurrent}, statusCurrent, statusArchived, statusTrashed)
	if err != nil {
		return nil, err
	}
	order, err := c.contentSort("created-date", "modified-date")
	if err != nil {
		return nil, err
	}
	limit, err := c.limit(def, maxLimit)
	if err != nil {
		return nil, err
	}
	media, name := c.q.Get("mediaType"), c.q.Get("filename")
	c.rlock()
	all, err := rows()
	if err != nil {
		return nil, err
	}
	kept := make([]*content, 0, len(all))
	for _, x := range all {
		if want[x.status] && c.st.visible(x, c.me) && (media == "" || strings.EqualFold(media, x.current().file.mediaType)) && (name == "" || name == x.title()) {
			kept = append(kept, x)
		}
	}
	return pageLimited(c, kept, order, limit, func(x *content) *v2Attachment { return c.showAttachment(x, x.current(), "") })
}

const attachmentLimit = 50

// getAttachments lists the files of everything that is not in the trash.
func (c *call) getAttachments() (any, *apiError) {
	return c.listAttachments(attachmentLimit, func() ([]*content, *apiError) { return c.st.allFiles(), nil })
}

func (st *store) allFiles() []*content {
	var rows []*content
	for _, id := range st.order {
		if x := st.contents[id]; x.typ == typeFile && st.contents[x.containerID].status != statusTrashed {
			rows = append(rows, x)
		}
	}
	return rows
}

func attachmentsOf(t contentType) endpoint {
	return func(c *call) (any, *apiError) {
		id, err := c.pathID("id", "id")
		if err != nil {
			return nil, err
		}
		return c.listAttachments(attachmentLimit, func() ([]*content, *apiError) {
			if _, err := c.find(t, id); err != nil {
				return nil, err
			}
			var rows []*content
			for _, f := range c.st.files[id] {
				rows = append(rows, c.st.contents[f])
			}
			return rows, nil
		})
	}
}

func (c *call) getLabelAttachments() (any, *apiError) {
	id, err := c.pathID("id", "id")
	if err != nil {
		return nil, err
	}
	return c.listAttachments(defaultLimit, func() ([]*content, *apiError) {
		if c.st.labels[id] == nil {
			return nil, notFound("Cannot find a label with id [%d]", id)
		}
		return slices.DeleteFunc(c.st.allFiles(), func(x *content) bool { return !slices.Contains(x.labels, id) }), nil
	})
}

func (c *call) getAttachment() (any, *apiError) {
	x, err := c.reading(typeFile)
	if err != nil {
		return nil, err
	}
	v, err := c.wanted(x)
	if err != nil {
		return nil, err
	}
	out := c.showAttachment(x, v, c.base+"/wiki")
	self := c.r.URL.Path
	if c.q.Get("include-version") == "false" {
		out.Version = nil
	}
	if c.q.Get("include-labels") == "true" {
		out.Labels = subList(c.st.showLabels(x), self+"/labels")
	}
	if c.q.Get("include-versions") == "true" {
		var vs []v2Version
		for _, v := range slices.Backward(x.versions) {
			vs = append(vs, showVersion(v))
		}
		out.Versions = subList(vs, self+"/versions")
	}
	if c.q.Get("include-operations") == "true" {
		out.Operations = subList(c.operationsOn(x), self+"/operations")
	}
	return out, nil
}

func (c *call) deleteAttachment() (any, *apiError) {
	purge, err := c.flag("purge")
	if err != nil {
		return nil, err
	}
	x, err := c.changing(typeFile)
	if err != nil {
		return nil, err
	}
	if err := c.deletable(x, purge); err != nil {
		return nil, err
	}
	return nil, c.st.delete(x, purge, false, c.now())
}
