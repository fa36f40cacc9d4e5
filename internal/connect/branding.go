package connect

import (
	"context"
	"encoding/base64"
	"net/url"
	"regexp"
	"strings"
	"unicode"

	"github.com/sluice-run/sluice/internal/domain"
)

// Branding is how a project's connect pages look.
type Branding = domain.Branding

const (
	maxBrandName = 60
	// maxLogo bounds an embedded logo as it is written, in bytes: it is part of
	// every page.
	maxLogo = 64 << 10
)

var (
	brandColor = regexp.MustCompile(`^#[0-9a-fA-F]{6}$`)
	// logoHost and logoPath keep an address from adding to the policy in which the
	// page names it.
	logoHost = regexp.MustCompile(`^[a-z0-9]([a-z0-9.-]*[a-z0-9])?(:[0-9]{1,5})?$`)
	logoPath = regexp.MustCompile(`^/[A-Za-z0-9/._~%+@=-]*$`)
	logoData = regexp.MustCompile(`^data:image/(png|jpeg|gif|webp|svg\+xml);base64,`)
)

// Branding gives how the project's connect pages look. The name is never empty:
// where the project has chosen none it is the project's own.
func (s *Service) Branding(ctx context.Context, projectID string) (Branding, error) {
	b, err := s.opts.Store.Branding(ctx, projectID)
	if err != nil || b.Name != "" {
		return b, err
	}
	p, err := s.opts.Store.Project(ctx, projectID)
	b.Name = p.Name
	return b, err
}

// SetBranding replaces how the project's connect pages look; empty fields go
// back to the usual. The logo is an https address without a query, or a data: URI
// with a base64 picture of at most 64 KiB; browsers fetch it, the router never
// does. The colour is #rrggbb. What is wrong is CodeInvalid with the field's name.
func (s *Service) SetBranding(ctx context.Context, projectID string, b Branding) (Branding, error) {
	b.Name, b.Logo = strings.TrimSpace(b.Name), strings.TrimSpace(b.Logo)
	b.Color = strings.ToLower(strings.TrimSpace(b.Color))
	if len(b.Name) > maxBrandName || strings.IndexFunc(b.Name, func(r rune) bool { return !unicode.IsPrint(r) }) >= 0 {
		return b, domain.Invalid("name", "name: expected at most %d bytes of plain text", maxBrandName)
	}
	if b.Color != "" && !brandColor.MatchString(b.Color) {
		return b, domain.Invalid("color", "color: expected #rrggbb, such as #1456c4")
	}
	if err := checkLogo(b.Logo); err != nil {
		return b, err
	}
	if err := s.opts.Store.PutBranding(ctx, projectID, b); err != nil {
		return b, err
	}
	return s.Branding(ctx, projectID)
}

func checkLogo(logo string) error {
	head := logoData.FindString(logo)
	switch {
	case logo == "":
		return nil
	case len(logo) > maxLogo:
		return domain.Invalid("logo", "logo has %d bytes; at most %d are allowed", len(logo), maxLogo).
			WithFix("Use a smaller picture, or the https address of one.")
	case head != "":
		if _, err := base64.StdEncoding.DecodeString(logo[len(head):]); err == nil && len(logo) > len(head) {
			return nil
		}
	case len(logo) <= 2048:
		u, err := url.Parse(logo)
		if err == nil && u.Scheme == "https" && u.User == nil && u.RawQuery == "" && !u.ForceQuery && u.Fragment == "" &&
			logoHost.MatchString(u.Host) && logoPath.MatchString(u.EscapedPath()) {
			return nil
		}
	}
	return domain.Invalid("logo", "logo: expected an https address without ? and #, such as https://acme.example/logo.png, or data:image/png;base64,… (also jpeg, gif, webp, svg+xml)")
}
