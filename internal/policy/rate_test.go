package policy_test

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/sluice-run/sluice/internal/policy"
)

// A bucket gives its burst at once, says how long to wait, and keeps that word.
func TestLimiter(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := policy.NewLimiter(policy.Rate{Burst: 3, Window: 3 * time.Second}, 10, nil)
		for left := 2; left >= 0; left-- {
			if v := l.Take("a"); !v.OK || v.Remaining != left {
				t.Errorf("with %d left: %+v", left, v)
			}
		}
		v := l.Take("a")
		if v.OK || v.Wait != time.Second || v.Reset != 3*time.Second {
			t.Errorf("over: %+v", v)
		}
		if v := l.Take("b"); !v.OK {
			t.Errorf("another name: %+v", v)
		}
		time.Sleep(v.Wait - 1)
		if l.Take("a").OK {
			t.Error("passed too early")
		}
		time.Sleep(1)
		if v := l.Take("a"); !v.OK || v.Remaining != 0 {
			t.Errorf("after the wait: %+v", v)
		}
	})
}

// No limit is no limit.
func TestNoLimit(t *testing.T) {
	t.Parallel()
	for _, l := range []*policy.Limiter{nil, policy.NewLimiter(policy.Rate{}, 1, nil)} {
		for range 100 {
			if !l.Take("a").OK {
				t.Fatal("refused")
			}
		}
	}
}

// In any stretch of time no more pass than the burst and what flows in.
func TestLimiterNeverGivesMore(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		burst := rapid.IntRange(1, 20).Draw(t, "burst")
		token := time.Duration(rapid.IntRange(1, 1e9).Draw(t, "token"))
		now := time.Unix(1e9, 0)
		l := policy.NewLimiter(policy.Rate{Burst: burst, Window: token * time.Duration(burst)}, 4, func() time.Time { return now })
		var passed []time.Time
		for range rapid.IntRange(1, 80).Draw(t, "calls") {
			now = now.Add(time.Duration(rapid.Int64Range(0, int64(2*token)).Draw(t, "pause")))
			v := l.Take("a")
			if v.OK == (v.Wait > 0) || v.Remaining < 0 || v.Remaining >= burst {
				t.Fatalf("verdict %+v", v)
			}
			if !v.OK {
				now = now.Add(v.Wait)
				if !l.Take("a").OK {
					t.Fatalf("refused after waiting %s", v.Wait)
				}
			}
			passed = append(passed, now)
			for i, from := range passed {
				if most := burst + int(now.Sub(from)/token); len(passed)-i > most {
					t.Fatalf("%d passed in %s", len(passed)-i, now.Sub(from))
				}
			}
		}
	})
}

// Names without end take no memory without end, and do not free who is known.
func TestLimiterForgets(t *testing.T) {
	t.Parallel()
	l := policy.NewLimiter(policy.Rate{Burst: 1, Window: time.Hour}, 100, nil)
	for i := range 10_000 {
		if !l.Take(fmt.Sprint("user", i)).OK {
			t.Fatal("a new name was refused")
		}
	}
	if n := l.Held(); n > 100 {
		t.Errorf("%d names are held", n)
	}
}
