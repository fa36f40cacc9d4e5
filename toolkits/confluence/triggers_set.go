package confluence

import (
	"context"
	"fmt"
	"strconv"

	"github.com/sluice-run/sluice/toolkit"
)

// members is what was in a set of ids at the last poll. A walk over the set may
// take several polls: Have are those not met in it yet, Met the others.
type members struct {
	episode
	Have   map[string]bool `json:"have,omitempty"`
	Met    map[string]bool `json:"met,omitempty"`
	Next   string          `json:"next,omitempty"`
	InWalk bool            `json:"walk,omitempty"`
	Ready  bool            `json:"ready,omitempty"` // the baseline is complete
}

// episode numbers the polls that told of changes without a number of their own. All
// that one poll tells has one number: repeated from the same cursor it has the same
// keys, whatever else has changed by then, and the next change has others.
type episode struct {
	Epoch int64 `json:"epoch"` // when the baseline was made
	Gen   int64 `json:"gen"`
	told  bool  // this poll has its number
}

func (e *episode) begin(c *client) {
	if e.Epoch == 0 {
		e.Epoch = c.now().UnixMilli()
	}
}

// next gives the stamp of this poll's changes.
func (e *episode) next() string {
	if !e.told {
		e.Gen, e.told = e.Gen+1, true
	}
	return strconv.FormatInt(e.Epoch, 36) + "." + strconv.FormatInt(e.Gen, 36)
}

// maxMembers bounds how many ids are remembered.
const maxMembers = 10_000

// pollMembers walks over a set and tells of what came into it. id says which
// members count; tell makes the event of one, or none when it has gone meanwhile.
func pollMembers[T, P any](ctx context.Context, c *client, cur *members, r request, id func(T) (string, bool),
	tell func(ctx context.Context, item T, base, stamp string) (*toolkit.Event[P], error),
) (step toolkit.Step[members, P], err error) {
	m := &step.Cursor
	if cur != nil {
		*m = *cur
	}
	if m.Have == nil {
		m.Have = map[string]bool{}
	}
	if m.Met == nil {
		m.Met = map[string]bool{}
	}
	for range maxPollPages {
		got, err := fetchOne[T](ctx, c, r, 250, m.Next)
		if err != nil && m.Next != "" && refused(err) {
			m.again()
			step.More = true
			return step, nil
		}
		if err != nil {
			return step, err
		}
		m.begin(c)
		m.InWalk = true
		for _, item := range got.items {
			key, counts := id(item)
			switch {
			case !counts || m.Met[key]:
				continue
			case m.Ready && !m.Have[key]:
				if c.isBusy(len(step.Events)) {
					step.More = true // this page is read again
					step.Events = inOrder(step.Events)
					return step, nil
				}
				e, err := tell(ctx, item, got.base, m.episode.next())
				if err != nil {
					return step, err
				}
				if e == nil {
					step.Missed++
				} else {
					step.Events = append(step.Events, *e)
				}
			}
			delete(m.Have, key)
			m.Met[key] = true
		}
		if len(m.Have)+len(m.Met) > maxMembers {
			return step, &toolkit.Error{
				Kind: toolkit.KindTooLarge, Field: r.field, Message: fmt.Sprintf("There are more than %d to watch.", maxMembers),
				Fix: "Watch a smaller part, such as one space.",
			}
		}
		if m.Next = got.cursor; m.Next == "" {
			m.Have, m.Met, m.InWalk, m.Ready = m.Met, nil, false, true
			break
		}
	}
	step.Events, step.More = inOrder(step.Events), m.InWalk
	return step, nil
}

// again begins the walk anew, without forgetting what it met.
func (m *members) again() {
	for key := range m.Met {
		m.Have[key] = true
	}
	m.Met, m.Next = nil, ""
}
