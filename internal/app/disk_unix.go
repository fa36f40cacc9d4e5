//go:build linux || darwin

package app

import "syscall"

// freeBytes is the room that is left for this user.
func freeBytes(path string) (uint64, bool) {
	var s syscall.Statfs_t
	if err := syscall.Statfs(path, &s); err != nil {
		return 0, false
	}
	return s.Bavail * uint64(s.Bsize), true // Bsize has another type on each system
}
