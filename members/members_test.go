package members

import (
	"slices"
	"strings"
	"testing"

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
	m := First(a)
	if !m.Equal(First(b)) || m.String() != "{1 2}" {
		t.Fatalf("%v and %v", m, First(b))
	}
	if e, ok := RosterOf(m).Holder(2); !ok || e.Incarnation != who("b") || e.Peer != "" {
		t.Errorf("node 2 is %+v", e)
	}
}

// TestWhoIsListenedTo are handshakes with a node that has applied a membership: 1 and 2 are voters,
// 3 was removed, 4 was replaced and its number waits.
func TestWhoIsListenedTo(t *testing.T) {
	s := &Standing{
		Members: raft.Members{Voters: []raft.NodeID{1, 2}},
		Roster: roster.Roster{
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
		got := s.Knows(wire.Hello{Node: c.node, Incarnation: who(c.directory), Cluster: c.cluster}, "us")
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

func code(r *Refusal) rsm.Code {
	if r == nil {
		return ""
	}
	return r.Code
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
		if refused == nil && RosterOf(to).Vacant(c.node) != c.replace {
			t.Errorf("node %d, replace %v: the roster is %+v", c.node, c.replace, RosterOf(to))
		}
	}
	s.Progress[1].QuietTicks, s.Progress[1].Match = 1, 0 // the leader is new, and has not heard it yet
	_, refused := dismissed(s, r, 2, false, 30)
	if code(refused) != rsm.CodeUnsafeChange || !refused.Passing {
		t.Errorf("node 3 has not been heard, and 2 goes: %+v", refused)
	}
	s.Progress[1].QuietTicks = 99
	if _, refused = dismissed(s, r, 2, false, 30); refused == nil || refused.Passing {
		t.Errorf("node 3 is silent, and 2 goes: %+v", refused)
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

// TestWhereMembersAre: who is let in is where it says, whatever lists say of its number; of the
// others what they told themselves counts first, and what people said last.
func TestWhereMembersAre(t *testing.T) {
	s, r := aLeader()
	r[2].Generation = 1
	r = slices.Insert(r, 2, roster.Entry{Node: 3, Incarnation: who("8")})
	s.Members.Directory = append(r, roster.Entry{Node: 6, Generation: 1}).Encode(nil)
	plan, refused := PlanFor(rsm.AdminRequest{
		Op: rsm.AdminJoin, Node: 6, Incarnation: who("f"), Peer: "new:6",
	}, 30)
	if refused != nil {
		t.Fatal(refused.Detail)
	}
	names := func(of string, ids ...uint64) func(uint64) string {
		return func(node uint64) string {
			for _, id := range ids {
				if id == node {
					return of
				}
			}
			return ""
		}
	}
	to, refused := Target(s, plan, Addresses{
		Told: func(e roster.Entry) string {
			if e.Node == 2 && e.Incarnation == who("b") {
				return "told:1"
			}
			return ""
		},
		Given: names("given:1", 1, 2, 6),
	})
	if refused != nil {
		t.Fatal(refused.Detail)
	}
	for node, want := range map[uint64]string{
		1: "given:1", 2: "told:1", 3: "", 4: "", 6: "new:6",
	} {
		if held, _ := RosterOf(to).Holder(node); held.Peer != want {
			t.Errorf("node %d is at %q, want %q", node, held.Peer, want)
		}
	}
}

// TestAddress: whom to believe about where a member is.
func TestAddress(t *testing.T) {
	r := roster.Roster{
		{Node: 2, Incarnation: who("b")}, {Node: 3, Incarnation: who("c")},
		{Node: 3, Generation: 1, Incarnation: who("d"), Peer: "roster:3"},
	}
	m := raft.Members{Voters: []raft.NodeID{2, 3, 4}}
	for name, c := range map[string]struct {
		id      raft.NodeID
		given   string
		contact Contact
		want    string
	}{
		"nothing is known":      {4, "", Contact{}, ""},
		"people's word":         {2, "given", Contact{}, "given"},
		"against its own":       {2, "given", Contact{who("b"), "told", true}, "given"},
		"nobody else said":      {2, "", Contact{who("b"), "told", false}, "told"},
		"a later one, heard":    {2, "given", Contact{who("9"), "told", true}, "told"},
		"a later one, unheard":  {2, "given", Contact{who("9"), "told", false}, "given"},
		"the roster":            {3, "given", Contact{}, "roster:3"},
		"newer than the roster": {3, "given", Contact{who("d"), "told", false}, "told"},
		"the former one's":      {3, "given", Contact{who("c"), "told", true}, "roster:3"},
	} {
		if got := Address(m, r, c.id, c.given, c.contact); got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}

// TestWhoMissedItsAdmission: a member that does not know that it is one is sent to ask, unless it
// is a founder whose first start can end still.
func TestWhoMissedItsAdmission(t *testing.T) {
	us := storage.Identity{Node: 1}.Form([]storage.PeerIdentity{
		{Node: 1, Incarnation: who("a")}, {Node: 2, Incarnation: who("b")},
		{Node: 3, Incarnation: who("c")},
	})
	standing := func(voters []raft.NodeID, more ...roster.Entry) *Standing {
		r := append(FirstStanding(us).Roster, more...)
		m := raft.Members{Voters: voters, Directory: r.Encode(nil)}
		return &Standing{Members: m, Roster: r}
	}
	all := []raft.NodeID{1, 2, 3}
	for name, c := range map[string]struct {
		s         *Standing
		node      uint64
		directory string
		cluster   string
		want      wire.HelloCode
	}{
		"a founder":             {standing(all), 2, "b", "", wire.HelloOK},
		"of whom one is gone":   {standing(all[:2]), 2, "b", "", wire.HelloVacant},
		"that has formed":       {standing(all[:2]), 2, "b", us.Cluster, wire.HelloOK},
		"the one that is gone":  {standing(all[:2]), 3, "c", "", wire.HelloRemoved},
		"let in later":          {standing(append(all, 4), newcomer()), 4, "d", "", wire.HelloVacant},
		"let in, and knows it":  {standing(append(all, 4), newcomer()), 4, "d", us.Cluster, wire.HelloOK},
		"a wiped one":           {standing(all), 2, "e", "", wire.HelloWiped},
		"nobody knows this one": {standing(all), 9, "e", "", wire.HelloNotMember},
	} {
		got := Self{Identity: us, Standing: c.s}.Judge(wire.Hello{
			Node: c.node, To: 1, Incarnation: who(c.directory), Cluster: c.cluster,
		})
		if got.Code != c.want {
			t.Errorf("%s: %+v, want %q", name, got, c.want)
		}
	}
}

// TestNumberThatWasGivenAway: a directory whose number another one has by the log is refused, also
// where its removal is not applied yet: what a leader sends to that number is not for it.
func TestNumberThatWasGivenAway(t *testing.T) {
	us := storage.Identity{Node: 1}.Form([]storage.PeerIdentity{
		{Node: 1, Incarnation: who("a")}, {Node: 2, Incarnation: who("b")},
	})
	self := Self{Identity: us, Standing: FirstStanding(us)}
	former := wire.Hello{Node: 2, To: 1, Incarnation: who("b"), Cluster: us.Cluster}
	if got := self.Judge(former); got.Code != wire.HelloOK {
		t.Errorf("before: %+v", got)
	}
	r := append(self.Standing.Roster, roster.Entry{Node: 2, Generation: 1, Incarnation: who("c")})
	self.InForce = raft.Members{
		Voters: []raft.NodeID{1}, Learners: []raft.NodeID{2}, Directory: r.Encode(nil),
	}
	if got := self.Judge(former); got.Code != wire.HelloRemoved {
		t.Errorf("since: %+v", got)
	}
}

func newcomer() roster.Entry { return roster.Entry{Node: 4, Incarnation: who("d")} }

// TestSpeaks: from the moment a number is given to another directory, the former one is not heard
// under it, whatever connection it has still.
func TestSpeaks(t *testing.T) {
	r := roster.Roster{
		{Node: 1, Incarnation: who("a")}, {Node: 2, Incarnation: who("b")},
		{Node: 2, Generation: 1, Incarnation: who("c")}, {Node: 3, Incarnation: who("d")},
	}
	m := raft.Members{Voters: []raft.NodeID{1}, Learners: []raft.NodeID{2}}
	for _, c := range []struct {
		node      uint64
		directory string
		want      bool
	}{
		{1, "a", true}, {2, "b", false}, {2, "c", true}, {9, "e", true}, {1, "f", true},
		{3, "d", true}, {3, "e", true}, // removed: told so by the handshake
	} {
		if got := Speaks(m, r, c.node, who(c.directory)); got != c.want {
			t.Errorf("node %d with %s: %v", c.node, c.directory, got)
		}
	}
}

// engine is a leader of which a test says how it stands.
type engine struct{ status raft.Status }

func (e *engine) Status() raft.Status              { return e.status }
func (e *engine) Transfer(raft.NodeID) error       { return nil }
func (e *engine) Reconfigure(m raft.Members) error { e.status.Members = m; return nil }

// TestNewLeaderWaits: a leader that has not heard the others yet does not refuse what will be safe
// in a moment; if it never is, the refusal says what was missing.
func TestNewLeaderWaits(t *testing.T) {
	s, _ := aLeader()
	s.CommittedTerm, s.MembersIndex, s.Commit = true, 7, 7
	s.Progress[0].Match = 0
	e := &engine{s}
	plan, _ := PlanFor(rsm.AdminRequest{Op: rsm.AdminRemove, Node: 3}, 30)
	nowhere := Addresses{
		Told: func(roster.Entry) string { return "" }, Given: func(uint64) string { return "" },
	}
	c := Change{Next: plan, Where: nowhere}
	if index, refused := c.Step(e); index != 0 || refused != nil || c.Begun() {
		t.Fatalf("unheard: %d, %+v", index, refused)
	}
	if refused := c.Overdue(); code(refused) != rsm.CodeUnsafeChange {
		t.Errorf("never heard: %+v", refused)
	}
	e.status.Progress[0].Match = 1000
	if _, refused := c.Step(e); refused != nil || !c.Begun() {
		t.Errorf("heard: %+v", refused)
	}
}

// TestHandsOverFirst: a leader that is to go hands over, and nobody else does, nor for another's
// sake, nor while a change is under way.
func TestHandsOverFirst(t *testing.T) {
	leads, _ := aLeader()
	follows, joint, gone := leads, leads, leads
	follows.Role = raft.Follower
	joint.Members.Next = []raft.NodeID{2, 3}
	gone.Members.Voters = []raft.NodeID{2, 3}
	for name, c := range map[string]struct {
		status raft.Status
		op     rsm.AdminOp
		node   uint64
		want   bool
	}{
		"itself":             {leads, rsm.AdminRemove, 1, true},
		"itself, replaced":   {leads, rsm.AdminReplace, 1, true},
		"another":            {leads, rsm.AdminRemove, 2, false},
		"promoted":           {leads, rsm.AdminPromote, 1, false},
		"a follower":         {follows, rsm.AdminRemove, 1, false},
		"a change under way": {joint, rsm.AdminRemove, 1, false},
		"no member":          {gone, rsm.AdminRemove, 1, false},
	} {
		if got := HandsOverFirst(rsm.AdminRequest{Op: c.op, Node: c.node}, c.status); got != c.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}
