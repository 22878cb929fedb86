// Package history is the file that a torture run writes and a check reads: what clients asked,
// when, what they were told, and what went wrong meanwhile. It is JSON, a line for each thing;
// docs/torture.md has the fields.
package history

// Version is the first line's number: of the format of all others.
const Version = 1

// The operations.
const (
	Push  = "push"
	Pop   = "pop"
	Top   = "top"
	Size  = "size"
	Items = "items"
)

// What became of an operation. A read that has an answer is applied.
const (
	Applied    = "applied"
	NotApplied = "not_applied"
	Unknown    = "unknown"
)

// NoSuchStack is the code of the one answer that is no result: there is no stack of that name.
const NoSuchStack = "no_such_stack"

// Header is the first line: what ran.
type Header struct {
	Type    string            `json:"type"` // "header"
	Format  int               `json:"format"`
	Version string            `json:"version"` // of the program
	Seed    uint64            `json:"seed"`
	Began   string            `json:"began"` // RFC 3339, for people
	Nodes   int               `json:"nodes"`
	Clients int               `json:"clients"`
	Engine  string            `json:"engine"`
	Flags   map[string]string `json:"flags,omitempty"` // as given
}

// Op is one request of a client and what it was told. Requests with the same key are repeats of
// one operation. Times are nanoseconds of one clock since the run began.
type Op struct {
	Type     string  `json:"type"` // "op"
	Client   int     `json:"client"`
	Op       string  `json:"op"`
	Args     Args    `json:"args"`
	CallNs   int64   `json:"call_ns"`
	ReturnNs int64   `json:"return_ns"`
	Outcome  string  `json:"outcome"`
	Code     string  `json:"code,omitempty"`   // of the problem; "" when there is a result
	Result   *Result `json:"result,omitempty"` // of what was applied, unless there is a code
	Key      string  `json:"key,omitempty"`    // the Idempotency-Key
	Node     int     `json:"node"`             // who was asked
}

// Args are what an operation asks for.
type Args struct {
	Stack  string   `json:"stack"`
	Values []string `json:"values,omitempty"` // of a push, the last becomes the top
	Count  int      `json:"count,omitempty"`  // of a pop
}

// Result is an answer.
type Result struct {
	Values   []string `json:"values,omitempty"` // popped, or the top, or all items from the top
	Empty    bool     `json:"empty,omitempty"`
	Size     int      `json:"size"`
	Index    uint64   `json:"index"` // of the log, which the answer reflects; 0: not told
	Replayed bool     `json:"replayed,omitempty"`
}

// Fault is something that went wrong, on purpose unless its class is "ended".
type Fault struct {
	Type   string `json:"type"` // "fault"
	Class  string `json:"class"`
	Detail string `json:"detail"`
	FromNs int64  `json:"from_ns"`
	ToNs   int64  `json:"to_ns"`
}

// End is the last line. Without it a history is cut short, and cannot be judged: nobody knows
// what else was asked.
type End struct {
	Type        string `json:"type"` // "end"
	Ops         int    `json:"ops"`
	Faults      int    `json:"faults"`
	AtNs        int64  `json:"at_ns"`
	Interrupted bool   `json:"interrupted,omitempty"` // the run was, before its last reads
}

// History is a whole file.
type History struct {
	Header Header
	Ops    []Op
	Faults []Fault
	End    End
}
