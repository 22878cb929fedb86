package sim

import (
	"fmt"
	"sync/atomic"
	"testing"

	"drystone/disk"
)

// TestDiskFaults lets the disk of one node of three fail once, or fill up, at many moments of a
// run, from its first start on. The node stops, or waits for room, and loses nothing.
func TestDiskFaults(t *testing.T) {
	for name, c := range map[string]struct {
		strike func(h *host)
		then   mark
	}{
		"sync":  {func(h *host) { h.mem.Arm(disk.SyncFails, "") }, markSyncStopped},
		"write": {func(h *host) { h.mem.Arm(disk.WriteShort, "") }, markShortWrite},
		"read":  {func(h *host) { h.crash(lifePower); h.mem.Arm(disk.ReadFails, "") }, markUnread},
		"full":  {func(h *host) { h.fill() }, markFull},
	} {
		var reached atomic.Uint64
		inParallel(12, func(i int) {
			w := scripted(uint64(i), 3)
			w.script = func() {
				if h := w.hosts[0]; h.up {
					c.strike(h)
				}
			}
			w.always(int64(i)*80*ms, evScript, 0, 0, 0)
			mustHold(t, w, fmt.Sprintf("%s, run %d", name, i))
			reached.Add(w.reached[c.then])
		})
		if reached.Load() == 0 {
			t.Errorf("%s: no run reached %q", name, markNames[c.then])
		}
	}
}
