package raft

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// The words of every trace: scripts, simulator, dashboard and command line print these lines.
//
//	n1@4 → n2           AppendEntries prev=1@1 [2@2] commit=1
//	n3@4 AE.4           append 2@2
//	n3@4 disk #2        [2@2] then → n1 AppendReply match=2
//	n1@4 L.4 refused    2@2 is on a majority, but of an earlier term than 4
//
// n1@4 is node 1 in term 4; 2@2 is index 2 of term 2; → is sent; then → waits for the disk.

var ruleNames = [ruleCount]string{
	AE1: "AE.1", AE2: "AE.2", AE3: "AE.3", AE4: "AE.4", AE5: "AE.5",
	RV1: "RV.1", RV2: "RV.2", A1: "A.1", A2: "A.2", F1: "F.1", F2: "F.2",
	C1: "C.1", C2: "C.2", C3: "C.3", C4: "C.4", L1: "L.1", L2: "L.2", L3: "L.3", L4: "L.4",
	IS1: "IS.1", IS2: "IS.2", IS3: "IS.3", IS4: "IS.4",
	IS5: "IS.5", IS6: "IS.6", IS7: "IS.7", IS8: "IS.8",
	PreVote: "§9.6", Disruption: "§4.2.3", CheckQuorum: "§6.2", ReadIndex: "§6.4",
	Transfer: "§3.10", ParallelDisk: "§10.2.1", Membership: "§6", Compaction: "§7",
	LeaderDisk: "disk", ConnectionLost: "lost", Protocol: "peer",
}

func (r Rule) String() string {
	if r < ruleCount {
		return ruleNames[r]
	}
	return fmt.Sprintf("Rule(%d)", uint8(r))
}

// wording is what an Event says. {p} is the peer; {a} and {b} are positions, {a.i} an index
// alone, {a.t} a term, {a.n} an index that is a node.
type wording struct {
	refused bool
	words   string
}

var wordings = [reasonCount]wording{
	Misaddressed: {true, "a message of {p}: it is not for this node"},
	OldTerm:      {true, "{p} names term {a.t}, behind {b.t}"},
	NewerTerm:    {false, "{p} is in term {a.t}: follower"},
	LeaderHeard:  {true, "{p}: a leader was heard {a.i} ticks ago"},

	NoLeaderHeard:    {false, "no leader heard: asks who would vote in term {b.t}, last {a}"},
	StandForElection: {false, "stands, votes for itself, last {a}"},
	MajorityVoted:    {false, "a majority voted: leader, last {a}"},
	Announce:         {false, "announces itself"},
	MayNotStand:      {true, "may not stand: not a voter, or its disk hangs"},
	NobodyWon:        {false, "nobody won: starts again"},
	LeaderForgotten:  {false, "connection to {p} broke: leader not known"},
	VoteGiven:        {true, "{p}: voted for {a.n}"},
	LogBehind:        {true, "{p}: its last {a} is behind {b}"},
	Voted:            {false, "votes for {p}: its last {a} is not behind {b}"},
	WouldVote:        {false, "would vote for {p}: its last {a} is not behind {b}"},
	WouldWin:         {false, "a majority would vote: stands"},
	StandsBack:       {false, "stands back for {p} this once"},
	AnotherWon:       {false, "{p} won this term: follower"},
	Follows:          {false, "follows {p}"},

	Appended:         {false, "append {a}{..b}"},
	PipelineRestarts: {false, "connection to {p} broke: sends again from {a.i}"},
	DiskHangs:        {false, "disk hangs at {a.i} of {b}: gives up leadership"},
	QuorumSilent:     {false, "no majority heard: gives up leadership"},
	Malformed:        {true, "{p}: entries after {a} leave a gap or have impossible terms"},
	NoSuchEntry:      {true, "{p}: no entry {a} here, try {b}"},
	Conflicts:        {false, "delete {a} and what follows: it conflicts with {b} of {p}"},
	LeaderCommitted:  {false, "commit {a}"},
	AckBeyondEnd:     {true, "{p} acknowledges {a.i}, beyond the last {b}"},
	LogsAgree:        {false, "{p} agrees up to {a.i}: sends ahead"},
	LateRefusal:      {true, "{p} refuses prev={a.i} late: match={b.i}"},
	StepsBack:        {false, "{p} refuses prev={a.i}: next={b.i}"},
	NoProgress:       {false, "{p} lives, but is still at {a.i}: asks for {b.i}"},

	EarlierTerm: {true, "{a} is on a majority, but of an earlier term than {b.t} (§5.4.2)"},
	OnMajority:  {false, "commit {a}, after {b.i}"},

	WriteDone:       {false, "#{b.i} is done: durable={a.i}"},
	HandedToMachine: {false, "apply {a}{..b}"},
	DroppedByStall:  {true, "the answer to {p}: the disk hangs"},

	LogCompacted:  {false, "snapshot {a}: the log begins after {b}"},
	NeedsSnapshot: {false, "{p} needs {a.i}, but the log begins after {b}: snapshot"},
	OldSnapshot:   {true, "snapshot {a} of {p}: {b.i} is committed here"},
	LogRetained:   {false, "the log has {a}: retained up to {b}"},
	LogDiscarded:  {false, "the log, last {b}, gives way to snapshot {a}"},
	SnapshotSaved: {false, "save snapshot {a}"},
	ConfigLoaded:  {false, "configuration as of {a}"},

	RoundBegins: {false, "reads at {a.i}: asks who still follows"},
	StillLeader: {false, "a majority follows: reads at {a.i} granted"},

	TransferBegins: {false, "hands over to {p}, last {a}"},
	TargetCaughtUp: {false, "{p} has {a}: tells it to stand"},
	TransferFails:  {false, "{p} did not take over: leads on"},
	ToldToStand:    {false, "{p} says to stand"},

	InForce:       {false, "configuration {a} is in force"},
	OutOfForce:    {false, "configurations from {a.i} on are out of force"},
	ChangeBegins:  {false, "change of members begins at {a.i}"},
	LeaveJoint:    {false, "both majorities have {a.i}: leaves the old configuration"},
	LeaderRemoved: {false, "{a.i} is committed without this node: gives up leadership"},
}

// Refused reports whether the event tells of something that was not done.
func (e Event) Refused() bool {
	return e.Kind == EventDecided && e.Reason < reasonCount && wordings[e.Reason].refused
}

// String is the event's line, without a newline.
func (e Event) String() string {
	head, text := "", ""
	switch e.Kind {
	case EventSent:
		head, text = "→ "+node(e.Peer), bodyString(e.Message.Body)
	case EventDisk:
		head, text = fmt.Sprintf("disk #%d", e.Append.Seq), appendString(e.Append, e.NewHard)
	case EventDecided:
		head, text = e.Rule.String(), e.words()
		if e.Refused() {
			head += " refused"
		}
	}
	return column(fmt.Sprintf("n%d@%d %s", e.Node, e.Term, head)) + text
}

func (e Event) words() string {
	span := ""
	if e.B != e.A && e.B != (Position{}) {
		span = ".." + e.B.String()
	}
	return strings.NewReplacer(
		"{p}", node(e.Peer), "{..b}", span,
		"{a}", e.A.String(), "{a.i}", fmt.Sprint(e.A.Index), "{a.t}", fmt.Sprint(e.A.Term),
		"{a.n}", node(NodeID(e.A.Index)),
		"{b}", e.B.String(), "{b.i}", fmt.Sprint(e.B.Index), "{b.t}", fmt.Sprint(e.B.Term),
	).Replace(wordings[e.Reason].words)
}

// column pads the left column of a trace.
func column(s string) string {
	const width = 20
	return s + strings.Repeat(" ", max(1, width-utf8.RuneCountInString(s)))
}

func node(id NodeID) string { return fmt.Sprintf("n%d", uint64(id)) }

func (p Position) String() string { return fmt.Sprintf("%d@%d", p.Index, p.Term) }

func (e Entry) String() string {
	switch e.Kind {
	case EntryNoop:
		return e.position().String() + " no-op"
	case EntryConfig:
		m, err := DecodeMembers(e.Data)
		if err != nil {
			return e.position().String() + " config ?"
		}
		return e.position().String() + " config " + m.String()
	}
	return e.position().String()
}

func entriesString(entries []Entry) string {
	const most = 4
	if n := len(entries); n > most {
		return fmt.Sprintf("[%v..%v]", entries[0].position(), entries[n-1].position())
	}
	var b strings.Builder
	b.WriteByte('[')
	for i := range entries {
		if i > 0 {
			b.WriteByte(' ')
		}
		b.WriteString(entries[i].position().String())
	}
	b.WriteByte(']')
	return b.String()
}

func (m Message) String() string {
	return column(fmt.Sprintf("n%d@%d → n%d", m.From, m.Term, m.To)) + bodyString(m.Body)
}

func bodyString(body Body) string {
	switch b := body.(type) {
	case RequestVote:
		name := "RequestVote"
		if b.PreVote {
			name = "PreVote"
		}
		if b.Transfer {
			name += " transfer"
		}
		return fmt.Sprintf("%s last=%v", name, b.last())
	case VoteReply:
		name, answer := "VoteReply", "refused"
		if b.PreVote {
			name = "PreVoteReply"
		}
		if b.Granted {
			answer = "granted"
		}
		return name + " " + answer
	case AppendEntries:
		return fmt.Sprintf("AppendEntries prev=%v %s commit=%d",
			Position{b.PrevLogIndex, b.PrevLogTerm}, entriesString(b.Entries), b.LeaderCommit)
	case AppendReply:
		if b.Success {
			return fmt.Sprintf("AppendReply match=%d", b.MatchIndex)
		}
		return fmt.Sprintf("AppendReply refused prev=%d hint=%v",
			b.PrevLogIndex, Position{b.HintIndex, b.HintTerm})
	case Heartbeat:
		return fmt.Sprintf("Heartbeat commit=%d%s", b.Commit, readString(b.Read))
	case HeartbeatReply:
		return "HeartbeatReply" + readString(b.Read)
	case InstallSnapshot:
		return "InstallSnapshot " + b.Meta.String()
	case SnapshotReply:
		return fmt.Sprintf("SnapshotReply match=%d", b.MatchIndex)
	case TimeoutNow:
		return "TimeoutNow"
	}
	return "?"
}

func readString(id uint64) string {
	if id == 0 {
		return ""
	}
	return fmt.Sprintf(" read=%d", id)
}

func (m SnapshotMeta) String() string {
	return fmt.Sprintf("%v %v", Position{m.LastIncludedIndex, m.LastIncludedTerm}, m.Members)
}

func appendString(a Append, newHard bool) string {
	var parts []string
	if newHard {
		hard := fmt.Sprintf("term=%d", a.Hard.CurrentTerm)
		if a.Hard.VotedFor != 0 {
			hard += " vote=" + node(a.Hard.VotedFor)
		}
		parts = append(parts, hard)
	}
	if a.Snapshot != nil {
		parts = append(parts, "snapshot "+a.Snapshot.String())
	}
	if len(a.Entries) > 0 {
		parts = append(parts, entriesString(a.Entries))
	}
	for i, m := range a.After {
		sep := "then "
		if i > 0 {
			sep = "and "
		}
		parts = append(parts, sep+"→ "+node(m.To)+" "+bodyString(m.Body))
	}
	return strings.Join(parts, " ")
}

// String lists a configuration: {1 2 3}, {1 2 3 → 1 2 4} while joint, {1 2 3 + 4} with a learner.
func (m Members) String() string {
	list := func(ids []NodeID) string { return strings.Trim(fmt.Sprint(ids), "[]") }
	s := "{" + list(m.Voters)
	if m.Joint() {
		s += " → " + list(m.Next)
	}
	if len(m.Learners) > 0 {
		s += " + " + list(m.Learners)
	}
	return s + "}"
}

func (r Role) String() string {
	switch r {
	case Follower:
		return "follower"
	case PreCandidate:
		return "pre_candidate"
	case Candidate:
		return "candidate"
	case Leader:
		return "leader"
	}
	return fmt.Sprintf("Role(%d)", uint8(r))
}

func (s ProgressState) String() string {
	switch s {
	case ProgressProbe:
		return "probe"
	case ProgressReplicate:
		return "replicate"
	case ProgressSnapshot:
		return "snapshot"
	}
	return fmt.Sprintf("ProgressState(%d)", uint8(s))
}

// String is a status in one line: match→next of every peer on a leader.
func (s Status) String() string {
	role := s.Role.String()
	if s.Role == Follower && s.Leader != 0 {
		role += "(" + node(s.Leader) + ")"
	}
	var b strings.Builder
	b.WriteString(column(fmt.Sprintf("n%d@%d %s", s.ID, s.Hard.CurrentTerm, role)))
	fmt.Fprintf(&b, "last=%v commit=%d", Position{s.LastIndex, s.LastTerm}, s.Commit)
	if s.Durable != s.LastIndex {
		fmt.Fprintf(&b, " durable=%d", s.Durable)
	}
	for _, p := range s.Progress {
		fmt.Fprintf(&b, " n%d:%d→%d", p.ID, p.Match, p.Next)
		if p.State != ProgressReplicate {
			b.WriteString(" " + p.State.String())
		}
	}
	return b.String()
}

// String tells the state of a node for a failed assertion.
func (r *Raft) String() string {
	return fmt.Sprintf("%v voted=n%d snapshot=%v base=%v handed=%d applied=%d writes=%d members=%v",
		r.Status(), r.votedFor, r.snapshot, r.log.base, r.lastApplied, r.applying.applied,
		len(r.disk.writes), r.members())
}
