package rsm

// AdminOp is what an operator asks of a cluster.
type AdminOp string

// All that can be asked. None does anything twice: what is done already is answered as done.
const (
	AdminList     AdminOp = "list"     // who is a member
	AdminAdd      AdminOp = "add"      // a number is invited: the next node of it may join
	AdminJoin     AdminOp = "join"     // a directory asks to be let in, as a learner
	AdminPromote  AdminOp = "promote"  // a learner becomes a voter
	AdminReplace  AdminOp = "replace"  // a number's directory is removed, and another invited
	AdminRemove   AdminOp = "remove"   // a member goes, and its number is spent
	AdminTransfer AdminOp = "transfer" // leadership goes to another voter
)

// AdminRequest is one of them, with the number it is about; 0 with AdminTransfer leaves the choice
// to the leader.
type AdminRequest struct {
	Op          AdminOp `json:"op"`
	Node        uint64  `json:"node,omitempty"`
	Peer        string  `json:"peer,omitempty"`        // host:port; add, join
	Incarnation string  `json:"incarnation,omitempty"` // join
	TimeoutMs   uint64  `json:"timeout_ms,omitempty"`
	Stale       bool    `json:"-"` // list: take what the node asked has applied
}

// AdminReply says what came of it: with a Code, why not, in words.
type AdminReply struct {
	Code    Code    `json:"code,omitempty"`
	Detail  string  `json:"detail,omitempty"`
	Outcome Outcome `json:"outcome"`
	Index   uint64  `json:"index,omitempty"` // of the log, that shows it
	Term    uint64  `json:"term,omitempty"`
	StaleMs uint64  `json:"-"` // with Stale: since the node asked heard a leader

	Leader  uint64         `json:"leader,omitempty"`
	Joint   bool           `json:"joint,omitempty"`
	Members []MemberStatus `json:"members,omitempty"`
	Invited []uint64       `json:"invited,omitempty"` // numbers that wait for a node
	Removed []uint64       `json:"removed,omitempty"` // numbers that are spent

	Generation uint64 `json:"generation,omitempty"` // join: of the directory under its number
}

// Codes of what is asked of a cluster.
const (
	CodeMemberExists      Code = "member_exists"
	CodeNoSuchMember      Code = "no_such_member"
	CodeNumberUsed        Code = "number_used"
	CodeMemberUnreachable Code = "member_unreachable"
	CodeLearnerBehind     Code = "learner_behind"
	CodeUnsafeChange      Code = "unsafe_change"
	CodeNotVoter          Code = "not_a_voter"
	CodeTransferFailed    Code = "transfer_failed"
)
