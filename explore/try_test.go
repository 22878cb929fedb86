package explore

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"
)

var try = flag.String("try", "", "")
var tryTime = flag.Duration("trytime", 60*time.Second, "")

func TestTry(t *testing.T) {
	for _, l := range strings.Split(*try, ",") {
		var b Bounds
		fmt.Sscanf(l, "%d %d %d %d %d %d %d %d %d %d", &b.Voters, &b.Others, &b.Elections, &b.Entries, &b.Crashes, &b.Duplicates, &b.Stalls, &b.Adds, &b.Removes, &b.Snapshots)
		if b.Voters == 0 {
			continue
		}
		t0 := time.Now()
		r := Search(b, Options{Stop: func() bool { return time.Since(t0) > *tryTime }})
		fmt.Println(r, time.Since(t0).Round(time.Millisecond), r.Waiting, rss())
		if r.Violation != nil {
			t.Fatal("\n" + r.Report() + r.Script())
		}
	}
}

func rss() string {
	b, _ := os.ReadFile("/proc/self/status")
	for _, l := range strings.Split(string(b), "\n") {
		if strings.HasPrefix(l, "VmHWM") {
			return strings.Join(strings.Fields(l), " ")
		}
	}
	return ""
}
