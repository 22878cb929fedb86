package etcdraft

import (
	"slices"

	"drystone/raft"

	etcd "go.etcd.io/raft/v3"
	pb "go.etcd.io/raft/v3/raftpb"
	"go.etcd.io/raft/v3/tracker"
)

// Cluster membership. A configuration is in force from the moment it is in the log, as in §6 and
// in package raft, and a function of snapshot and log alone. etcd's own hosts put it in force when
// they apply it, and so have to remember durably what is committed, or a node that restarts could
// decide by a majority of the past.
//
// A follower's configuration matters when it stands, and a leader's always. So the RawNode is told
// just then (goBy), by the ConfChangeV2 that lead from the one it goes by to the one it shall.

// configAt is a configuration and the index of its entry, or of its snapshot.
type configAt struct {
	index   raft.Index
	members raft.Members
}

func (e *Engine) current() configAt { return e.configs[len(e.configs)-1] }

// members is the configuration in force: the latest in the log (§6).
func (e *Engine) members() raft.Members { return e.current().members }

// configAt returns the configuration as of an index not before the snapshot's.
func (e *Engine) configAt(i raft.Index) raft.Members { return e.configs[e.configOf(i)].members }

func (e *Engine) configOf(i raft.Index) int {
	n := len(e.configs) - 1
	for n > 0 && e.configs[n].index > i {
		n--
	}
	return n
}

// noteConfigs puts in force what is a configuration among appended entries, and reports whether
// something is.
func (e *Engine) noteConfigs(entries []*pb.Entry) (found bool) {
	for _, p := range entries {
		i := raft.Index(p.GetIndex())
		if kindOf(p) != raft.EntryConfig || i <= e.log.snapshot.LastIncludedIndex {
			continue
		}
		m, err := raft.DecodeMembers(p.Data)
		assert(err == nil, "a configuration entry cannot be read")
		e.configs = append(e.configs, configAt{i, m})
		found = true
	}
	return found
}

// dropConfigs returns to the configuration before first.
func (e *Engine) dropConfigs(first raft.Index) {
	for e.current().index >= first {
		assert(len(e.configs) > 1, "loses the configuration of a snapshot")
		e.configs = e.configs[:len(e.configs)-1]
	}
}

// standsBy is the configuration that this node may stand by: the latest that it votes in, unless
// one that it does not vote in is known to be committed. thesis §4.2.2: who is not part of C-new
// still stands until C-new is committed. What it stands by then is C-old,new, whose majorities
// hold one of C-new.
func (e *Engine) standsBy() (raft.Members, bool) {
	for _, c := range slices.Backward(e.configs) {
		if c.index < e.config.Admitted {
			break // whoever it names, it is not this disk
		}
		if c.members.IsVoter(e.id) {
			return c.members, true
		}
		if c.index <= e.at.commit {
			break
		}
	}
	return raft.Members{}, false
}

// goBy makes the RawNode go by a configuration. On a leader it is always the next one: joint,
// then new. On others it may be any, and what lies between is passed through, unused.
func (e *Engine) goBy(to raft.Members) {
	defer e.syncPeers()
	if e.tracked.Equal(to) {
		return
	}
	if len(e.tracked.Voters) == 0 { // a directory that is to join knows nobody; the first is free
		e.tracked.Voters = to.Voters[:1]
		e.apply(changes(raft.Members{}, e.tracked.Voters, nil, false))
	}
	if e.tracked.Joint() {
		e.apply(&pb.ConfChangeV2{})
		e.tracked = raft.Members{Voters: e.tracked.Next, Learners: e.tracked.Learners}
	}
	if !slices.Equal(e.tracked.Voters, to.Voters) {
		// Only a joint change can go anywhere.
		e.apply(changes(e.tracked, to.Voters, to.Learners, true))
		e.apply(&pb.ConfChangeV2{})
		e.tracked = raft.Members{Voters: to.Voters, Learners: withoutVoters(to.Learners, to.Voters)}
	}
	if to.Joint() {
		e.apply(changes(e.tracked, to.Next, to.Learners, true))
	} else {
		all := changes(e.tracked, to.Voters, to.Learners, false)
		for _, one := range all.Changes {
			e.apply(&pb.ConfChangeV2{Changes: []*pb.ConfChangeSingle{one}})
		}
	}
	e.tracked = to
}

func (e *Engine) apply(c *pb.ConfChangeV2) { e.node.ApplyConfChange(c) }

func withoutVoters(learners, voters []raft.NodeID) (left []raft.NodeID) {
	for _, id := range learners {
		if !slices.Contains(voters, id) {
			left = append(left, id)
		}
	}
	return left
}

// changes leads from a configuration that is not joint to these voters and learners.
func changes(from raft.Members, voters, learners []raft.NodeID, joint bool) *pb.ConfChangeV2 {
	c := &pb.ConfChangeV2{}
	if joint {
		c.Transition = pb.ConfChangeTransitionJointExplicit.Enum()
	}
	all := slices.Concat(from.Voters, from.Learners, voters, learners)
	slices.Sort(all)
	for _, id := range slices.Compact(all) {
		var t pb.ConfChangeType
		switch votes, learns := slices.Contains(voters, id), slices.Contains(learners, id); {
		case votes && slices.Contains(from.Voters, id),
			learns && !votes && slices.Contains(from.Learners, id):
			continue // it stays what it is
		case votes:
			t = pb.ConfChangeAddNode
		case learns:
			t = pb.ConfChangeAddLearnerNode
		default:
			t = pb.ConfChangeRemoveNode
		}
		c.Changes = append(c.Changes, &pb.ConfChangeSingle{Type: t.Enum(), NodeId: new(uint64(id))})
	}
	return c
}

// Reconfigure begins to change the membership to what is given, as raft.Raft's does. Errors:
// raft.NotLeaderError, raft.ErrTransferring, raft.ErrTermNotCommitted, raft.ErrChangePending,
// raft.ErrBadMembers.
func (e *Engine) Reconfigure(to raft.Members) error {
	if e.at.role != raft.Leader {
		return raft.NotLeaderError{Leader: e.at.leader}
	}
	next, err := raft.DecodeMembers(raft.EncodeMembers(nil, to)) // a copy, and valid
	current := e.current()
	switch {
	case err != nil || to.Joint() || len(to.Voters) == 0 ||
		len(to.Directory) > raft.MaxDirectoryBytes:
		return raft.ErrBadMembers
	case e.at.transfer != 0:
		return raft.ErrTransferring
	case !e.committedTerm():
		return raft.ErrTermNotCommitted
	case current.index > e.at.commit || current.members.Joint():
		return raft.ErrChangePending
	case current.members.Equal(to):
		return nil
	}
	if !slices.Equal(current.members.Voters, to.Voters) {
		// §6: first C-old,new, under which both majorities must agree.
		next.Voters, next.Next = current.members.Voters, next.Voters
	}
	return e.append(raft.EntryConfig, raft.EncodeMembers(nil, next))
}

// advanceMembers goes on once a leader's configuration is committed: from joint to new, and out
// of office if the new one does not have this leader (§6). It reports whether there was something
// to do.
func (e *Engine) advanceMembers() bool {
	current := e.current()
	if e.at.role != raft.Leader || current.index > e.at.commit || !e.committedTerm() {
		return false
	}
	switch m := current.members; {
	case m.Joint():
		if e.at.transfer != 0 {
			return false // the next leader does it, or this one when nobody took over
		}
		next := raft.Members{Voters: m.Next, Learners: m.Learners, Directory: m.Directory}
		return e.append(raft.EntryConfig, raft.EncodeMembers(nil, next)) == nil
	case !m.IsVoter(e.id):
		e.retire()
		return true
	}
	return false
}

// retire tells everybody what is committed, and the most complete voter to stand (DIFFERS(9)).
func (e *Engine) retire() {
	e.tell(pb.MsgBeat, 0)
	var heir raft.Progress
	for _, p := range e.progress() {
		if e.members().IsVoter(p.ID) && p.Match > heir.Match {
			heir = p
		}
	}
	if heir.Match == e.log.lastIndex() {
		e.node.TransferLeader(uint64(heir.ID))
	}
	e.stepDown()
	assert(e.at.role != raft.Leader, "leads a cluster that it is no member of")
}

// peer is what a leader knows of another member beside what etcd does.
type peer struct {
	id    raft.NodeID
	quiet int // ticks since anything was heard of it

	wanted   bool              // it needs a snapshot
	shipping bool              // the host is at it
	shipped  raft.SnapshotMeta // stands on its disk; the answer to InstallSnapshot is missing
	installs int               // how often InstallSnapshot was repeated
}

// peer finds a leader's peer; nil if it is none.
func (e *Engine) peer(id raft.NodeID) *peer {
	for i := range e.peers {
		if e.peers[i].id == id {
			return &e.peers[i]
		}
	}
	return nil
}

// syncPeers gives every other member a peer, and takes it from who is no member any more.
func (e *Engine) syncPeers() {
	if e.at.role != raft.Leader {
		return
	}
	var all []peer
	for _, id := range e.members().All() {
		if p := e.peer(id); p != nil {
			all = append(all, *p)
		} else if id != e.id {
			all = append(all, peer{id: id})
		}
	}
	e.peers = all
}

// progress is what a leader knows of its peers.
func (e *Engine) progress() (all []raft.Progress) {
	e.node.WithProgress(func(id uint64, _ etcd.ProgressType, p tracker.Progress) {
		if peer := e.peer(raft.NodeID(id)); peer != nil {
			all = append(all, raft.Progress{
				ID: peer.id, Match: raft.Index(p.Match), Next: raft.Index(p.Next),
				State: stateOf(p.State), QuietTicks: peer.quiet,
			})
		}
	})
	return all
}

func stateOf(s tracker.StateType) raft.ProgressState {
	switch s {
	case tracker.StateReplicate:
		return raft.ProgressReplicate
	case tracker.StateSnapshot:
		return raft.ProgressSnapshot
	}
	return raft.ProgressProbe
}
