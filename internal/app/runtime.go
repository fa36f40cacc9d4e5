package app

import "runtime/debug"

// The runtime's settings, unless the environment has its own. A router makes
// much short-lived garbage around a small live heap, so collecting less often is
// cheap memory for much CPU; the limit keeps a burst from taking the machine.
const (
	gcPercent   = 400
	memoryLimit = 512 << 20
)

// TuneRuntime sets the garbage collector for a program that is a router. It
// leaves alone what GOGC or GOMEMLIMIT set.
func TuneRuntime(getenv func(string) string) {
	if getenv("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
	}
	if getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(memoryLimit)
	}
}

// Settle gives back to the system what starting took and serving does not need.
// Migrations, schemas and indexes leave several times as much garbage as stays,
// and the collector would let the heap grow to a multiple of that first.
func Settle() { debug.FreeOSMemory() }
