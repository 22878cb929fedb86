package rsm

// Identity says who asks, so that a repeat is told from a new request. The zero Identity is a
// request without a key: its node's session alone keeps it from running twice.
type Identity struct {
	Scope string // whose key it is (the token's name); "" without tokens
	Key   string // Idempotency-Key; "" for none

	Session uint64 // client session (op of its opening); 0 for none. Not with Key.
	Seq     uint64 // position in the session
	Ack     uint64 // replies up to here are known to the client
}

// RequestKind says who interprets Request.Command.
type RequestKind uint8

const (
	// MachineCommand is for the machine.
	MachineCommand RequestKind = iota
	// SettingsCommand is an encoded SettingsChange.
	SettingsCommand
)

// Request is one operation on its way to the log.
type Request struct {
	Identity Identity
	Serial   uint64 // counts the requests of one boot of one node; names a request without a key
	Kind     RequestKind
	BudgetMs uint64 // time it had left when its batch was encoded; 0: no deadline
	Command  []byte // at most 1 GiB; the machine's own encoding
}

// Batch is what one node sends in one piece. Batches of one (Node, Boot) are numbered from 1 and
// applied strictly in order: a repeat is skipped, a gap refused. The content of a number never
// changes once it was sent.
type Batch struct {
	Node   uint64
	Boot   uint64
	Number uint64
	Ack    uint64 // the node knows the results of its batches up to here
	// Admitted is the log time, in ms, at which the leader took the batch, less the time the
	// batch had waited before it was sent. A request is refused once log time passes
	// Admitted + BudgetMs. Set by the leader (StampBatch); it may be negative.
	Admitted int64
	Requests []Request
}

// Entry is the content of one log entry of raft kind Command.
type Entry struct {
	Stamp   uint64   // log time, ms
	Batches [][]byte // encoded, so that a leader passes on what it received
}

// Outcome is what became of a request.
type Outcome uint8

// The three outcomes there are.
const (
	// Applied: the request took its place in the log and its result is final.
	Applied Outcome = iota + 1
	// NotApplied: this attempt can never take effect.
	NotApplied
	// Unknown: it may have taken effect, or may yet.
	Unknown
)

// Code is a refusal's reason. The zero Code is no refusal. Codes are the words of the public
// error table (docs/errors.md).
type Code string

// Codes decided in the log, the same on every replica.
const (
	CodeKeyReused      Code = "key_reused"      // the key stands for another command
	CodeTableFull      Code = "table_full"      // no room for another stored reply
	CodeExpired        Code = "deadline_passed" // not_after had passed; never applied
	CodeSessionExpired Code = "session_expired"
	CodeBadCommand     Code = "bad_command" // undecodable
)

// Codes decided by a node.
const (
	CodeNoLeader       Code = "no_leader"
	CodeOverload       Code = "overload"
	CodeDraining       Code = "draining"
	CodeBootstrapping  Code = "bootstrapping"
	CodeQuarantined    Code = "quarantined"
	CodeOutcomeUnknown Code = "outcome_unknown"
	CodeValueTooLarge  Code = "value_too_large" // more than one message between nodes may carry
)

// Result is what became of one request, with what the machine replied.
type Result struct {
	Outcome  Outcome
	Code     Code   // why not; "" when Applied
	Reply    []byte // the machine's; nil unless Applied
	Index    uint64 // of the entry that holds the first execution
	Op       uint64 // of the first execution
	Replayed bool   // an earlier request under the same identity was executed
	Serial   uint64 // of the request, when known: with Node and Boot it names it
}
