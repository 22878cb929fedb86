package rafttest

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"

	"drystone/raft"
	"drystone/replica"
)

// What must be durable before what (thesis §10.2.1).
var disks = []claim{
	{"new term takes old answers along", 3, voters(3), newTermTakesOldAnswersAlong},
	{"clamp", 3, voters(3), clamp},
	{"durable is on disk", 3, voters(3), durableIsOnDisk},
	{"duplicate is acknowledged when durable", 3, voters(3), duplicateIsAcknowledgedWhenDurable},
	{"vote is released by its own write", 3, voters(3), voteIsReleasedByItsOwnWrite},
	{"heartbeat reply waits for its term", 3, voters(3), heartbeatReplyWaitsForItsTerm},
	{"candidacy waits for the disk", 3, voters(3), candidacyWaitsForTheDisk},
	{"others first", 3, voters(3), othersFirst},
	{"hanging disk", 3, voters(3), hangingDisk},
	{"lost group is noticed", 3, voters(3), lostGroupIsNoticed},
	{"only disk hangs", 2, raft.Members{Voters: ids(1), Learners: []raft.NodeID{2}}, onlyDiskHangs},
}

// appends is the AppendEntries of a leader, entries first..last of a term behind prev.
func appends(term raft.Term, prev raft.Position, last raft.Index) raft.Message {
	b := raft.AppendEntries{PrevLogIndex: prev.Index, PrevLogTerm: prev.Term}
	for i := prev.Index + 1; i <= last; i++ {
		b.Entries = append(b.Entries, raft.Entry{Index: i, Term: term, Data: []byte{byte(i)}})
	}
	from := raft.NodeID(1 + term%2)
	return raft.Message{From: from, To: 3, Term: term, Body: b}
}

// An acknowledgement that waits for a write goes when the term does: the log may be truncated
// before that write begins, and the old leader must not count what this disk never held.
func newTermTakesOldAnswersAlong(c *Cluster) {
	n := c.node(3)
	n.Engine.Step(appends(2, raft.Position{}, 4))
	n.Engine.Step(appends(3, raft.Position{}, 2))
	rd, _ := n.Engine.Ready()
	if len(rd.Append.Entries) != 2 || rd.Append.Entries[1].Term != 3 {
		c.t.Fatalf("writes %v", rd.Append.Entries)
	}
	for _, m := range rd.Append.After {
		if b, ok := m.Body.(raft.AppendReply); !ok || m.Term != 3 || b.MatchIndex != 2 {
			c.t.Errorf("the write releases %v", m)
		}
	}
	if len(rd.Send) > 0 {
		c.t.Errorf("leaves before the write: %v", rd.Send)
	}
}

// Writes overtaken by a truncation say nothing of the indexes that were written anew, whichever of
// them are acknowledged together.
func clamp(c *Cluster) {
	for _, acks := range [][]uint64{{1, 2, 3}, {2, 3}, {3}, {1, 3}, {2, 2, 1, 3}} {
		n := c.node(3)
		*n = Node{id: 3, snap: raft.SnapshotMeta{Members: voters(3)}}
		c.boot(n)
		n.Engine.Step(appends(2, raft.Position{}, 6))
		first, _ := n.Engine.Ready()
		n.Engine.Step(appends(3, raft.Position{}, 2))
		second, _ := n.Engine.Ready()
		n.Engine.Step(appends(3, raft.Position{Index: 2, Term: 3}, 4))
		third, _ := n.Engine.Ready()
		if first.Append.Seq != 1 || second.Append.Seq != 2 || third.Append.Seq != 3 {
			c.t.Fatalf("writes %d %d %d", first.Append.Seq, second.Append.Seq, third.Append.Seq)
		}
		done := uint64(0)
		for _, seq := range acks {
			n.Engine.Persisted(seq)
			done = max(done, seq)
			want := []raft.Index{0, 0, 2, 4}[done]
			if got := n.Engine.Status().Durable; got != want {
				c.t.Errorf("%v: after %d durable is %d, want %d", acks, seq, got, want)
			}
		}
	}
}

// A candidate's request for votes, and its own vote, wait for its disk: or it could lead a term
// that it does not know after a crash, and lead it again.
func candidacyWaitsForTheDisk(c *Cluster) {
	n := c.node(1)
	n.hangs = true
	for range 30 {
		c.do(n, n.Engine.Tick)
		c.settle()
		if st := n.Engine.Status(); st.Role == raft.Leader || st.Hard.CurrentTerm > 1 {
			c.fail("n1 is in term %d, and its disk knows none: %v", st.Hard.CurrentTerm, st.Role)
		}
		if c.role(1) == raft.Candidate {
			break
		}
	}
	if c.role(1) != raft.Candidate || c.node(2).hard.VotedFor != 0 {
		c.fail("n1 does not stand, or was voted for already:%s", c.describe())
	}
	n.hangs = false
	c.settle()
	if c.role(1) != raft.Leader {
		c.fail("n1 is not elected:%s", c.describe())
	}
}

// A leader counts its own disk when it is done, and may commit on others' before; its machine
// gets an entry only when its own disk has it (DIFFERS(8)).
func othersFirst(c *Cluster) {
	lead := c.elected(1)
	lead.hangs = true
	c.offer(lead, 1)
	if st := lead.Engine.Status(); st.Commit != 2 || st.Durable != 1 || lead.applied != 1 {
		c.fail("n1 applied %d: %v", lead.applied, st)
	}
	lead.hangs = false
	c.settle()
	c.haveApplied(1)

	for _, id := range []raft.NodeID{2, 3} {
		c.node(id).hangs = true
	}
	c.offer(lead, 1)
	if st := lead.Engine.Status(); st.Commit != 2 || st.Durable != 3 {
		c.fail("its own disk alone commits: %v", st)
	}
}

// DIFFERS(4): a leader whose disk hangs gives up, and does not stand again before it works.
func hangingDisk(c *Cluster) {
	lead := c.elected(1)
	lead.hangs = true
	c.offer(lead, 1)
	c.run(c.config.DiskTicks + 2)
	if c.role(1) == raft.Leader {
		c.fail("n1's disk hangs, and it leads:%s", c.describe())
	}
	next := c.elect()
	if next == lead {
		c.fail("n1 leads again")
	}
	c.offer(next, 5)
	c.haveApplied(2, 3)
	// Everybody else is silent: n1 may not stand, not even when it is told to.
	c.part(1)
	term := lead.Engine.Status().Hard.CurrentTerm
	c.run(50)
	for _, told := range []raft.Term{term, term + 1} {
		c.do(lead, func() {
			lead.Engine.Step(raft.Message{From: next.id, To: 1, Term: told, Body: raft.TimeoutNow{}})
		})
		if st := lead.Engine.Status(); st.Role != raft.Follower || st.Hard.CurrentTerm > told {
			c.fail("n1 stands while its disk hangs: %v", st)
		}
	}
	if waiting := len(lead.writes); waiting > 5 {
		c.t.Errorf("%d writes wait for a disk that hangs", waiting)
	}
	lead.hangs = false
	clear(c.cut)
	c.run(20)
	c.haveApplied(1)
	next = c.elect()
	c.do(next, func() { _ = next.Engine.Transfer(1) })
	c.run(5)
	if c.leader() != lead {
		c.fail("n1's disk works again, and it can't lead:%s", c.describe())
	}
}

// The same where there is no other voter: it serves nobody, and leads again when its disk works.
func onlyDiskHangs(c *Cluster) {
	n := c.elected(1)
	n.hangs = true
	c.offer(n, 1)
	c.run(c.config.DiskTicks + 20)
	if c.role(1) == raft.Leader {
		c.fail("n1's disk hangs, and it leads:%s", c.describe())
	}
	n.hangs = false
	c.offer(c.elect(), 1)
	c.run(5)
	c.haveApplied(1, 2)
}

// A follower between two leaders that overwrite each other's entries, and a disk that is slow.
// Whatever the engine believes to be durable must be on the disk at every crash point: as the disk
// stands, and with any further write of those in flight.
func durableIsOnDisk(c *Cluster) {
	histories := uint64(1000)
	if RaceEnabled {
		histories = 100
	}
	for seed := range histories {
		f := &overwritten{
			rng: rand.New(rand.NewPCG(seed, 7)), term: 1,
			engine: c.engine(3).New(raft.Config{ID: 3, Seed: seed}, raft.Restored{
				Snapshot: raft.SnapshotMeta{Members: c.first},
			}),
		}
		for range 60 {
			f.step()
			f.check(c, seed)
		}
		// In the end, everything written, the whole log is durable.
		for f.ready() {
		}
		f.write(len(f.queue))
		if st := f.engine.Status(); st.Durable != st.LastIndex {
			c.t.Fatalf("seed %d: in the end %d is durable of %d", seed, st.Durable, st.LastIndex)
		}
	}
}

// overwritten is the follower, with its disk, and its log as it must be.
type overwritten struct {
	engine replica.Engine
	rng    *rand.Rand
	term   raft.Term // of who leads now
	base   raft.Position
	log    []raft.Entry // behind base
	disk   []raft.Entry
	queue  []raft.Append
}

func (f *overwritten) last() raft.Position { return f.at(f.base.Index + raft.Index(len(f.log))) }

func (f *overwritten) at(i raft.Index) raft.Position {
	if i <= f.base.Index {
		return f.base
	}
	return raft.Position{Index: i, Term: f.log[i-f.base.Index-1].Term}
}

func (f *overwritten) step() {
	switch f.rng.IntN(8) {
	case 0: // another leader
		f.term += raft.Term(1 + f.rng.IntN(2))
	case 1, 2, 3:
		f.overwrite()
	case 4:
		if f.rng.IntN(8) == 0 {
			f.install()
		}
	case 5:
		f.ready()
	default: // some writes end, the last is acknowledged
		if len(f.queue) > 0 {
			f.write(1 + f.rng.IntN(len(f.queue)))
		}
	}
}

func (f *overwritten) send(b raft.Body) {
	f.engine.Step(raft.Message{From: raft.NodeID(1 + f.term%2), To: 3, Term: f.term, Body: b})
}

// overwrite appends, if the leader is a new one from somewhere behind what is committed on.
func (f *overwritten) overwrite() {
	st, prev := f.engine.Status(), f.last()
	if f.term != st.Hard.CurrentTerm {
		prev = f.at(st.Commit + raft.Index(f.rng.IntN(int(prev.Index-st.Commit)+1)))
	}
	b := raft.AppendEntries{
		PrevLogIndex: prev.Index, PrevLogTerm: prev.Term,
		LeaderCommit: st.Commit + raft.Index(f.rng.IntN(2)),
	}
	for k := range f.rng.IntN(4) {
		b.Entries = append(b.Entries, raft.Entry{Index: prev.Index + raft.Index(k) + 1, Term: f.term})
	}
	if len(b.Entries) > 0 {
		f.log = append(f.log[:prev.Index-f.base.Index:prev.Index-f.base.Index], b.Entries...)
	}
	f.send(b)
}

func (f *overwritten) install() {
	at := raft.Position{
		Index: f.engine.Status().Commit + 1 + raft.Index(f.rng.IntN(3)), Term: f.term,
	}
	if at.Index > f.last().Index || f.at(at.Index) != at {
		f.base, f.log = at, nil
	}
	f.send(raft.InstallSnapshot{Meta: raft.SnapshotMeta{
		LastIncludedIndex: at.Index, LastIncludedTerm: at.Term, Members: voters(3),
	}})
}

func (f *overwritten) ready() bool {
	rd, ok := f.engine.Ready()
	if rd.Append.Seq != 0 {
		f.queue = append(f.queue, rd.Append)
	}
	return ok
}

// write makes the next few durable.
func (f *overwritten) write(count int) {
	if count == 0 {
		return
	}
	for i := range f.queue[:count] {
		f.disk = written(f.disk, &f.queue[i])
	}
	seq := f.queue[count-1].Seq
	f.queue = f.queue[count:]
	f.engine.Persisted(seq)
}

func (f *overwritten) check(c *Cluster, seed uint64) {
	st := f.engine.Status()
	if st.LastIndex != f.last().Index || st.LastTerm != f.last().Term {
		c.t.Fatalf("seed %d: the log ends at %d@%d, and should at %v", seed, st.LastIndex,
			st.LastTerm, f.last())
	}
	crashed := slices.Clone(f.disk)
	for k := range len(f.queue) + 1 {
		if k > 0 {
			crashed = written(crashed, &f.queue[k-1])
		}
		for i := f.base.Index + 1; i <= st.Durable; i++ {
			if e, ok := entryAt(crashed, i); !ok || e.Term != f.at(i).Term {
				c.t.Fatalf("seed %d: %v believes in %d, the disk after %d writes has %v", seed, st,
					st.Durable, k, crashed)
			}
		}
	}
}

// A duplicate of what is durable is acknowledged at once; of what is not yet, behind its write.
func duplicateIsAcknowledgedWhenDurable(c *Cluster) {
	e := c.node(3).Engine
	e.Step(appends(1, raft.Position{}, 1))
	first, _ := e.Ready()
	if len(first.Send) != 0 || len(first.Append.After) != 1 {
		c.t.Fatalf("not behind the write: %+v", first)
	}
	e.Step(appends(1, raft.Position{}, 1))
	second, _ := e.Ready()
	if len(second.Send) != 0 || len(second.Append.After) != 1 || len(second.Append.Entries) != 0 {
		c.t.Fatalf("not behind the write in flight: %+v", second)
	}
	e.Persisted(second.Append.Seq) // the last of the two stands for both
	e.Step(appends(1, raft.Position{}, 1))
	if third, _ := e.Ready(); len(third.Send) != 1 || third.Append.Seq != 0 {
		c.t.Fatalf("waits for nothing: %+v", third)
	}
}

// A vote that waits for its write is dropped when the term is over before the write begins: the
// write that would release it does not hold it.
func voteIsReleasedByItsOwnWrite(c *Cluster) {
	e := c.node(3).Engine
	e.Step(raft.Message{From: 1, To: 3, Term: 2, Body: raft.RequestVote{}})
	e.Step(raft.Message{From: 2, To: 3, Term: 3, Body: raft.RequestVote{}})
	rd, _ := e.Ready()
	if len(rd.Append.After) != 1 || rd.Append.After[0].Term != 3 || rd.Append.After[0].To != 2 ||
		rd.Append.Hard != (raft.HardState{CurrentTerm: 3, VotedFor: 2}) || len(rd.Send) != 0 {
		c.t.Fatalf("%+v", rd)
	}
}

// A heartbeat's answer says that its sender's term is known here, so it waits for that; later
// ones wait for nothing, not for the log either.
func heartbeatReplyWaitsForItsTerm(c *Cluster) {
	e := c.node(3).Engine
	beat := raft.Message{From: 1, To: 3, Term: 2, Body: raft.Heartbeat{Read: 5}}
	e.Step(beat)
	rd, _ := e.Ready()
	if len(rd.Send) != 0 || len(rd.Append.After) != 1 {
		c.t.Fatalf("%+v", rd)
	}
	e.Persisted(rd.Append.Seq)
	e.Step(appends(2, raft.Position{}, 1))
	e.Step(beat)
	if rd, _ = e.Ready(); len(rd.Send) != 1 || len(rd.Append.After) != 1 {
		c.t.Fatalf("a heartbeat waits for the log: %+v", rd)
	}
}

// §5.5: a disk that loses the newest group it wrote shows an end that may look whole: what the lost
// entries replaced. Whoever comes back with that stops, rather than take it for what is committed.
func lostGroupIsNoticed(c *Cluster) {
	c.elected(2)
	lead := c.elected(1)
	c.offer(lead, 1)
	c.run(2)
	said := c.nextHeartbeat(lead, 2)
	commit := said.Body.(raft.Heartbeat).Commit
	if last := lead.Engine.Status().LastIndex; commit != last {
		c.fail("n1 says that %d is committed, of %d", commit, last)
	}
	for _, back := range []raft.Term{0, 1} { // the end is of so many terms before
		entries := make([]raft.Entry, commit)
		for i := range entries {
			entries[i] = raft.Entry{Index: raft.Index(i + 1), Term: said.Term - back}
		}
		e := c.engine(2).New(raft.Config{ID: 2}, raft.Restored{
			Hard:     raft.HardState{CurrentTerm: said.Term},
			Snapshot: raft.SnapshotMeta{Members: c.first}, Entries: entries,
		})
		stopped := func() (stopped bool) {
			defer func() {
				stopped = strings.Contains(fmt.Sprint(recover()), "this disk has lost")
			}()
			e.Step(said)
			return false
		}()
		if took := e.Status().Commit == commit; stopped != (back > 0) || took == stopped {
			c.t.Errorf("the end is of %d terms before: stops: %v, and takes it for committed: %v", back,
				stopped, took)
		}
	}
}

// nextHeartbeat is what a leader says next to a peer.
func (c *Cluster) nextHeartbeat(lead *Node, to raft.NodeID) raft.Message {
	for {
		lead.Engine.Tick()
		for rd, ok := lead.Engine.Ready(); ok; rd, ok = lead.Engine.Ready() {
			for _, m := range rd.Send {
				if _, is := m.Body.(raft.Heartbeat); is && m.To == to {
					return m
				}
			}
		}
	}
}
