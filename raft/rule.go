package raft

// Rule is a numbered rule of the paper, or a section of the thesis, that a decision followed.
type Rule uint8

// Figure 2 has nineteen rules, Figure 13 eight. Of Figure 13, steps 2 to 4 move bytes: packages
// storage and transport follow them, and the core traces the rest.
const (
	NoRule Rule = iota

	AE1 // AppendEntries: reply false if term < currentTerm
	AE2 // reply false if no entry at prevLogIndex has prevLogTerm
	AE3 // delete an existing entry that conflicts, and all that follow it
	AE4 // append entries not already in the log
	AE5 // commitIndex = min(leaderCommit, index of last new entry)

	RV1 // RequestVote: reply false if term < currentTerm
	RV2 // grant if the vote is free and the candidate's log at least as up-to-date

	A1 // all servers: apply what is committed
	A2 // a higher term makes a follower

	F1 // followers: respond to candidates and leaders
	F2 // election timeout without leader or vote granted: stand

	C1 // candidates: increment the term, vote for self, reset the timer, ask for votes
	C2 // votes from a majority: leader
	C3 // AppendEntries from the new leader: follower
	C4 // election timeout: start again

	L1 // leaders: heartbeats upon election and when idle
	L2 // a command: append it, answer when applied
	L3 // last log index ≥ nextIndex: send; step back when refused
	L4 // commit what a majority holds, if it is of this term

	IS1 // InstallSnapshot: reply immediately if term < currentTerm
	IS2 // create the file (host)
	IS3 // write the data (host)
	IS4 // wait for more (host)
	IS5 // save it, discard any with a smaller index
	IS6 // an entry with its index and term: retain what follows
	IS7 // discard the entire log
	IS8 // reset the machine, load the configuration

	PreVote        // thesis §9.6
	Disruption     // thesis §4.2.3
	CheckQuorum    // thesis §6.2
	ReadIndex      // thesis §6.4
	Transfer       // thesis §3.10
	ParallelDisk   // thesis §10.2.1
	Membership     // §6, thesis §4.3
	Compaction     // §7
	LeaderDisk     // DIFFERS(4): a leader whose disk hangs gives up
	ConnectionLost // DIFFERS(5): a broken connection is worth a question
	Protocol       // what no peer that follows the protocol sends is dropped

	ruleCount
)

// Reason says in words why a rule went the way it did. format.go has the words.
type Reason uint8

// Reasons, by the file that gives them.
const (
	NoReason Reason = iota

	Misaddressed // step.go
	OldTerm
	NewerTerm
	LeaderHeard

	NoLeaderHeard // role.go, election.go
	StandForElection
	MajorityVoted
	Announce
	MayNotStand
	NobodyWon
	LeaderForgotten
	VoteGiven
	LogBehind
	Voted
	WouldVote
	WouldWin
	StandsBack
	AnotherWon
	Follows

	Appended // replication.go, progress.go
	PipelineRestarts
	DiskHangs
	QuorumSilent
	Malformed
	NoSuchEntry
	Conflicts
	LeaderCommitted
	AckBeyondEnd
	LogsAgree
	LateRefusal
	StepsBack
	NoProgress

	EarlierTerm // commit.go
	OnMajority

	WriteDone // durability.go
	HandedToMachine
	DroppedByStall

	LogCompacted // snapshot.go
	NeedsSnapshot
	OldSnapshot
	LogRetained
	LogDiscarded
	SnapshotSaved
	ConfigLoaded

	RoundBegins // read.go
	StillLeader

	TransferBegins // transfer.go
	TargetCaughtUp
	TransferFails
	ToldToStand

	InForce // membership.go
	OutOfForce
	ChangeBegins
	LeaveJoint
	LeaderRemoved

	reasonCount
)

// EventKind says what an Event tells of.
type EventKind uint8

// What a trace tells.
const (
	// EventDecided: a rule was followed, or refused something.
	EventDecided EventKind = iota
	// EventSent: a message left.
	EventSent
	// EventDisk: an Append was handed out, with the messages that wait for it.
	EventDisk
)

// Event is one line of a trace: a decision with the rule that made it, a message, or a write.
// Which of Peer, A and B mean something, the Reason says.
type Event struct {
	Kind   EventKind
	Node   NodeID
	Term   Term // of Node, after the decision was made or before it takes effect
	Rule   Rule
	Reason Reason
	Peer   NodeID
	A, B   Position

	Message Message // EventSent
	Append  Append  // EventDisk
	NewHard bool    // EventDisk: term or vote differ from the Append before
}

// rule traces a decision. It costs nothing when nobody listens.
func (r *Raft) rule(rule Rule, why Reason, peer NodeID, a, b Position) {
	if r.config.Trace != nil {
		r.config.Trace(Event{
			Node: r.id, Term: r.currentTerm, Rule: rule, Reason: why, Peer: peer, A: a, B: b,
		})
	}
}

func (r *Raft) traceMessage(m Message) {
	if r.config.Trace != nil {
		r.config.Trace(Event{
			Kind: EventSent, Node: r.id, Term: r.currentTerm, Rule: ruleOf(m.Body), Peer: m.To,
			Message: m,
		})
	}
}

func (r *Raft) traceAppend(a Append, newHard bool) {
	if r.config.Trace != nil {
		r.config.Trace(Event{
			Kind: EventDisk, Node: r.id, Term: r.currentTerm, Rule: ParallelDisk,
			Append: a, NewHard: newHard,
		})
	}
}

// ruleOf names the rule by which a message is sent.
func ruleOf(b Body) Rule {
	switch b := b.(type) {
	case RequestVote:
		if b.PreVote {
			return PreVote
		}
		return C1
	case VoteReply:
		if b.PreVote {
			return PreVote
		}
		return RV2
	case AppendEntries:
		return L3
	case AppendReply, HeartbeatReply:
		return F1
	case Heartbeat:
		return L1
	case InstallSnapshot, SnapshotReply:
		return Compaction
	case TimeoutNow:
		return Transfer
	}
	return NoRule
}
