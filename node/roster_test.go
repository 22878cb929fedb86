package node

import (
	"strings"
	"testing"

	"drystone/disk"
	"drystone/raft"
	"drystone/roster"
	"drystone/rsm"
	"drystone/wire"
)

func who(c string) string { return strings.Repeat(c, 32) }

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
		if got := n.addressBook().Of(c.entry); got != c.want {
			t.Errorf("%+v is at %q, want %q", c.entry, got, c.want)
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
