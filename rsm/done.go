package rsm

// BatchDone says what became of one batch of this node's own boot.
type BatchDone struct {
	Number  uint64
	Status  BatchStatus
	Results []Result // with BatchApplied, one a request; otherwise nil
}

// BatchStatus is how a batch met its node session.
type BatchStatus uint8

const (
	// BatchApplied: it came in order, and its results are final.
	BatchApplied BatchStatus = iota + 1
	// BatchRepeated: it was applied before; nothing was done.
	BatchRepeated
	// BatchGap: one before it is missing; nothing was done, send again from the missing one.
	BatchGap
	// BatchForgotten: the session is gone (a newer boot, then the retention passed); nothing was
	// done, and nothing of this boot will ever be.
	BatchForgotten
)

// EntryDone is what came of applying one entry.
type EntryDone struct {
	Index, Term uint64
	LogTime     uint64      // ms, after the entry
	Batches     []BatchDone // of this node's own boot only
}
