package ui_test

import (
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/sluice-run/sluice/internal/connect"
)

var brandStyle = regexp.MustCompile(`:root\{--brand:(#[0-9a-f]{6});--ink-on-brand:(#000|#fff)\}`)

// The pages carry the project's name, logo and colour; only the logo that is
// meant may be loaded, and the button stays readable in any colour.
func TestBrandedPages(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	_, address := s.begin("jane", "")
	logo := "https://cdn.acme.example/a/logo.png"
	_, err := s.connect.SetBranding(t.Context(), s.project, connect.Branding{Name: "Acme <b>Assistant", Logo: logo, Color: "#F2C200"})
	must(t, err)
	p := s.open(address)
	checkPage(t, p)
	if !strings.Contains(text(p), "Acme <b>Assistant asks to work in Notes") || !strings.Contains(p.Text, `<img src="`+logo+`"`) {
		t.Errorf("the page: %s", text(p))
	}
	if csp := p.Header.Get("Content-Security-Policy"); !strings.Contains(csp, "img-src data: "+logo+";") {
		t.Errorf("the policy: %s", csp)
	}
	if p := s.open(s.server.URL + "/link/lt_unknown"); strings.Contains(p.Header.Get("Content-Security-Policy"), "cdn.acme") || strings.Contains(p.Text, "Acme") {
		t.Error("a page of nobody shows the project's brand")
	}
	bad := s.send(address, p.fill("acme", "wrong-token"))
	checkPage(t, bad)
	if bad.Status != 400 || !strings.Contains(bad.Text, logo) {
		t.Errorf("after a mistake: %d", bad.Status)
	}
	rapid.Check(t, func(r *rapid.T) {
		color := fmt.Sprintf("#%06x", rapid.IntRange(0, 1<<24-1).Draw(r, "color"))
		if _, err := s.connect.SetBranding(t.Context(), s.project, connect.Branding{Color: color}); err != nil {
			r.Fatal(err)
		}
		m := brandStyle.FindStringSubmatch(s.open(address).Text)
		if m == nil || m[1] != color {
			r.Fatalf("%s: %v", color, m)
		}
		if got := contrast(m[1], m[2]); got < 4.5 {
			r.Errorf("%s on %s: %.2f", m[2], m[1], got)
		}
	})
}

// contrast is that of WCAG 2, written by its definition.
func contrast(a, b string) float64 {
	l := func(hex string) float64 {
		if len(hex) == 4 {
			hex = "#" + strings.Repeat(hex[1:2], 6)
		}
		sum := 0.0
		for i, weight := range []float64{0.2126, 0.7152, 0.0722} {
			n, _ := strconv.ParseUint(hex[1+2*i:3+2*i], 16, 8)
			v := float64(n) / 255
			if v <= 0.04045 {
				v /= 12.92
			} else {
				v = math.Pow((v+0.055)/1.055, 2.4)
			}
			sum += weight * v
		}
		return sum
	}
	x, y := l(a), l(b)
	return (max(x, y) + 0.05) / (min(x, y) + 0.05)
}
