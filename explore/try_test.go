package explore

import (
	"flag"
	"testing"
	"time"
)

var try = flag.String("try", "", "")

func TestTry(t *testing.T) {
	for _, b := range []Bounds{
		{Voters: 1, Elections: 2, Entries: 2, Crashes: 1, Stalls: 1},
		{Voters: 2, Elections: 2, Entries: 1},
		{Voters: 2, Elections: 2, Entries: 2, Crashes: 1, Duplicates: 1, Stalls: 1},
		{Voters: 2, Elections: 2, Entries: 2, Crashes: 1, Duplicates: 1, Stalls: 1, Named: true},
		{Voters: 2, Elections: 2, Entries: 1, Crashes: 1, Duplicates: 1, Stalls: 1, Exact: true},
		{Voters: 3, Elections: 1, Entries: 1},
		{Voters: 3, Elections: 1, Entries: 2, Crashes: 1},
		{Voters: 3, Elections: 2},
		{Voters: 3, Elections: 2, Entries: 1},
	} {
		t0 := time.Now()
		r := Search(b, Options{Stop: func() bool { return time.Since(t0) > 20*time.Second }})
		t.Log(r, time.Since(t0).Round(time.Millisecond), r.Waiting)
		if r.Violation != nil {
			t.Fatal("\n" + r.Report() + r.Script())
		}
	}
}
