package files

import (
	"encoding/hex"
	"mime"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/sluice-run/sluice/internal/domain"
)

const (
	maxName = 255 // bytes
	maxWord = 128 // of a MIME type or slug
	// AnyType is the type of what has none.
	AnyType = "application/octet-stream"
)

// cleanName gives the last part of name, without what a file system or a header
// could stumble over. Clients save files under it.
func cleanName(name string) string {
	name = strings.ToValidUTF8(name, "")
	if i := strings.LastIndexAny(name, `/\`); i >= 0 {
		name = name[i+1:]
	}
	name = strings.Map(func(r rune) rune {
		// Cf holds the marks that turn the reading direction, which hide an ending.
		if unicode.IsControl(r) || unicode.Is(unicode.Cf, r) {
			return -1
		}
		return r
	}, name)
	for name = strings.TrimSpace(name); len(name) > maxName; {
		_, size := utf8.DecodeRuneInString(name)
		name = name[size:] // the end has the type
	}
	if strings.Trim(name, ". ") == "" {
		return "file"
	}
	return name
}

// cleanType gives a MIME type that is one, else AnyType.
func cleanType(t string) string {
	if len(t) > maxWord {
		return AnyType
	}
	media, params, err := mime.ParseMediaType(t)
	if err != nil || !strings.Contains(media, "/") {
		return AnyType
	}
	if t = mime.FormatMediaType(media, params); t == "" {
		return AnyType
	}
	return t
}

// cleanMD5 gives the checksum in lower case; none is allowed.
func cleanMD5(sum string) (string, error) {
	if sum == "" {
		return "", nil
	}
	if b, err := hex.DecodeString(sum); err != nil || len(b) != 16 {
		return "", domain.Invalid("md5", "md5: expected 32 hexadecimal digits")
	}
	return strings.ToLower(sum), nil
}

// clean makes m fit to be kept.
func (m Meta) clean() (Meta, error) {
	var err error
	if m.MD5, err = cleanMD5(m.MD5); err != nil {
		return m, err
	}
	for _, w := range []struct{ field, value string }{{"toolkit_slug", m.Toolkit}, {"tool_slug", m.Tool}} {
		if len(w.value) > maxWord || !utf8.ValidString(w.value) || strings.ContainsFunc(w.value, unicode.IsControl) {
			return m, domain.Invalid(w.field, "%s: expected a slug of at most %d characters", w.field, maxWord)
		}
	}
	m.Name, m.MIME = cleanName(m.Name), cleanType(m.MIME)
	return m, nil
}
