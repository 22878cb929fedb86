package raft

import (
	"errors"
	"fmt"
	"math/rand/v2"
)

// Config is what a Raft is started with. Times are in ticks, sizes in bytes of entries. A zero
// stands for the default in parentheses.
type Config struct {
	ID             NodeID
	Seed           uint64 // the only source of randomness: election jitter
	HeartbeatTicks int    // a leader speaks at least this often (5)
	ElectionTicks  int    // election timeouts are drawn from [ElectionTicks, 2·ElectionTicks) (30)
	DiskTicks      int    // a leader whose oldest write is older gives up leadership; 0: never
	MaxAppendBytes int    // in one AppendEntries; one entry may exceed it alone (1 MiB)
	MaxInflight    int    // AppendEntries under way to one follower (64)
	InflightBytes  int    // and the entries in them; one message may exceed it alone (8 MiB)
	Admitted       Index  // of the configuration that let this disk in; 0: the first one
	TrailingBytes  int    // kept behind a snapshot, for short absences; 0: none
	MaxApplyBytes  int    // handed out in Ready.Apply and not yet reported Applied (16 MiB)
	Trace          func(Event)
}

// WithDefaults fills in what is zero, for this core or another that takes the same Config.
func (c Config) WithDefaults() Config {
	set := func(v *int, byDefault int) {
		if *v <= 0 {
			*v = byDefault
		}
	}
	set(&c.HeartbeatTicks, 5)
	set(&c.ElectionTicks, 30)
	set(&c.MaxAppendBytes, 1<<20)
	set(&c.MaxInflight, 64)
	set(&c.InflightBytes, 8<<20)
	set(&c.MaxApplyBytes, 16<<20)
	assert(c.ID != 0, "a node's ID is not zero")
	assert(c.HeartbeatTicks < c.ElectionTicks, "heartbeats must come within the election timeout")
	return c
}

// Restored is what a node finds on its own disk. Entries may begin before the snapshot's end;
// Snapshot of the zero index carries the configuration a new cluster begins with.
type Restored struct {
	Hard     HardState
	Snapshot SnapshotMeta
	Entries  []Entry
}

// Raft is one node's part in the consensus: a value that changes by its inputs alone. It is not
// safe for concurrent use.
type Raft struct {
	config Config
	id     NodeID
	jitter rand.PCG

	// Figure 2: persistent state on all servers. What of it is durable, disk knows.
	currentTerm Term
	votedFor    NodeID // in currentTerm; 0: nobody
	log         log

	// Figure 2: volatile state on all servers.
	commitIndex Index
	lastApplied Index // handed out in Ready.Apply, or covered by the snapshot restored

	role       role
	termLeader NodeID // who led or leads currentTerm, even after it was forgotten; 0: not known
	now        uint64 // ticks since the start
	quiet      int    // ticks since a leader was heard
	yielded    bool   // has stood back once for another pre-candidate since a leader was heard
	stood      int    // candidacies since a leader was heard

	snapshot SnapshotMeta // the last one taken or received
	configs  []configAt   // the snapshot's and every later one in the log; the last is in force

	disk     disk
	applying applying

	// What the next Ready takes along.
	out   []Message
	after []Message
	reads []ReadGrant
	ship  []SnapshotSend

	previous previous // for checkDelta
}

// neverHeard is the silence of a node that has not heard any leader since it started.
const neverHeard = 1 << 30

// New returns the node as its disk left it: a follower, whatever it was.
func New(c Config, d Restored) *Raft {
	r := &Raft{config: c.WithDefaults(), id: c.ID, quiet: neverHeard}
	// The ID goes into the seed: equal seeds would make all timers run alike.
	r.jitter.Seed(c.Seed, uint64(c.ID)*0x9e3779b97f4a7c15)
	r.currentTerm, r.votedFor = d.Hard.CurrentTerm, d.Hard.VotedFor
	r.restore(d)
	last := r.log.lastIndex()
	assert(r.log.last().Term <= r.currentTerm, "an entry is of a term this node never knew")
	r.disk = disk{hard: r.hard(), handed: r.hard(), durable: last, unwritten: last + 1}
	r.standSoon(r.becomeFollower(r.currentTerm))
	r.check()
	return r
}

// restore builds log and configurations from the disk's.
func (r *Raft) restore(d Restored) {
	r.snapshot = d.Snapshot
	at := Position{d.Snapshot.LastIncludedIndex, d.Snapshot.LastIncludedTerm}
	r.configs = []configAt{{at.Index, d.Snapshot.Members}}
	r.log.reset(at)
	if n := len(d.Entries); n > 0 && d.Entries[n-1].Index > at.Index {
		first := &d.Entries[0]
		assert(first.Index <= at.Index+1, "the log begins after the snapshot's end")
		if first.Index <= at.Index {
			// Nobody remembers the term before the first entry, so it becomes the base itself.
			r.log.reset(first.position())
			d.Entries = d.Entries[1:]
		}
		for i := range d.Entries {
			r.log.append(d.Entries[i])
			r.noteConfig(&d.Entries[i])
		}
		assert(r.log.matches(at), "the log disagrees with the snapshot")
	}
	r.commitIndex, r.lastApplied = at.Index, at.Index
	r.applying.applied = at.Index
}

// Tick passes one unit of time.
func (r *Raft) Tick() {
	r.now++
	switch role := r.role.(type) {
	case *follower:
		r.quiet++
		r.tickFollower(role)
	case *preCandidate:
		r.quiet++
		r.tickPreCandidate(role)
	case *candidate:
		r.quiet++
		r.tickCandidate(role)
	case *leader:
		r.tickLeader(role)
	}
	r.check()
}

// Propose appends one command to a leader's log (Fig2/L.2). data is the log's from now on and
// must not change. What comes of it shows in Ready.Apply, here or elsewhere, or never.
// Errors: NotLeaderError, ErrTransferring.
func (r *Raft) Propose(data []byte) error {
	l, err := r.leading()
	if err != nil {
		return err
	}
	if l.transfer.to != 0 {
		// thesis §3.10: or the target could never catch up.
		return ErrTransferring
	}
	r.appendOwn(l, EntryCommand, data)
	r.check()
	return nil
}

// appendOwn adds an entry of the current term to a leader's log. Ready sends it on.
func (r *Raft) appendOwn(l *leader, kind EntryKind, data []byte) {
	assert(r.role == role(l), "only the leader in office appends")
	// The term is taken here, with the leadership: never from anything older.
	e := Entry{Index: r.log.lastIndex() + 1, Term: r.currentTerm, Kind: kind, Data: data}
	r.log.append(e)
	r.rule(L2, Appended, 0, e.position(), Position{})
	if kind == EntryConfig {
		r.noteConfig(&r.log.entries[len(r.log.entries)-1])
		r.syncProgress(l, e.Index)
		r.advanceCommit(l) // the quorum is another one now
	}
}

// leading returns the leader's state, or who else leads.
func (r *Raft) leading() (*leader, error) {
	if l, ok := r.role.(*leader); ok {
		return l, nil
	}
	return nil, NotLeaderError{r.leader()}
}

// leader returns who leads as far as this node knows; 0: not known.
func (r *Raft) leader() NodeID {
	switch role := r.role.(type) {
	case *follower:
		return role.leader
	case *leader:
		return r.id
	}
	return 0
}

// Unreachable says that the connection to a node broke. It is a hint, never a fact: nothing
// unsafe follows from it, and a killed leader is replaced without waiting for its silence.
func (r *Raft) Unreachable(id NodeID) {
	switch role := r.role.(type) {
	case *follower:
		if role.leader == id && id != 0 {
			r.forgetLeader(role)
		}
	case *leader:
		if p := role.peer(id); p != nil && p.state == ProgressReplicate {
			// What was under way is lost: begin again behind what is known to be there.
			p.becomeProbe(p.matchIndex + 1)
			r.rule(ConnectionLost, PipelineRestarts, id, Position{Index: p.nextIndex}, Position{})
		}
	}
	r.check()
}

// Status is a copy of what may be told about a Raft.
type Status struct {
	ID            NodeID
	Role          Role
	Leader        NodeID // 0: not known
	Hard          HardState
	Commit        Index
	Applied       Index // reported by Applied
	Durable       Index
	FirstIndex    Index // of the entries in memory
	LastIndex     Index
	LastTerm      Term // of the entry at LastIndex
	SnapshotIndex Index
	Members       Members // the one in force
	MembersIndex  Index   // of its entry, or of the snapshot that has it
	CommittedTerm bool    // an entry of the current term is committed
	QuietTicks    int     // since a leader was heard (2^30 and more: never); 0 on a leader
	Progress      []Progress
}

// Progress is what a leader knows of one peer.
type Progress struct {
	ID         NodeID
	Match      Index
	Next       Index
	State      ProgressState
	QuietTicks int // since anything was heard of it
}

// Status tells. It allocates; the lists in it are the reader's only to read.
func (r *Raft) Status() Status {
	s := Status{
		ID: r.id, Role: r.role.kind(), Leader: r.leader(), Hard: r.hard(),
		Commit: r.commitIndex, Applied: r.applying.applied, Durable: r.disk.durable,
		FirstIndex: r.log.firstIndex(), LastIndex: r.log.lastIndex(), LastTerm: r.log.last().Term,
		SnapshotIndex: r.snapshot.LastIncludedIndex, Members: r.members(), QuietTicks: r.quiet,
		MembersIndex: r.configs[len(r.configs)-1].index,
	}
	if t, ok := r.log.term(r.commitIndex); ok {
		s.CommittedTerm = t == r.currentTerm && r.commitIndex > 0
	}
	if l, ok := r.role.(*leader); ok {
		s.QuietTicks = 0
		s.Progress = make([]Progress, len(l.progress))
		for i := range l.progress {
			p := &l.progress[i]
			s.Progress[i] = Progress{p.id, p.matchIndex, p.nextIndex, p.state, p.quiet}
		}
	}
	return s
}

// NotLeaderError is returned by inputs that only a leader can take.
type NotLeaderError struct{ Leader NodeID }

func (e NotLeaderError) Error() string {
	if e.Leader == 0 {
		return "not leader (no leader is known)"
	}
	return fmt.Sprintf("not leader (leader is n%d)", e.Leader)
}

// Refusals that time heals.
var (
	// ErrTransferring: leadership is being handed over; ask again, the next leader.
	ErrTransferring = errors.New("leadership is being handed over")
	// ErrTermNotCommitted: no entry of this leader's term is committed yet.
	ErrTermNotCommitted = errors.New("the leader has not yet committed an entry of its term")
	// ErrChangePending: the membership change before this one is not complete.
	ErrChangePending = errors.New("another membership change is under way")
)

// Refusals that time does not heal.
var (
	// ErrNotVoter: leadership can only go to another voter.
	ErrNotVoter = errors.New("not another voter of this cluster")
	// ErrBadMembers: no voter, a list that does not ascend, a node both voter and learner, or a
	// configuration that is joint already.
	ErrBadMembers = errors.New("not a valid membership")
)
