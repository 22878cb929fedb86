package rsm

// Identity says who asks, so that a repeat is told from a new request. The zero Identity is a
// request without a key: its node's session alone keeps it from running twice.
type Identity struct {
	Scope string // whose key it is (the token's name); "" without tokens
	Key   string // Idempotency-Key; "" for none

	Session uint64 // client session (op of its opening); 0 for none. Not with Key.
	Seq     uint64 // position in the session, from 1; at most SessionWindow beyond Ack
	Ack     uint64 // replies up to here are known to the client, and need not be kept
}

// RequestKind says who interprets Request.Command. All but MachineCommand are for the State, and
// all but the first two must not come in a session.
type RequestKind uint8

const (
	// MachineCommand is for the machine.
	MachineCommand RequestKind = iota
	// SettingsCommand is an encoded SettingsChange.
	SettingsCommand
	// OpenSession opens a client session for Identity.Scope; its command is empty. The reply is an
	// encoded SessionInfo. Refused with CodeTooManySessions. With a key it is safe to repeat.
	OpenSession
	// KeepSession renews a session, which every request in it does too; its command is EncodeSession
	// of it. The reply is an encoded SessionInfo. Refused with CodeSessionExpired.
	KeepSession
	// CloseSession ends a session and frees its replies; command and refusal as for KeepSession. The
	// reply is empty.
	CloseSession
	// FenceRequest settles a request: its command is an encoded RequestID, its reply an encoded Fate,
	// which is never FateAbsent. Refused with CodeTableFull; of a number in a session with
	// CodeWindowFull too, and with CodeSessionExpired if there is no such session yet; and with
	// CodeBadCommand if it names itself.
	FenceRequest
	// FreeRequest drops the stored reply of a request with a key, which may then be used anew, or
	// the kept one of a request of a node; its command is an encoded RequestID, its reply the encoded
	// Fate before: nothing is dropped unless that is FateApplied or FateRefused. In a session Ack
	// does it: there it is refused with CodeBadCommand.
	FreeRequest

	lastKind = FreeRequest
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
	// Keep are serials, ascending, of requests in the batches that Ack newly covers: their callers
	// were told that the outcome is unknown. Their results are kept for the retention.
	Keep []uint64
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
	CodeSessionExpired Code = "session_expired" // or closed, never opened, another scope's
	CodeBadCommand     Code = "bad_command"     // undecodable

	CodeTooManySessions Code = "too_many_sessions" // as many as Settings.MaxSessions are open
	CodeFenced          Code = "fenced"            // it was settled by a FenceRequest: never applied
	CodeReplyForgotten  Code = "reply_forgotten"   // Seq is not above Ack: nothing was done now
	CodeWindowFull      Code = "window_full"       // Seq is more than SessionWindow above Ack
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
