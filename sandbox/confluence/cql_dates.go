package confluence

import (
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/sluice-run/sluice/sandbox/confluence/internal/cql"
)

// span is a value of a date field: a moment, or the day or minute it names.
type span struct{ from, to time.Time }

var dateLayouts = []struct {
	layout string
	length time.Duration
}{
	{"2006-01-02 15:04", time.Minute},
	{"2006/01/02 15:04", time.Minute},
	{"2006-01-02", 24 * time.Hour},
	{"2006/01/02", 24 * time.Hour},
}

var increment = regexp.MustCompile(`^([+-]?)(\d{1,6})([yMwdhm])$`)

func dateField(get func(row) time.Time) func(*searchEnv, *cql.Clause) (predicate, *apiError) {
	return func(e *searchEnv, c *cql.Clause) (predicate, *apiError) {
		d, err := e.date(c.Field, c.Values[0])
		if err != nil {
			return nil, err
		}
		within := func(t time.Time) bool { return !t.Before(d.from) && t.Before(d.to) }
		switch c.Op {
		case "=":
			return func(r row) bool { return within(get(r)) }, nil
		case "!=":
			return func(r row) bool { return !within(get(r)) }, nil
		case ">":
			return func(r row) bool { return get(r).After(d.from) }, nil
		case ">=":
			return func(r row) bool { return !get(r).Before(d.from) }, nil
		case "<":
			return func(r row) bool { return get(r).Before(d.from) }, nil
		}
		return func(r row) bool { return !get(r).After(d.from) }, nil
	}
}

// date reads a date or a date function in the caller's time zone.
func (e *searchEnv) date(field string, v cql.Value) (span, *apiError) {
	loc := e.me.loc
	if !v.Func {
		for _, l := range dateLayouts {
			if t, err := time.ParseInLocation(l.layout, v.Text, loc); err == nil {
				to := t.Add(l.length)
				if l.length == 24*time.Hour {
					to = t.AddDate(0, 0, 1)
				}
				return span{t, to}, nil
			}
		}
		return span{}, badRequest("Could not parse cql : The date '%s' for the field '%s' is not valid. Use yyyy-MM-dd, yyyy/MM/dd, or one of them with HH:mm", v.Text, field)
	}
	t, err := dateFunc(strings.ToLower(v.Text), e.now.In(loc))
	if err != nil {
		return span{}, err
	}
	if len(v.Args) > 1 {
		return span{}, badRequest("Could not parse cql : Function '%s' takes at most one argument", v.Text)
	}
	if len(v.Args) == 1 {
		m := increment.FindStringSubmatch(v.Args[0])
		if m == nil {
			return span{}, badRequest("Could not parse cql : The increment '%s' of function '%s' is not valid. Use (+/-)nn(y|M|w|d|h|m)", v.Args[0], v.Text)
		}
		t = shift(t, m[1], m[2], m[3])
	}
	return span{t, t.Add(time.Minute)}, nil
}

func dateFunc(name string, now time.Time) (time.Time, *apiError) {
	if name == "now" {
		return now, nil
	}
	y, m, d := now.Date()
	day := time.Date(y, m, d, 0, 0, 0, 0, now.Location())
	monday := day.AddDate(0, 0, -(int(day.Weekday())+6)%7)
	month := time.Date(y, m, 1, 0, 0, 0, 0, now.Location())
	year := time.Date(y, 1, 1, 0, 0, 0, 0, now.Location())
	switch name {
	case "startofday":
		return day, nil
	case "endofday":
		return day.AddDate(0, 0, 1).Add(-time.Millisecond), nil
	case "startofweek":
		return monday, nil
	case "endofweek":
		return monday.AddDate(0, 0, 7).Add(-time.Millisecond), nil
	case "startofmonth":
		return month, nil
	case "endofmonth":
		return month.AddDate(0, 1, 0).Add(-time.Millisecond), nil
	case "startofyear":
		return year, nil
	case "endofyear":
		return year.AddDate(1, 0, 0).Add(-time.Millisecond), nil
	}
	return time.Time{}, badRequest("Could not parse cql : No function exists with the name: '%s'", name)
}

func shift(t time.Time, sign, digits, unit string) time.Time {
	n, _ := strconv.Atoi(digits) // at most six digits: cannot fail
	if sign == "-" {
		n = -n
	}
	switch unit {
	case "y":
		return t.AddDate(n, 0, 0)
	case "M":
		return t.AddDate(0, n, 0)
	case "w":
		return t.AddDate(0, 0, 7*n)
	case "d":
		return t.AddDate(0, 0, n)
	case "h":
		return t.Add(time.Duration(n) * time.Hour)
	}
	return t.Add(time.Duration(n) * time.Minute)
}
