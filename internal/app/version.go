package app

import (
	"runtime/debug"
	"strings"
)

// version is set at a release build with -ldflags "-X …/internal/app.version=v1.2.3".
var version string

// Version is the program's version: that of the release or the module, else
// "dev" with the revision it was built from.
func Version() string {
	if version != "" {
		return version
	}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "dev"
	}
	if v := info.Main.Version; v != "" && v != "(devel)" {
		return strings.TrimPrefix(v, "v")
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" && len(s.Value) >= 12 {
			return "dev-" + s.Value[:12]
		}
	}
	return "dev"
}
