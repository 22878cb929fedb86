package raft

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
)

// Cluster membership: joint consensus (§6, thesis §4.3), and learners (thesis §4.2.1), who
// receive the log and neither vote nor count.
//
// A configuration is in force from the moment it is in the log, committed or not, until the log
// loses it. So it is a function of snapshot and log, and needs no state of its own.

// configAt is a configuration and the index of its entry, or of its snapshot.
type configAt struct {
	index   Index
	members Members
}

// members is the configuration in force: the latest in the log (§6).
func (r *Raft) members() Members { return r.configs[len(r.configs)-1].members }

// configAt returns the configuration as of an index not before the snapshot's.
func (r *Raft) configAt(i Index) Members {
	n := len(r.configs) - 1
	for n > 0 && r.configs[n].index > i {
		n--
	}
	return r.configs[n].members
}

// noteConfig puts an appended entry in force if it is a configuration.
func (r *Raft) noteConfig(e *Entry) {
	if e.Kind != EntryConfig || e.Index <= r.snapshot.LastIncludedIndex {
		return
	}
	m, err := DecodeMembers(e.Data)
	assert(err == nil, "a configuration entry cannot be read")
	r.rule(Membership, InForce, 0, e.position(), Position{})
	r.configs = append(r.configs, configAt{e.Index, m})
}

// dropConfigs returns to the configuration before first.
func (r *Raft) dropConfigs(first Index) {
	for r.configs[len(r.configs)-1].index >= first {
		r.assert(len(r.configs) > 1, "loses the configuration of a snapshot")
		r.rule(Membership, OutOfForce, 0, Position{Index: first}, Position{})
		r.configs = r.configs[:len(r.configs)-1]
	}
}

// forgetConfigs drops those that a snapshot at i has outlived.
func (r *Raft) forgetConfigs(i Index) {
	n := len(r.configs) - 1
	for n > 0 && r.configs[n].index > i {
		n--
	}
	r.configs = append([]configAt(nil), r.configs[n:]...)
}

// mayStand reports whether this node votes: by the configuration in force, or by one before it,
// as long as this node does not know the later one to be committed.
//
// thesis §4.2.2: who is not part of C-new still stands until C-new is committed. It may have the
// only logs that a majority of the old voters takes for up to date; if it kept quiet, those who
// lack C-new could not win, and those who have it would not try.
func (r *Raft) mayStand() bool {
	for i := len(r.configs) - 1; i >= 0; i-- {
		if r.configs[i].index < r.config.Admitted {
			return false // whoever it names, it is not this disk
		}
		if r.configs[i].members.IsVoter(r.id) {
			return true
		}
		if r.configs[i].index <= r.commitIndex {
			return false
		}
	}
	return false
}

// Reconfigure begins to change the membership to what is given, by way of joint consensus if the
// voters change. Next is empty. Voters that vanish from all lists are removed; the leader may be
// among them, and then steps down when the change is complete. It is complete when Status says
// so. Errors: NotLeaderError, ErrTransferring, ErrTermNotCommitted, ErrChangePending,
// ErrBadMembers.
func (r *Raft) Reconfigure(to Members) error {
	l, err := r.leading()
	if err != nil {
		return err
	}
	current := r.configs[len(r.configs)-1]
	switch {
	case to.Joint() || !to.valid():
		return ErrBadMembers
	case l.transfer.to != 0:
		return ErrTransferring
	case r.commitIndex < l.termStart:
		// Or two leaders, each with a change of the other's predecessor unseen, could decide by
		// majorities that do not meet (the flaw of single-server changes; joint ones share it).
		return ErrTermNotCommitted
	case current.index > r.commitIndex || current.members.Joint():
		return ErrChangePending
	case current.members.Equal(to):
		return nil
	}
	next := to.clone()
	if !slices.Equal(current.members.Voters, to.Voters) {
		// §6: first C-old,new, under which both majorities must agree; C-new when that is committed.
		next.Voters, next.Next = current.members.Voters, next.Voters
	}
	r.rule(Membership, ChangeBegins, 0, Position{Index: r.log.lastIndex() + 1}, Position{})
	r.appendOwn(l, EntryConfig, EncodeMembers(nil, next))
	r.check()
	return nil
}

// completeChange goes on once a configuration is committed: from joint to new, and out of office
// if the new one does not have this leader (§6).
func (r *Raft) completeChange(l *leader) {
	current := r.configs[len(r.configs)-1]
	if current.index > r.commitIndex {
		return
	}
	switch m := current.members; {
	case m.Joint():
		r.rule(Membership, LeaveJoint, 0, Position{Index: current.index}, Position{})
		next := Members{Voters: m.Next, Learners: m.Learners, Directory: m.Directory}
		r.appendOwn(l, EntryConfig, EncodeMembers(nil, next))
	case !m.IsVoter(r.id):
		r.rule(Membership, LeaderRemoved, 0, Position{Index: current.index}, Position{})
		r.retire(l)
	}
}

// retire tells everybody what is committed, and the most complete voter to stand: nobody needs to
// wait for an election timeout.
// DIFFERS(9): the paper lets them time out.
func (r *Raft) retire(l *leader) {
	var heir *progress
	for i := range l.progress {
		p := &l.progress[i]
		r.sendHeartbeat(l, p)
		if r.members().IsVoter(p.id) && (heir == nil || p.matchIndex > heir.matchIndex) {
			heir = p
		}
	}
	if heir != nil && heir.matchIndex == r.log.lastIndex() {
		r.send(heir.id, r.currentTerm, TimeoutNow{})
	}
	r.stepDown()
}

// Joint reports whether this is C-old,new.
func (m Members) Joint() bool { return len(m.Next) > 0 }

// IsVoter reports whether a node votes, in the old or in the new configuration while joint.
func (m Members) IsVoter(id NodeID) bool { return contains(m.Voters, id) || contains(m.Next, id) }

// All returns every member, ascending. While joint, a voter may be a learner to be.
func (m Members) All() []NodeID {
	if !m.Joint() && len(m.Learners) == 0 {
		return m.Voters
	}
	all := slices.Concat(m.Voters, m.Next, m.Learners)
	slices.Sort(all)
	return slices.Compact(all)
}

// Equal reports whether two configurations are the same.
func (m Members) Equal(o Members) bool {
	return slices.Equal(m.Voters, o.Voters) && slices.Equal(m.Next, o.Next) &&
		slices.Equal(m.Learners, o.Learners) && bytes.Equal(m.Directory, o.Directory)
}

func (m Members) clone() Members {
	return Members{
		slices.Clone(m.Voters), slices.Clone(m.Next), slices.Clone(m.Learners),
		bytes.Clone(m.Directory),
	}
}

// valid: somebody votes, lists ascend, and nobody is voter and learner for good.
func (m Members) valid() bool {
	final := m.Voters
	if m.Joint() {
		final = m.Next
	}
	for _, id := range final {
		if contains(m.Learners, id) {
			return false
		}
	}
	return len(m.Voters) > 0 && ascends(m.Voters) && ascends(m.Next) && ascends(m.Learners) &&
		len(m.Directory) <= MaxDirectoryBytes
}

func ascends(ids []NodeID) bool {
	before := NodeID(0)
	for _, id := range ids {
		if id <= before {
			return false
		}
		before = id
	}
	return true
}

func contains(ids []NodeID, id NodeID) bool {
	for _, other := range ids {
		if other == id {
			return true
		}
	}
	return false
}

// What an encoded configuration begins with: a directory makes the second version.
const (
	membersVersion   = 1
	directoryVersion = 2
)

// EncodeMembers appends the data of an EntryConfig: a version byte, then Voters, Next and
// Learners, each a 4-byte count and 8-byte IDs, little endian; in version 2 then a Directory that
// is not empty, to the end.
func EncodeMembers(dst []byte, m Members) []byte {
	version := byte(membersVersion)
	if len(m.Directory) > 0 {
		version = directoryVersion
	}
	dst = append(dst, version)
	for _, ids := range [3][]NodeID{m.Voters, m.Next, m.Learners} {
		dst = binary.LittleEndian.AppendUint32(dst, uint32(len(ids)))
		for _, id := range ids {
			dst = binary.LittleEndian.AppendUint64(dst, uint64(id))
		}
	}
	return append(dst, m.Directory...)
}

var errMembers = errors.New("cannot read membership")

// DecodeMembers reads what EncodeMembers wrote. An error says what is wrong with it; it allocates
// no more than a few times the length of b, and nothing aliases b.
func DecodeMembers(b []byte) (Members, error) {
	if len(b) == 0 {
		return Members{}, fmt.Errorf("%w: it is empty", errMembers)
	}
	version := b[0]
	if version != membersVersion && version != directoryVersion {
		return Members{}, fmt.Errorf("%w: version %d is not known", errMembers, version)
	}
	b = b[1:]
	var m Members
	for _, list := range [3]*[]NodeID{&m.Voters, &m.Next, &m.Learners} {
		if len(b) < 4 {
			return Members{}, fmt.Errorf("%w: it ends early", errMembers)
		}
		n := uint64(binary.LittleEndian.Uint32(b))
		b = b[4:]
		if n > uint64(len(b)/8) {
			return Members{}, fmt.Errorf("%w: it ends early", errMembers)
		}
		for ; n > 0; n-- {
			*list = append(*list, NodeID(binary.LittleEndian.Uint64(b)))
			b = b[8:]
		}
	}
	if version == directoryVersion {
		if len(b) == 0 {
			return Members{}, fmt.Errorf("%w: its directory is missing", errMembers)
		}
		m.Directory, b = bytes.Clone(b), nil
	}
	switch {
	case len(b) > 0:
		return Members{}, fmt.Errorf("%w: %d bytes follow it", errMembers, len(b))
	case len(m.Voters)+len(m.Next)+len(m.Learners) > 0 && !m.valid():
		return Members{}, fmt.Errorf("%w: its lists contradict each other", errMembers)
	}
	return m, nil
}
