package node

import (
	"errors"
	"strings"
	"testing"

	"drystone/disk"
	"drystone/raft"
	"drystone/roster"
	"drystone/rsm"
	"drystone/storage"
	"drystone/wire"
)

func who(c string) string { return strings.Repeat(c, 32) }

// TestFirstMembersAreAlikeEverywhere: nodes that met the same directories, in whatever order, begin
// their logs with the same bytes.
func TestFirstMembersAreAlikeEverywhere(t *testing.T) {
	one := storage.PeerIdentity{Node: 1, Incarnation: who("a")}
	two := storage.PeerIdentity{Node: 2, Incarnation: who("b")}
	a := storage.Identity{Node: 1}.Form([]storage.PeerIdentity{two, one})
	b := storage.Identity{Node: 2}.Form([]storage.PeerIdentity{one, two})
	m := firstMembers(a)
	if !m.Equal(firstMembers(b)) || m.String() != "{1 2}" {
		t.Fatalf("%v and %v", m, firstMembers(b))
	}
	if e, ok := rosterOf(m).Holder(2); !ok || e.Incarnation != who("b") || e.Peer != "" {
		t.Errorf("node 2 is %+v", e)
	}
}

// TestWhoIsListenedTo are handshakes with a node that has applied a membership: 1 and 2 are voters,
// 3 was removed, 4 was replaced and its number waits.
func TestWhoIsListenedTo(t *testing.T) {
	s := &standing{
		members: raft.Members{Voters: []raft.NodeID{1, 2}},
		roster: roster.Roster{
			{Node: 1, Incarnation: who("a")}, {Node: 2, Incarnation: who("b")},
			{Node: 3, Incarnation: who("c")}, {Node: 4, Incarnation: who("d")},
			{Node: 4, Generation: 1},
		},
	}
	for _, c := range []struct {
		node               uint64
		directory, cluster string
		want               wire.HelloCode
	}{
		{2, "b", "us", wire.HelloOK}, {2, "b", "", wire.HelloOK}, // had not formed it yet
		{2, "e", "", wire.HelloWiped}, {3, "c", "us", wire.HelloRemoved},
		{3, "e", "", wire.HelloUsed}, {4, "d", "us", wire.HelloRemoved},
		{4, "e", "", wire.HelloVacant}, {9, "e", "", wire.HelloNotMember},
		// Let in by a leader of whom only later entries tell.
		{9, "e", "us", wire.HelloOK}, {4, "e", "us", wire.HelloOK}, {2, "e", "us", wire.HelloOK},
	} {
		got := s.knows(wire.Hello{Node: c.node, Incarnation: who(c.directory), Cluster: c.cluster}, "us")
		if got.Code != c.want || (got.Code == "") != (got.Detail == "") {
			t.Errorf("node %d with %s of cluster %q: %+v, want %q", c.node, c.directory, c.cluster, got,
				c.want)
		}
	}
}

// aLeader is what a leader of three voters and a learner knows; 3 is silent, and 4 far behind.
func aLeader() (raft.Status, roster.Roster) {
	r := roster.Roster{
		{Node: 1, Incarnation: who("a")}, {Node: 2, Incarnation: who("b")},
		{Node: 3, Incarnation: who("c")}, {Node: 4, Incarnation: who("d")},
		{Node: 5, Incarnation: who("e")},
	}
	return raft.Status{
		ID: 1, Role: raft.Leader, LastIndex: 1000,
		Members: raft.Members{
			Voters: []raft.NodeID{1, 2, 3}, Learners: []raft.NodeID{4}, Directory: r.Encode(nil),
		},
		Progress: []raft.Progress{
			{ID: 2, Match: 1000, State: raft.ProgressReplicate},
			{ID: 3, Match: 900, State: raft.ProgressReplicate, QuietTicks: 99},
			{ID: 4, Match: 10, State: raft.ProgressReplicate},
		},
	}, r
}

func code(r *refusal) rsm.Code {
	if r == nil {
		return ""
	}
	return r.code
}

// TestDismissed: a member goes only if enough of those who stay answer now (reliability: one
// request must not take the majority).
func TestDismissed(t *testing.T) {
	s, r := aLeader()
	for _, c := range []struct {
		node    uint64
		replace bool
		want    string
		refused rsm.Code
	}{
		{3, false, "{1 2 + 4}", ""}, {3, true, "{1 2 + 4}", ""}, {4, false, "{1 2 3}", ""},
		{2, false, "", rsm.CodeUnsafeChange}, {1, true, "", rsm.CodeUnsafeChange},
		{5, false, "{}", ""}, {5, true, "", rsm.CodeNumberUsed}, // removed before
		{9, false, "", rsm.CodeNoSuchMember},
	} {
		to, refused := dismissed(s, r, c.node, c.replace, 30)
		if code(refused) != c.refused || refused == nil && to.String() != c.want {
			t.Errorf("node %d, replace %v: %v, %+v", c.node, c.replace, to, refused)
		}
		if refused == nil && rosterOf(to).Vacant(c.node) != c.replace {
			t.Errorf("node %d, replace %v: the roster is %+v", c.node, c.replace, rosterOf(to))
		}
	}
	s.Members.Voters, s.Members.Learners = []raft.NodeID{1}, nil
	if _, refused := dismissed(s, r, 1, false, 30); code(refused) != rsm.CodeUnsafeChange {
		t.Errorf("the last voter: %+v", refused)
	}
}

// TestPromoted: a learner that lags is none that a majority may depend on.
func TestPromoted(t *testing.T) {
	s, r := aLeader()
	if _, refused := promoted(s, r, 4, 30); code(refused) != rsm.CodeLearnerBehind {
		t.Errorf("far behind: %+v", refused)
	}
	s.Progress[2].Match = 990
	to, refused := promoted(s, r, 4, 30)
	if refused != nil || to.String() != "{1 2 3 4}" {
		t.Errorf("caught up: %v, %+v", to, refused)
	}
	if to, refused := promoted(s, r, 2, 30); refused != nil || len(to.Voters) > 0 {
		t.Errorf("a voter: %v, %+v", to, refused)
	}
	if _, refused := promoted(s, r, 5, 30); code(refused) != rsm.CodeNoSuchMember {
		t.Errorf("no member: %+v", refused)
	}
}

// TestWhereIs: what a number's former directory told, or a flag says of it, is no word about the
// directory that has it now.
func TestWhereIs(t *testing.T) {
	n := &Node{
		config: Config{ID: 1, AdvertisePeer: "me:1", Cluster: map[uint64]string{
			1: "flag:1", 2: "flag:2", 3: "flag:3", 4: "flag:4",
		}},
		contacts: newContacts(),
	}
	n.contacts.update(2, func(c *contact) { c.peer, c.incarnation = "told:2", who("b") })
	for _, c := range []struct {
		entry roster.Entry
		want  string
	}{
		{roster.Entry{Node: 1, Incarnation: who("a")}, "me:1"},
		{roster.Entry{Node: 2, Incarnation: who("b"), Peer: "old:2"}, "told:2"},
		{roster.Entry{Node: 2, Incarnation: who("c"), Peer: "asked:2"}, "asked:2"},
		{roster.Entry{Node: 3, Incarnation: who("d"), Peer: "asked:3"}, "asked:3"},
		{roster.Entry{Node: 4, Incarnation: who("e")}, "flag:4"},
		{roster.Entry{Node: 4, Generation: 1}, ""},
	} {
		if got := n.whereIs(c.entry); got != c.want {
			t.Errorf("%+v is at %q, want %q", c.entry, got, c.want)
		}
	}
}

// TestHeed: once another directory has a number, what the one before it said comes too late.
func TestHeed(t *testing.T) {
	r := roster.Roster{
		{Node: 1, Incarnation: who("a")},
		{Node: 2, Incarnation: who("b")}, {Node: 2, Generation: 1},
		{Node: 3, Incarnation: who("c")}, {Node: 3, Generation: 1, Incarnation: who("d")},
	}
	m := raft.Members{Voters: []raft.NodeID{1, 3}, Directory: r.Encode(nil)}
	var h heed
	for _, c := range []struct {
		node      raft.NodeID
		directory string
		want      bool
	}{
		{1, "a", true}, {3, "d", true}, {3, "c", false},
		{2, "b", true}, // nobody has taken its number yet: it may have to tell others so
		{3, "e", true}, // let in later than this node has heard
	} {
		said := received{from: c.node, incarnation: who(c.directory)}
		if got := h.to(m, said); got != c.want {
			t.Errorf("node %d of directory %s is heeded: %v", c.node, c.directory, got)
		}
	}
	m.Directory = r[:4].Encode(nil) // the change was lost with its leader
	if !h.to(m, received{from: 3, incarnation: who("c")}) {
		t.Error("the directory that still has the number is not heeded")
	}
}

// TestLegible: a membership of a later version is never taken for an empty one.
func TestLegible(t *testing.T) {
	good := raft.Members{Voters: []raft.NodeID{1}, Directory: roster.Roster{
		{Node: 1, Incarnation: who("a")},
	}.Encode(nil)}
	later := good
	later.Directory = append([]byte{good.Directory[0] + 1}, good.Directory[1:]...)
	entry := func(m raft.Members) raft.Entry {
		return raft.Entry{Index: 7, Kind: raft.EntryConfig, Data: raft.EncodeMembers(nil, m)}
	}
	newest := entry(good)
	newest.Data[0] = 99
	plain := raft.Entry{Index: 6, Data: []byte{99}}
	if err := legible([]raft.Entry{plain, entry(good)}, good); err != nil {
		t.Error(err)
	}
	for name, err := range map[string]error{
		"a directory in an entry":     legible([]raft.Entry{entry(good), entry(later)}, good),
		"an entry":                    legible([]raft.Entry{newest}, good),
		"the directory of a snapshot": legible(nil, later),
	} {
		if !errors.Is(err, rsm.ErrNeedsUpgrade) {
			t.Errorf("%s of a later version: %v", name, err)
		}
	}
}

// TestMembershipOfALaterVersion: the node stops before it acknowledges what it cannot read.
func TestMembershipOfALaterVersion(t *testing.T) {
	n := alone(t, disk.NewMem(1))
	leads(t, n)
	before := n.status()
	config := raft.Entry{Kind: raft.EntryConfig, Data: raft.EncodeMembers(nil, raft.Members{
		Voters: []raft.NodeID{1, 2}, Directory: []byte{99},
	})}
	config.Index, config.Term = raft.Index(before.LastIndex+1), 99
	n.inbox.receive(received{from: 2, messages: []wire.Message{{Raft: &raft.Message{
		From: 2, To: 1, Term: 99, Body: raft.AppendEntries{
			PrevLogIndex: raft.Index(before.LastIndex), PrevLogTerm: raft.Term(before.Term),
			Entries: []raft.Entry{config},
		},
	}}}})
	<-n.Done()
	s := n.status()
	if s.Health != rsm.HealthNeedsUpgrade || s.LastIndex != before.LastIndex {
		t.Errorf("%s at %d, was at %d: %s", s.Health, s.LastIndex, before.LastIndex, s.Reason)
	}
}
