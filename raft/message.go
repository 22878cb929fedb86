package raft

// Message is an RPC or its reply. Bodies carry Figure 2's arguments under Figure 2's names.
type Message struct {
	From, To NodeID
	Term     Term
	Body     Body
}

// Body is sealed: the types below are all there are.
type Body interface{ body() }

type (
	// RequestVote asks for a vote (§5.2), or whether one would be given (PreVote, thesis §9.6).
	// A pre-vote carries the term its sender would stand in, and changes nobody's term.
	RequestVote struct {
		LastLogIndex Index
		LastLogTerm  Term
		PreVote      bool
		Transfer     bool // thesis §3.10: the leader asked for this election
	}
	// VoteReply answers RequestVote.
	VoteReply struct {
		Granted bool
		PreVote bool
	}
	// AppendEntries replicates log entries (§5.3). Entries is never empty but for a probe.
	AppendEntries struct {
		PrevLogIndex Index
		PrevLogTerm  Term
		Entries      []Entry
		LeaderCommit Index
	}
	// AppendReply answers AppendEntries.
	AppendReply struct {
		Success      bool
		MatchIndex   Index // Success: the log is durable and equal to the leader's up to here
		PrevLogIndex Index // refused: the PrevLogIndex this refuses, so that a late one is told apart
		HintIndex    Index // refused: the last index that may agree (§5.3, last paragraph)
		HintTerm     Term  // refused: the term of the entry at HintIndex
	}
	// Heartbeat keeps a leader's authority (§5.2) and confirms it for reads (thesis §6.4).
	Heartbeat struct {
		Commit     Index // min(matchIndex of the receiver, commitIndex)
		Read       uint64
		CommitTerm Term // of the leader's entry at Commit; 0 if its log does not say any more
	}
	// HeartbeatReply answers Heartbeat; Read echoes.
	HeartbeatReply struct {
		Read uint64
	}
	// InstallSnapshot says that a snapshot arrived and stands on the receiver's disk (§7,
	// Figure 13). The bytes travel by the host's own means.
	InstallSnapshot struct{ Meta SnapshotMeta }
	// SnapshotReply answers InstallSnapshot.
	SnapshotReply struct{ MatchIndex Index }
	// TimeoutNow asks its receiver to stand at once (thesis §3.10).
	TimeoutNow struct{}
)

func (RequestVote) body()     {}
func (VoteReply) body()       {}
func (AppendEntries) body()   {}
func (AppendReply) body()     {}
func (Heartbeat) body()       {}
func (HeartbeatReply) body()  {}
func (InstallSnapshot) body() {}
func (SnapshotReply) body()   {}
func (TimeoutNow) body()      {}
