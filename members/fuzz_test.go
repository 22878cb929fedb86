package members

import (
	"bytes"
	"encoding/json"
	"reflect"
	"slices"
	"strings"
	"testing"

	"drystone/disk"
	"drystone/raft"
	"drystone/roster"
	"drystone/rsm"
	"drystone/storage"
	"drystone/wire"
)

// FuzzGrant enters a cluster by any answer to a request to join: what a node makes durable it can
// start with, as the node that it was, at a later boot.
func FuzzGrant(f *testing.F) {
	good := Grant{
		Peers:    founders,
		Admitted: 7, Boots: roster.BootsPerGeneration, Addresses: map[uint64]string{1: "h:1"},
	}
	unsorted, short, strange, late, twice := good, good, good, good, good
	unsorted.Peers = []storage.PeerIdentity{good.Peers[1], good.Peers[0]}
	short.Peers = nil
	strange.Peers = []storage.PeerIdentity{{Node: 1, Incarnation: "é"}}
	late.Boots = 1<<64 - 1
	twice.Peers = append(slices.Clone(founders), founders[0])
	for _, g := range []Grant{good, unsorted, short, strange, late, twice} {
		b, err := json.Marshal(g)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		var g Grant
		if json.Unmarshal(b, &g) != nil {
			return
		}
		was := storage.Identity{Version: 1, Node: 4, Incarnation: who("d"), Engine: "e", Boot: 3}
		g.Cluster = was.Form(g.Peers).Cluster // which nobody finds by trying
		id, err := g.Enter(was)
		if err != nil {
			return
		}
		if id.Node != was.Node || id.Incarnation != was.Incarnation || id.Boot <= was.Boot {
			t.Errorf("%+v becomes %+v", was, id)
		}
		mem := disk.NewMem(1)
		if err := storage.SaveIdentity(mem.Dir(), id); err != nil {
			t.Fatal(err)
		}
		if again, err := storage.LoadIdentity(mem.Dir()); err != nil || !reflect.DeepEqual(again, id) {
			t.Errorf("%+v is read as %+v, %v", id, again, err)
		}
		if s := FirstStanding(id); len(s.Members.Voters) != len(g.Peers) || len(s.Members.Voters) == 0 {
			t.Errorf("%+v begins with %v", id, s.Members)
		}
		readable(t, First(id))
	})
}

// FuzzHello presents any peer to a node that forms a cluster and to one of a cluster. Who is let in
// can be counted for the first start, and stand in a roster.
func FuzzHello(f *testing.F) {
	for _, h := range []wire.Hello{
		{Node: 2, To: 1, Incarnation: who("b"), Peer: "h:2"},
		{Node: 2, To: 1, Incarnation: who("B"), Peer: strings.Repeat("h", 301)},
		{Node: 2, To: 1, Incarnation: "b"}, {Node: 9, To: 1, Incarnation: who("9"), Boot: 1},
		{Node: 4, To: 1, Incarnation: who("d"), Cluster: storage.Identity{}.Form(founders).Cluster},
		{Node: 3, To: 1, Incarnation: who("8"), Peer: "\n", HTTP: "h:1", RESP: "h:2"},
	} {
		f.Add(wire.EncodeHello(nil, h))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		h, err := wire.DecodeHello(b)
		if err != nil {
			return
		}
		s, r := aLeader()
		member := storage.Identity{Node: 1, Incarnation: who("a")}.Form(founders)
		for _, n := range []Self{
			{Identity: storage.Identity{Node: 1, Incarnation: who("a")}, Listed: []uint64{1, 2}},
			{Identity: member, Standing: &Standing{Members: s.Members, Roster: r}, InForce: s.Members},
		} {
			v := n.Judge(h)
			if (v.Code == wire.HelloOK) != (v.Detail == "") || v.Grant != "" {
				t.Errorf("%+v: %+v", h, v)
			}
			if v.Code != wire.HelloOK {
				continue
			}
			e := roster.Entry{Node: h.Node, Incarnation: h.Incarnation, Peer: h.Peer}
			if again, err := roster.Decode(roster.Roster{e}.Encode(nil)); err != nil || again[0] != e {
				t.Errorf("%+v is let in, and its entry is read as %+v, %v", h, again, err)
			}
			if n.Identity.Cluster != "" {
				continue
			}
			met := storage.NewBootstrap(founders[0], n.Listed)
			who := storage.PeerIdentity{Node: h.Node, Incarnation: h.Incarnation}
			if _, err := met.Meet(who); err != nil {
				t.Errorf("%+v is let in and cannot be counted: %v", h, err)
			} else if met.Complete() {
				readable(t, First(met.Form(n.Identity)))
			}
		}
	})
}

// founders are the first members in these tests.
var founders = []storage.PeerIdentity{
	{Node: 1, Incarnation: who("a")}, {Node: 2, Incarnation: who("b")},
}

// readable checks that a membership can be written into a log and read by everybody.
func readable(t *testing.T, m raft.Members) {
	t.Helper()
	s, err := NewStanding(raft.EncodeMembers(nil, m))
	if err != nil || !s.Members.Equal(m) {
		t.Fatalf("%+v is read as %+v, %v", m, s, err)
	}
}

// FuzzRequest asks a leader for any change: it is refused in words, or leads to a membership that
// everybody can read, one voter away at most, in which nothing of the past is forgotten.
func FuzzRequest(f *testing.F) {
	for _, q := range []rsm.AdminRequest{
		{Op: rsm.AdminAdd, Node: 9, Peer: "h:9"}, {Op: rsm.AdminAdd, Node: 3},
		{Op: rsm.AdminJoin, Node: 9, Incarnation: who("9"), Peer: "\x00"},
		{Op: rsm.AdminJoin, Node: 1, Incarnation: "A"}, {Op: rsm.AdminPromote, Node: 4},
		{Op: rsm.AdminRemove, Node: 2}, {Op: rsm.AdminReplace, Node: 1<<64 - 1},
		{Op: rsm.AdminReplace, Node: 4}, {Op: rsm.AdminTransfer}, {Op: "later", Node: 1},
	} {
		b, err := json.Marshal(q)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b, uint64(990))
	}
	f.Fuzz(func(t *testing.T, b []byte, match uint64) {
		var q rsm.AdminRequest
		if json.Unmarshal(b, &q) != nil {
			return
		}
		s, r := aLeader()
		s.Members.Directory = r.Encode(nil)
		s.Progress[2].Match = raft.Index(match)
		plan, refused := PlanFor(q, 30)
		var to raft.Members
		if refused == nil {
			to, refused = plan(s, RosterOf(s.Members))
		}
		if refused != nil {
			if refused.Code == "" || refused.Detail == "" || refused.Outcome != rsm.NotApplied {
				t.Errorf("%+v is refused with %+v", q, refused)
			}
			return
		}
		if len(to.Voters) == 0 {
			return // there is nothing to do
		}
		readable(t, to)
		changed := 0
		for _, id := range append(to.All(), s.Members.All()...) {
			if to.IsVoter(id) != s.Members.IsVoter(id) {
				changed++
			}
		}
		if changed > 2 { // who is in both is counted twice
			t.Errorf("%v becomes %v", s.Members, to)
		}
		for _, e := range RosterOf(s.Members) {
			held := false
			for _, now := range RosterOf(to) {
				held = held || now.Node == e.Node && now.Generation == e.Generation &&
					(now.Incarnation == e.Incarnation || e.Incarnation == "")
			}
			if !held && e.Incarnation != "" {
				t.Errorf("%+v forgets %+v", q, e)
			}
		}
	})
}

// FuzzStanding reads the membership that a state holds: what is taken is readable and whole.
func FuzzStanding(f *testing.F) {
	m := raft.Members{Voters: []raft.NodeID{1, 2}, Next: []raft.NodeID{1}, Learners: []raft.NodeID{3},
		Directory: roster.Roster{{Node: 1, Incarnation: who("a"), Peer: "h:1"}}.Encode(nil)}
	f.Add(raft.EncodeMembers(nil, m))
	f.Add(raft.EncodeMembers(nil, raft.Members{}))
	later := m
	later.Directory = append([]byte{9}, m.Directory...)
	f.Add(raft.EncodeMembers(nil, later))
	f.Fuzz(func(t *testing.T, b []byte) {
		s, err := NewStanding(b)
		if err != nil {
			return
		}
		if !bytes.Equal(raft.EncodeMembers(nil, s.Members), b) || !bytes.Equal(s.Encoded, b) {
			t.Errorf("%x is read as %+v", b, s)
		}
		if again := s.Roster.Encode(nil); len(s.Roster) > 0 && !bytes.Equal(again, s.Members.Directory) {
			t.Errorf("%x becomes %x", s.Members.Directory, again)
		}
	})
}
