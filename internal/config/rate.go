package config

import (
	"errors"
	"strconv"
	"strings"
	"time"
)

// Bounds of a Rate.
const (
	maxBurst  = 10_000_000
	maxWindow = 24 * time.Hour
)

const rateWords = "a number and a time, such as 1000/1m, or 0 for no limit"

var errRate = errors.New("expected " + rateWords)

// Rate is a number and the time in which it may happen, written 1000/1m, 1000/m or
// 20/30s. 0, and nothing at all, are the zero Rate: no limit.
type Rate struct {
	Burst  int
	Window time.Duration
}

// UnmarshalText reads the written form. Whether the values make sense is
// Validate's.
func (r *Rate) UnmarshalText(text []byte) error {
	number, in, timed := strings.Cut(strings.TrimSpace(string(text)), "/")
	if number == "" && !timed {
		*r = Rate{}
		return nil
	}
	n, err := strconv.Atoi(strings.TrimSpace(number))
	if err != nil || n < 0 || !timed && n != 0 {
		return errRate
	}
	if n == 0 {
		*r = Rate{}
		return nil
	}
	in = strings.TrimSpace(in)
	if in == "s" || in == "m" || in == "h" {
		in = "1" + in
	}
	window, err := time.ParseDuration(in)
	if err != nil || window <= 0 {
		return errRate
	}
	*r = Rate{Burst: n, Window: window}
	return nil
}

// UnmarshalYAML reads the written form, and 0 as a number.
func (r *Rate) UnmarshalYAML(unmarshal func(any) error) error {
	var text string
	if unmarshal(&text) != nil {
		var n int
		if unmarshal(&n) != nil || n != 0 {
			return errRate
		}
		text = "0"
	}
	return r.UnmarshalText([]byte(text))
}

// String is the written form.
func (r Rate) String() string {
	if r == (Rate{}) {
		return "0"
	}
	return strconv.Itoa(r.Burst) + "/" + r.Window.String()
}
