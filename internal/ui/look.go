package ui

import (
	"crypto/sha256"
	"encoding/base64"
	"html/template"
	"math"
	"net/url"
	"strconv"
	"strings"

	"github.com/sluice-run/sluice/internal/connect"
)

// look is how a page looks: the usual, or as the project wants it.
type look struct {
	Style     template.CSS
	Brand     string // name of the application
	BrandLogo template.URL

	styleIs string // CSP source of the style
	imageIs string // CSP source of the logo, with a space before; "" without a remote one
}

// look makes the style and the CSP sources that allow just it. The branding was
// judged when it was set; what does not look so any more is left out.
func (p *pages) look(b connect.Branding) look {
	css := p.style
	if ink, ok := inkOn(b.Color); ok {
		css += ":root{--brand:" + b.Color + ";--ink-on-brand:" + ink + "}"
	}
	sum := sha256.Sum256([]byte(css))
	l := look{
		Style: template.CSS(css), Brand: b.Name, //nolint:gosec // embedded, and a colour of six digits
		styleIs: "'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'",
	}
	switch u, err := url.Parse(b.Logo); {
	case strings.HasPrefix(b.Logo, "data:image/"):
		l.BrandLogo = template.URL(b.Logo) //nolint:gosec // judged when it was set
	case b.Logo != "" && err == nil && u.Scheme == "https" && plainHost.MatchString(u.Host) && !strings.ContainsAny(b.Logo, "; ,?#'\"*"):
		l.BrandLogo = template.URL(b.Logo) //nolint:gosec // judged when it was set
		l.imageIs = " " + b.Logo
	}
	return l
}

// inkOn gives black or white, whichever is the more readable on a colour of six
// hexadecimal digits: one of them always has a contrast of 4.5 or more.
func inkOn(color string) (string, bool) {
	if len(color) != 7 || color[0] != '#' {
		return "", false
	}
	n, err := strconv.ParseUint(color[1:], 16, 32)
	if err != nil {
		return "", false
	}
	light := luminance(byte(n>>16), byte(n>>8), byte(n))
	if 1.05/(light+0.05) >= (light+0.05)/0.05 {
		return "#fff", true
	}
	return "#000", true
}

// luminance is that of WCAG 2, 0 to 1.
func luminance(r, g, b byte) float64 {
	linear := func(c byte) float64 {
		v := float64(c) / 255
		if v <= 0.03928 {
			return v / 12.92
		}
		return math.Pow((v+0.055)/1.055, 2.4)
	}
	return 0.2126*linear(r) + 0.7152*linear(g) + 0.0722*linear(b)
}

// styleSheet gives the embedded style.
func styleSheet() string {
	css, err := files.ReadFile("pages/style.css")
	if err != nil {
		panic("ui: the style sheet is not embedded: " + err.Error())
	}
	return string(css)
}
