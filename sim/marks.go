package sim

// mark is an interesting state that many seeds together must reach: a simulator that never gets
// there proves nothing about it.
type mark uint8

const (
	markElected       mark = iota
	markSnapshot           // a snapshot was saved
	markRestored           // a node started from a snapshot
	markShipped            // a snapshot was installed from a leader
	markTorn               // recovery cut a torn tail
	markDiskOp             // power was lost in the midst of a disk operation
	markReplay             // an old message arrived again
	markRepeatedBatch      // the log holds a batch twice, or one out of order
	markReplayed           // the log holds a key twice
	markExpired            // a request was too late
	markTableFull          // the table of stored replies had no room
	markUnknown            // a client was told that the outcome is unknown
	markStale              // a stale read was served
	markFormation          // a node lost power before its cluster had formed
	markCount
)

var markNames = [markCount]string{"elected", "snapshot", "restored", "shipped", "torn", "disk op",
	"old message", "repeated batch", "replayed key", "expired", "table full", "unknown", "stale read",
	"crash in formation"}

func (w *world) reach(m mark) { w.reached[m]++ }
