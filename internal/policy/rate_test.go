package policy_test

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/sluice-run/sluice/internal/domain"
	"github.com/sluice-run/sluice/internal/policy"
)

func limiter(burst int, window time.Duration, edit ...func(*policy.LimiterOptions)) *policy.Limiter {
	o := policy.LimiterOptions{Kind: policy.LimitUser, Rate: policy.Rate{Burst: burst, Window: window}}
	for _, e := range edit {
		e(&o)
	}
	return policy.NewLimiter(o)
}

// A bucket gives its burst at once, says how long to wait, and keeps that word.
func TestLimiter(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		refused := 0
		l := limiter(3, 3*time.Second, func(o *policy.LimiterOptions) { o.Refused = func(string) { refused++ } })
		for left := 2; left >= 0; left-- {
			if v := l.Take("p", "a"); v.Refused || v.Remaining != left {
				t.Errorf("with %d left: %+v", left, v)
			}
		}
		var v policy.Verdict
		for range 5 { // a refused call takes nothing
			v = l.Take("p", "a")
			if !v.Refused || v.Wait != time.Second || v.Reset != 3*time.Second || v.Remaining != 0 {
				t.Errorf("over: %+v", v)
			}
		}
		if refused != 5 {
			t.Errorf("told of %d refusals", refused)
		}
		for _, other := range [][2]string{{"p", "b"}, {"q", "a"}, {"", "pa"}, {"pa", ""}} {
			if v := l.Take(other[0], other[1]); v.Refused || v.Remaining != 2 {
				t.Errorf("another name %v: %+v", other, v)
			}
		}
		time.Sleep(v.Wait - time.Nanosecond)
		if !l.Take("p", "a").Refused {
			t.Error("passed too early")
		}
		time.Sleep(time.Nanosecond)
		if v := l.Take("p", "a"); v.Refused || v.Remaining != 0 {
			t.Errorf("after the wait: %+v", v)
		}
		l.Return("p", "a")
		if v := l.Take("p", "a"); v.Refused || v.Remaining != 0 {
			t.Errorf("after a token came back: %+v", v)
		}
		if !l.Take("p", "a").Refused {
			t.Error("more came back than was taken")
		}
		l.Return("p", "nobody")
	})
}

// No limit is no limit.
func TestNoLimit(t *testing.T) {
	t.Parallel()
	for _, rate := range []policy.Rate{{}, {Burst: 1}, {Window: time.Second}, {Burst: -1, Window: time.Second}} {
		l := policy.NewLimiter(policy.LimiterOptions{Rate: rate})
		for range 100 {
			if l.Take("p", "a").Refused {
				t.Fatal("refused")
			}
		}
		l.Return("p", "a")
		h := http.Header{}
		if l.Take("p", "a").Tell(h); len(h) != 0 {
			t.Errorf("headers %v", h)
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
		l := limiter(burst, token*time.Duration(burst), func(o *policy.LimiterOptions) {
			o.Most, o.Now = 4, func() time.Time { return now }
		})
		var passed []time.Time
		for range rapid.IntRange(1, 80).Draw(t, "calls") {
			now = now.Add(time.Duration(rapid.Int64Range(0, int64(2*token)).Draw(t, "pause")))
			// As many others as there is room for besides, who may have used theirs up.
			for range rapid.IntRange(0, 5).Draw(t, "others") {
				l.Take("p", rapid.SampledFrom([]string{"b", "c", "d"}).Draw(t, "other"))
			}
			v := l.Take("p", "a")
			if v.Refused != (v.Wait > 0) || v.Remaining < 0 || v.Remaining >= burst {
				t.Fatalf("verdict %+v", v)
			}
			if v.Refused {
				now = now.Add(v.Wait)
				if l.Take("p", "a").Refused {
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

// Names without end take no memory without end, and do not free who has used up
// what it may: that one is forgotten last.
func TestInventedNamesFreeNobody(t *testing.T) {
	t.Parallel()
	now := time.Unix(1e9, 0)
	l := limiter(3, time.Hour, func(o *policy.LimiterOptions) {
		o.Most, o.Now = 100, func() time.Time { return now }
	})
	for range 3 {
		l.Take("p", "greedy")
	}
	for i := range 10_000 {
		if l.Take("p", fmt.Sprint("user", i)).Refused {
			t.Fatal("a new name was refused")
		}
		if !l.Take("p", "greedy").Refused {
			t.Fatalf("freed by %d names", i+1)
		}
	}
	if n := l.Held(); n != 100 {
		t.Errorf("%d names are held", n)
	}
	// What is full again is forgotten, a few at a time.
	now = now.Add(time.Hour)
	for i := range 110 {
		l.Take("p", fmt.Sprint("later", i))
		now = now.Add(time.Hour)
	}
	if n := l.Held(); n > 3 {
		t.Errorf("%d names are held that have nothing left to forget", n)
	}
}

// Many at once get exactly what there is.
func TestLimiterAtOnce(t *testing.T) {
	t.Parallel()
	now := time.Unix(1e9, 0)
	l := limiter(100, time.Hour, func(o *policy.LimiterOptions) { o.Now = func() time.Time { return now } })
	var wg sync.WaitGroup
	passed := make([]int, 8)
	for i := range passed {
		wg.Go(func() {
			for j := range 300 {
				if !l.Take("p", fmt.Sprint(j%3)).Refused {
					passed[i]++
				}
			}
		})
	}
	wg.Wait()
	sum := 0
	for _, n := range passed {
		sum += n
	}
	if sum != 300 {
		t.Errorf("%d passed, of three names with 100 each", sum)
	}
}

// The error says which limit, how much and how long; the headers say it exactly.
func TestWhatARefusalSays(t *testing.T) {
	t.Parallel()
	now := time.Unix(1e9, 0)
	l := limiter(2, 90*time.Minute, func(o *policy.LimiterOptions) { o.Now = func() time.Time { return now } })
	got := http.Header{"Ratelimit": {`"key";r=5;t=1`}, "Ratelimit-Policy": {`"key";q=6;w=60`}, "X-Ratelimit-Limit": {"6"}}
	l.Take("p", "a")
	now = now.Add(500 * time.Millisecond)
	l.Take("p", "a").Tell(got)
	want := http.Header{}
	for _, line := range []string{
		`RateLimit: "key";r=5;t=1`, `RateLimit: "user";r=0;t=5400`,
		`RateLimit-Policy: "key";q=6;w=60`, `RateLimit-Policy: "user";q=2;w=5400`,
		"X-RateLimit-Limit: 2", "X-RateLimit-Remaining: 0", "X-RateLimit-Reset: 5400",
		"X-RateLimit: 2", "X-RateLimit-Window-Size: 5400s",
	} {
		name, value, _ := strings.Cut(line, ": ")
		want.Add(name, value)
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("headers (-want +got):\n%s", d)
	}
	v := l.Take("p", "a")
	err := v.Err("this user", "tool calls")
	if err.Code != domain.CodeRateLimited || err.RetryAfter != 45*time.Minute-500*time.Millisecond ||
		err.Message != "this user has made as many tool calls as it may: 2 in 1h30m" ||
		err.Fix != "Wait 2700 s and send it again; nothing was run." {
		t.Errorf("error %+v", err)
	}
	var over *policy.Over
	if !errors.As(error(err), &over) || over.Verdict != v {
		t.Errorf("cause %v", over)
	}
}

// BenchmarkTake is what a limit costs a call: of a name that is known, of many in
// turn, and of new ones while the table is full.
func BenchmarkTake(b *testing.B) {
	names := make([]string, 200_000)
	for i := range names {
		names[i] = fmt.Sprint("user-", i)
	}
	for _, bm := range []struct {
		name string
		of   int
	}{{"one", 1}, {"many", 50_000}, {"full", len(names)}} {
		b.Run(bm.name, func(b *testing.B) {
			l := limiter(1e6, time.Hour)
			b.ReportAllocs()
			i := 0
			for b.Loop() {
				l.Take("proj_01hzx", names[i%bm.of])
				i++
			}
		})
	}
	b.Run("tell", func(b *testing.B) {
		v := limiter(1e6, time.Hour).Take("p", "a")
		b.ReportAllocs()
		for b.Loop() {
			v.Tell(http.Header{})
		}
	})
	b.Run("at once", func(b *testing.B) {
		l := limiter(1e6, time.Hour)
		b.ReportAllocs()
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				l.Take("proj_01hzx", "ann")
			}
		})
	})
}
