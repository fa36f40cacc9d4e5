package confluence

import (
	"net/http"
	"strings"
)

// The site's calls by method and path, one table for a group of resources.

func v2Tables() []map[string]endpoint {
	return []map[string]endpoint{
		v2Routes(),
		attachmentRoutes(),
		todoRoutes(),
		likeRoutes(),
		inlineRoutes(),
		propertyRoutes(),
		treeRoutes(),
		customRoutes(),
		spaceAccessRoutesV2(),
		guardRoutes(),
		roleRoutes(),
		transitionRoutes(),
		siteRoutes(),
	}
}

func v1Tables() []map[string]endpoint {
	return []map[string]endpoint{
		v1Routes(),
		attachmentRoutesV1(),
		restrictionRoutes(),
		peopleRoutes(),
		auditRoutes(),
		spaceAccessRoutesV1(),
		lifeRoutesV1(),
		watchRoutes(),
		favouriteRoutes(),
		viewRoutes(),
		convertRoutes(),
		templateRoutes(),
		stateRoutes(),
		lookRoutes(),
		macroRoutes(),
	}
}

// uploadTables hold the calls whose bodies may be as large as an attachment.
func uploadTables() []map[string]endpoint {
	return []map[string]endpoint{
		uploadRoutes(),
	}
}

// v1RemovedTables hold the calls that left today's v1 document.
func v1RemovedTables() []map[string]endpoint {
	return []map[string]endpoint{
		v1RemovedRoutes(),
		v1PropertyRoutes(),
		v1GroupRestrictionRoutes(),
		v1GroupRoutes(),
		v1ConvertRoutes(),
	}
}

// mount registers tables of calls below a prefix.
func mount(mux *http.ServeMux, prefix string, tables []map[string]endpoint, handler func(endpoint) http.Handler) {
	for _, table := range tables {
		for pattern, e := range table {
			method, path, _ := strings.Cut(pattern, " ")
			mux.Handle(method+" "+prefix+path, handler(e))
		}
	}
}
