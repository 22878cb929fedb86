// Package etcdraft is go.etcd.io/raft behind the interface of package raft: the same log, the
// same messages, the same Ready. docs/adr/0012-etcd-engine.md has the decisions.
//
// etcd's RawNode decides elections, replication and commitment. What it leaves to its host, or
// does otherwise than the rest of this house relies on, is here: when to stand (timer.go), what
// must be durable before what is said (durability.go), which configuration is in force
// (members.go), how snapshots travel (snapshot.go) and when reads may begin (read.go).
//
// After every input the RawNode is drained (settle), so that what it wants and what this package
// knows of it never differ between two inputs. There is no goroutine, no clock, and no randomness
// but Config.Seed: etcd draws election timeouts of its own, from the system's entropy, and none of
// them is ever waited for.
package etcdraft

import (
	"math"
	"math/rand/v2"

	"drystone/raft"

	etcd "go.etcd.io/raft/v3"
	pb "go.etcd.io/raft/v3/raftpb"
)

// Name is the engine's, in a directory's identity and in the flags that choose it.
const Name = "etcd"

// Engine is one node's part in the consensus, as *raft.Raft is. It is not safe for concurrent
// use.
type Engine struct {
	config raft.Config
	id     raft.NodeID
	jitter rand.PCG
	node   *etcd.RawNode
	log    log

	at    standing      // the RawNode's, as of the last look
	local []*pb.Message // what the RawNode says to itself and may be told by now

	now       uint64 // ticks since the start
	quiet     int    // ticks since a leader was heard
	timer     timer
	stood     int            // candidacies since a leader was heard
	asked     []raft.Message // of a candidate, and not answered
	yielded   bool           // has stood back once for another since a leader was heard
	standBack bool           // takes no pre-vote until it asks again
	prevoted  raft.NodeID    // who was granted the pre-vote that was looked at last

	configs []configAt   // the snapshot's and every later one in the log; the last is in force
	tracked raft.Members // the one that the RawNode goes by
	peers   []peer       // of a leader: all other members, ascending

	disk        disk
	appliable   raft.Index // committed and durable here
	lastApplied raft.Index // handed out in Ready.Apply, or covered by the snapshot restored
	applying    applying
	reads       reads

	// What the next Ready takes along.
	out   []raft.Message
	after []raft.Message
	ship  []raft.SnapshotSend
}

// standing is where a node stands in the consensus.
type standing struct {
	role     raft.Role
	leader   raft.NodeID
	hard     raft.HardState
	commit   raft.Index
	transfer raft.NodeID // who leadership is being handed to; 0: nobody
}

// neverHeard is the silence of a node that has not heard any leader since it started.
const neverHeard = 1 << 30

// New returns the node as its disk left it: a follower, whatever it was. It takes what raft.New
// takes.
func New(c raft.Config, d raft.Restored) *Engine {
	e := &Engine{config: c.WithDefaults(), id: c.ID, quiet: neverHeard}
	// The ID goes into the seed: equal seeds would make all timers run alike.
	e.jitter.Seed(c.Seed, uint64(c.ID)*0x9e3779b97f4a7c15)
	e.restore(d)
	last := e.log.last()
	assert(last.Term <= d.Hard.CurrentTerm, "an entry is of a term this node never knew")
	e.disk = disk{hard: d.Hard, handed: d.Hard, durable: last.Index, unwritten: last.Index + 1}
	node, err := etcd.NewRawNode(&etcd.Config{
		ID:                        uint64(c.ID),
		ElectionTick:              e.config.ElectionTicks,
		HeartbeatTick:             e.config.HeartbeatTicks,
		Storage:                   &e.log,
		Applied:                   uint64(e.lastApplied),
		AsyncStorageWrites:        true,
		MaxSizePerMsg:             uint64(e.config.MaxAppendBytes),
		MaxCommittedSizePerReady:  math.MaxUint64, // Ready.Apply has bounds of its own
		MaxInflightMsgs:           e.config.MaxInflight,
		MaxInflightBytes:          uint64(max(e.config.InflightBytes, e.config.MaxAppendBytes)),
		CheckQuorum:               true,
		PreVote:                   true,
		ReadOnlyOption:            etcd.ReadOnlySafe,
		DisableProposalForwarding: true,
		Logger:                    quiet{},
	})
	assert(err == nil, "etcd refuses the configuration")
	e.node, e.at = node, standing{hard: d.Hard, commit: e.lastApplied}
	e.standSoon()
	e.settle()
	return e
}

// restore builds log and configurations from the disk's.
func (e *Engine) restore(d raft.Restored) {
	at := raft.Position{Index: d.Snapshot.LastIncludedIndex, Term: d.Snapshot.LastIncludedTerm}
	e.log.snapshot = d.Snapshot
	e.configs = []configAt{{at.Index, d.Snapshot.Members}}
	e.log.reset(at)
	if n := len(d.Entries); n > 0 && d.Entries[n-1].Index > at.Index {
		first := &d.Entries[0]
		assert(first.Index <= at.Index+1, "the log begins after the snapshot's end")
		if first.Index <= at.Index {
			// Nobody remembers the term before the first entry, so it becomes the base itself.
			e.log.reset(raft.Position{Index: first.Index, Term: first.Term})
			d.Entries = d.Entries[1:]
		}
		entries := toEntries(d.Entries)
		e.log.append(entries)
		e.noteConfigs(entries)
		assert(e.log.matches(at), "the log disagrees with the snapshot")
	}
	e.lastApplied, e.appliable, e.applying.applied = at.Index, at.Index, at.Index
	e.tracked = e.members()
	e.log.hard = &pb.HardState{
		Term: new(uint64(d.Hard.CurrentTerm)), Vote: new(uint64(d.Hard.VotedFor)),
		Commit: new(uint64(at.Index)),
	}
	e.log.conf = toConfState(e.tracked)
}

// Tick passes one unit of time.
func (e *Engine) Tick() {
	e.now++
	if e.at.role == raft.Leader {
		e.tickLeader()
	} else {
		e.quiet++
		if e.quiet >= e.config.ElectionTicks {
			// thesis §4.2.3: who hears no leader is loyal to none. etcd would find that out by its own
			// timer, which stands still.
			_ = e.node.ForgetLeader()
		}
		e.tickTimer()
	}
	e.settle()
}

func (e *Engine) tickLeader() {
	for i := range e.peers {
		e.peers[i].quiet++
	}
	if e.stalled() {
		// DIFFERS(4): its heartbeats would keep everybody from electing one whose disk works.
		e.stepDown()
		return
	}
	e.node.Tick()
}

// stepDown gives up leadership. etcd does so within the term when a majority was silent between
// two checks: the first of these begins to count, the second finds nobody. A sole voter always
// hears itself, and gives up for a higher term, which costs nobody else a thing.
func (e *Engine) stepDown() {
	e.tell(pb.MsgCheckQuorum, 0)
	e.tell(pb.MsgCheckQuorum, 0)
	e.settle()
	if e.at.role == raft.Leader {
		e.tell(pb.MsgHeartbeatResp, e.at.hard.CurrentTerm+1)
		e.settle()
	}
}

// tell gives the RawNode a message that nobody sent.
func (e *Engine) tell(t pb.MessageType, term raft.Term) {
	_ = e.node.Step(&pb.Message{
		Type: t.Enum(), From: new(uint64(etcd.LocalAppendThread)), Term: new(uint64(term)),
	})
}

// Propose appends one command to a leader's log. Errors: raft.NotLeaderError,
// raft.ErrTransferring.
func (e *Engine) Propose(data []byte) error {
	if err := e.mayPropose(); err != nil {
		return err
	}
	return e.append(raft.EntryCommand, data)
}

func (e *Engine) mayPropose() error {
	switch {
	case e.at.role != raft.Leader:
		return raft.NotLeaderError{Leader: e.at.leader}
	case e.at.transfer != 0:
		return raft.ErrTransferring
	}
	return nil
}

func (e *Engine) append(kind raft.EntryKind, data []byte) error {
	err := e.node.Step(&pb.Message{
		Type: pb.MsgProp.Enum(), From: new(uint64(e.id)),
		Entries: []*pb.Entry{{Type: toType(kind).Enum(), Data: data}},
	})
	e.settle()
	if err != nil {
		return raft.ErrTransferring // a leader that is no member any more is on its way out as well
	}
	return nil
}

// Transfer begins to hand leadership to another voter. Errors: raft.NotLeaderError,
// raft.ErrNotVoter.
func (e *Engine) Transfer(to raft.NodeID) error {
	switch {
	case e.at.role != raft.Leader:
		return raft.NotLeaderError{Leader: e.at.leader}
	case to == e.id || !e.members().IsVoter(to):
		return raft.ErrNotVoter
	}
	e.node.TransferLeader(uint64(to))
	e.settle()
	return nil
}

// Unreachable says that the connection to a node broke. It is a hint, never a fact.
func (e *Engine) Unreachable(id raft.NodeID) {
	switch {
	case e.at.role == raft.Leader:
		e.node.ReportUnreachable(uint64(id))
	case e.at.role == raft.Follower && e.at.leader == id && id != 0:
		// DIFFERS(5): a killed leader is replaced without waiting for its silence.
		_ = e.node.ForgetLeader()
		e.askSoon()
	}
	e.settle()
}

// Status is a copy of what may be told.
func (e *Engine) Status() raft.Status {
	current := e.current()
	s := raft.Status{
		ID: e.id, Role: e.at.role, Leader: e.at.leader, Hard: e.at.hard,
		Commit: e.at.commit, Applied: e.applying.applied, Durable: e.disk.durable,
		FirstIndex: e.log.firstIndex(), LastIndex: e.log.lastIndex(), LastTerm: e.log.last().Term,
		SnapshotIndex: e.log.snapshot.LastIncludedIndex,
		Members:       current.members, MembersIndex: current.index,
		CommittedTerm: e.committedTerm(), QuietTicks: e.quiet,
	}
	if e.at.role == raft.Leader {
		s.QuietTicks = 0
		s.Progress = e.progress()
	}
	return s
}

// committedTerm: an entry of the current term is committed.
func (e *Engine) committedTerm() bool {
	t, ok := e.log.term(e.at.commit)
	return ok && t == e.at.hard.CurrentTerm && t > 0
}
