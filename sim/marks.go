package sim

// mark is an interesting state that many seeds together must reach: a simulator that never gets
// there proves nothing about it.
type mark uint8

const (
	markElected       mark = iota
	markSnapshot           // a snapshot was saved
	markRestored           // a node started from a snapshot
	markShipped            // a snapshot was installed from a leader
	markDivergent          // and replaced entries that were never committed
	markTorn               // recovery cut a torn tail
	markDiskOp             // power was lost in the midst of a disk operation
	markReplay             // an old message arrived again
	markRepeatedBatch      // the log holds a batch twice, or one out of order
	markReplayed           // the log holds a key twice
	markRestoredReply      // a repeat was answered from a state that came from a snapshot
	markExpired            // a request was too late
	markTableFull          // the table of stored replies had no room
	markUnknown            // a client was told that the outcome is unknown
	markStale              // a stale read was served
	markFormation          // a node lost power before its cluster had formed

	markAdmitted      // a directory was let in
	markPromoted      // a learner became a voter by itself
	markRemoved       // a node learnt that it was removed
	markLeaderRemoved // the leader of the change was not in it
	markReplacedDead  // a machine that is gone was replaced by another one
	markReplacedWiped // a wiped machine came back under its number
	markRemovedTold   // a client was told so by a removed node
	markJointCrash    // a node crashed in a joint configuration
	markJointRestart  // and started in one
	markJointSnapshot // a snapshot was taken in one
	markConfigLost    // a configuration was overwritten before it was committed
	markTooEarly      // a change was refused before the leader's first commit
	markPending       // and while another one was under way
	markUnreachable   // a joiner whose address nobody reaches was refused
	markUnsafe        // a change was refused that would have left too few
	markWipedRefused  // a wiped directory was refused
	markOldRefused    // and one that was set back
	markGoneRefused   // and a removed one
	markStuckLeader   // another leader was elected while a leader's disk hung
	markSlowLeader    // none was elected while a leader's disk was slow
	markStuckVote     // a vote waited for a disk that hung

	markVague  // a refusal hinted at less than its sender knew
	markEcho   // something came of a boot that was over
	markHeld   // what was sent to a paused node came after it went on
	markLonely // only a leader that was cut off was given something to write

	markSyncStopped    // a node stopped after an fdatasync that failed
	markShortWrite     // a node stopped after a write that was cut short
	markUnread         // a node did not start, for a read failed
	markUnreadSnapshot // a snapshot could not be read for a peer
	markFull           // the log waited for room
	markFullGroup      // with a part of what it was to write on the disk
	markFullVote       // and a vote waited with it
	markFullSnapshot   // there was no room for a snapshot
	markFullStart      // nor for a start
	markRotRefused     // a directory was refused for damage
	markRotRepaired    // was repaired and started
	markRotHarmless    // damage took nothing
	markRotSnapshot    // damage took a snapshot, and an older one stood in
	markRotNewest      // damage took what was written last, without a word
	markRotNoticed     // the leader counted what was lost that way, and its node stopped
	markCount
)

var markNames = [markCount]string{"elected", "snapshot", "restored", "shipped", "divergent tail",
	"torn", "disk op", "old message", "repeated batch", "replayed key", "restored reply", "expired",
	"table full", "unknown", "stale read", "crash in formation",
	"admitted", "promoted", "removed", "leader removed", "dead replaced", "wiped replaced",
	"removed told", "joint crash", "joint restart", "joint snapshot", "config lost", "too early",
	"change pending", "unreachable joiner", "unsafe change", "wiped refused", "set-back refused",
	"removed refused", "stuck leader", "slow leader", "vote in stuck disk", "vague hint",
	"former boot", "held for paused", "lonely write",
	"sync failed", "write cut short", "start unread", "snapshot unread",
	"disk full", "group cut by full", "vote in full disk", "snapshot in full", "start in full",
	"damage refused", "damage repaired", "damage harmless", "older snapshot", "newest lost",
	"loss noticed"}

func (w *world) reach(m mark) { w.reached[m]++ }
