package confluence

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/sluice-run/sluice/toolkit"
)

type createPrivateSpaceInput struct {
	Key         string                 `json:"key" jsonschema:"minLength=1,maxLength=255" jsonschema_description:"Short key of the space, letters and digits only, used once on the site: MKT."`
	Name        string                 `json:"name" jsonschema:"minLength=1,maxLength=200" jsonschema_description:"Name of the space."`
	Description *spaceDescriptionInput `json:"description,omitempty" jsonschema_description:"What the space is for."`
}

var createPrivateSpace = toolkit.Create("CONFLUENCE_CREATE_PRIVATE_SPACE", "Create Private Space",
	"Create a space that only the connected account can see and edit at first; rights for others are given in Confluence. "+
		"For a space that everybody sees use create space.",
	toolkit.About{
		Scopes: toolkit.Scopes{}.
			AnyOf("write:space:confluence", "write:confluence-space").
			AnyOf("read:space-details:confluence", "write:confluence-space").
			AnyOf("write:space.permission:confluence", "write:confluence-space"),
		Keywords:  []string{"confidential", "secret", "only me", "restricted", "hidden", "nobody else"},
		Pitfalls:  []string{"The key cannot be changed later; it holds letters and digits only."},
		Endpoints: []string{"POST /wiki/rest/api/space/_private"},
	},
	func(ctx context.Context, c *client, in createPrivateSpaceInput) (*newSpace, error) {
		return c.createSpace(ctx, "/space/_private", in)
	})

// deletedSpace says how far the deletion of a space is.
type deletedSpace struct {
	Success bool    `json:"success" jsonschema_description:"Whether the space is gone; false when the deletion still goes on."`
	Percent float64 `json:"percent" jsonschema_description:"How far the deletion is."`
	TaskID  string  `json:"task_id" jsonschema_description:"Id of the background task."`
	Message string  `json:"message" jsonschema_description:"What happened."`
}

type deleteSpaceInput struct {
	SpaceKey string `json:"space_key" jsonschema:"minLength=1" jsonschema_description:"The space: its key (MKT) or its id."`
}

var deleteSpace = toolkit.Delete("CONFLUENCE_DELETE_SPACE", "Delete Space",
	"Delete a space with everything in it, FOR GOOD: there is no trash for spaces and no way back. Waits up to 25 seconds for the end. "+
		"For a single page use delete page.",
	toolkit.About{
		Scopes: toolkit.Scopes{}.AnyOf("delete:space:confluence", "write:confluence-space").
			AnyOf("read:content.metadata:confluence", "read:confluence-space.summary").Sometimes(scopeReadSpace),
		Keywords:  []string{"whole space", "tear down", "wipe", "remove the team area", "entire space"},
		Pitfalls:  []string{"All pages, blog posts, comments and files of the space are lost for good: be sure that the person wants that."},
		Endpoints: []string{"DELETE /wiki/rest/api/space/{spaceKey}", "GET /wiki/rest/api/longtask/{id}", "GET /wiki/api/v2/spaces/{id}"},
	},
	func(ctx context.Context, c *client, in deleteSpaceInput) (*deletedSpace, error) {
		ref, err := c.spaceRef(ctx, "space_key", in.SpaceKey)
		if err != nil {
			return nil, err
		}
		var begun started
		err = c.do(ctx, request{
			method: http.MethodDelete, path: v1 + "/space/" + ref.key, out: &begun, what: "space with the key " + ref.key, field: "space_key",
			scopes: []string{"delete:space:confluence", "read:content.metadata:confluence"},
		})
		if err != nil {
			return nil, err
		}
		t, err := c.await(ctx, begun.ID, "Deleting the space "+ref.key)
		if err != nil {
			return nil, begunAnyway(err, fmt.Sprintf("The deletion of the space %s has begun (task %s).", ref.key, begun.ID))
		}
		out := &deletedSpace{Success: t.Finished, Percent: t.Percent, TaskID: begun.ID, Message: "The space " + ref.key + " is gone for good."}
		if !t.Finished {
			out.Message = fmt.Sprintf("The deletion of the space %s goes on in the background; it is at %.0f %%. Do not delete it again.", ref.key, t.Percent)
		}
		return out, nil
	})

// begunAnyway adds to an error what has been started before it.
func begunAnyway(err error, what string) error {
	var e *toolkit.Error
	if !errors.As(err, &e) {
		return err
	}
	copied := *e
	copied.Message = what + " " + e.Message
	copied.Field = ""
	return &copied
}
