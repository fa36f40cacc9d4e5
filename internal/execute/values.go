package execute

import "github.com/sluice-run/sluice/internal/domain"

// maxValues bounds the values of one message. Each costs many times its letters
// once it is read: the two of {} come to a hundred bytes.
const maxValues = 100_000

// CheckValues says whether a message that a door received may be read: one with
// very many small values takes memory and time out of proportion to its size.
// It counts without reading, so that text may be malformed.
func CheckValues(message []byte) error {
	if len(message) < maxValues { // each value has a letter
		return nil
	}
	values, quoted := 1, false
	for i := 0; i < len(message); i++ {
		switch message[i] {
		case '"':
			quoted = !quoted
		case '\\':
			i++ // only strings hold one, before what it escapes
		case ',', '{', '[':
			if !quoted {
				values++
			}
		}
	}
	if values > maxValues {
		return domain.Errorf(domain.CodeTooLarge, "the message holds more than %d values", maxValues).
			WithFix("Send less at a time.")
	}
	return nil
}
