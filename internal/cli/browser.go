package cli

import (
	"context"
	"os/exec"
	"runtime"
	"strings"
)

// browser gives the command that opens an address for the person at this
// machine; nil where there is none. $BROWSER is asked first.
func (s *shared) browser(ctx context.Context, address string) *exec.Cmd {
	if !strings.HasPrefix(address, "https://") && !strings.HasPrefix(address, "http://") {
		return nil
	}
	if own := s.getenv("BROWSER"); own != "" {
		return exec.CommandContext(ctx, own, address) //nolint:gosec // the person's own choice
	}
	name, args := "xdg-open", []string{address}
	switch runtime.GOOS {
	case "darwin":
		name = "open"
	case "windows":
		name, args = "rundll32", []string{"url.dll,FileProtocolHandler", address}
	default:
		if s.getenv("DISPLAY") == "" && s.getenv("WAYLAND_DISPLAY") == "" {
			return nil
		}
	}
	if _, err := exec.LookPath(name); err != nil {
		return nil
	}
	return exec.CommandContext(ctx, name, args...) //nolint:gosec // one of three names, and an http address
}

// openBrowser opens the address and says whether that was possible.
func (s *shared) openBrowser(ctx context.Context, address string) bool {
	cmd := s.browser(ctx, address)
	if cmd == nil || cmd.Start() != nil {
		return false
	}
	go func() { _ = cmd.Wait() }() // it may stay open longer than this command
	return true
}

// opener is an opener of this machine's browser.
func (s *shared) opener(ctx context.Context, address string, do bool) bool {
	if do {
		return s.openBrowser(ctx, address)
	}
	return s.browser(ctx, address) != nil
}
