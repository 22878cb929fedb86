package raft

import (
	"slices"
	"strings"
	"testing"
)

func TestEveryRuleAndReasonHasWords(t *testing.T) {
	names := map[string]Rule{}
	for rule := NoRule + 1; rule < ruleCount; rule++ {
		name := rule.String()
		if other, ok := names[name]; name == "" || ok {
			t.Errorf("rule %d is called %q, like %d", rule, name, other)
		}
		names[name] = rule
	}
	for why := NoReason + 1; why < reasonCount; why++ {
		e := Event{Rule: L3, Reason: why, Peer: 2, A: Position{3, 4}, B: Position{5, 6}}
		words := e.words()
		if words == "" || strings.ContainsAny(words, "{}") {
			t.Errorf("reason %d says %q", why, words)
		}
	}
}

// The grammar that scripts, simulator and command line rely on.
func TestTraceGrammar(t *testing.T) {
	config := Members{Voters: []NodeID{1, 2}, Next: []NodeID{1, 3}, Learners: []NodeID{4}}
	for _, c := range []struct {
		got  any
		want string
	}{
		{Event{Kind: EventSent, Node: 1, Term: 4, Peer: 2, Message: Message{Body: AppendEntries{
			1, 1, []Entry{{Index: 2, Term: 2}}, 1,
		}}}, "n1@4 → n2           AppendEntries prev=1@1 [2@2] commit=1"},
		{Event{Node: 3, Term: 4, Rule: AE4, Reason: Appended, A: Position{2, 2}, B: Position{2, 2}},
			"n3@4 AE.4           append 2@2"},
		{Event{Node: 3, Term: 4, Rule: AE4, Reason: Appended, A: Position{2, 2}, B: Position{5, 3}},
			"n3@4 AE.4           append 2@2..5@3"},
		{Event{Kind: EventDisk, Node: 3, Term: 4, Append: Append{
			Seq: 2, Entries: []Entry{{Index: 2, Term: 2}},
			After: []Message{{To: 1, Body: AppendReply{Success: true, MatchIndex: 2}}},
		}}, "n3@4 disk #2        [2@2] then → n1 AppendReply match=2"},
		{Event{Kind: EventDisk, Node: 3, Term: 4, NewHard: true, Append: Append{
			Seq: 1, Hard: HardState{4, 1}, After: []Message{{To: 1, Body: VoteReply{Granted: true}}},
		}}, "n3@4 disk #1        term=4 vote=n1 then → n1 VoteReply granted"},
		{Event{Node: 1, Term: 4, Rule: L4, Reason: EarlierTerm, A: Position{2, 2}, B: Position{0, 4}},
			"n1@4 L.4 refused    2@2 is on a majority, but of an earlier term than 4 (§5.4.2)"},
		{Message{2, 1, 7, RequestVote{5, 6, true, false}}, "n2@7 → n1           PreVote last=5@6"},
		{Message{2, 1, 7, AppendReply{PrevLogIndex: 9, HintIndex: 4, HintTerm: 2}},
			"n2@7 → n1           AppendReply refused prev=9 hint=4@2"},
		{Message{1, 2, 7, Heartbeat{Commit: 3, Read: 8}},
			"n1@7 → n2           Heartbeat commit=3 read=8"},
		{Entry{Index: 3, Term: 4}, "3@4"},
		{Entry{Index: 3, Term: 4, Kind: EntryNoop}, "3@4 no-op"},
		{Entry{3, 4, EntryConfig, EncodeMembers(nil, config)}, "3@4 config {1 2 → 1 3 + 4}"},
		{Status{
			ID: 1, Role: Leader, Hard: HardState{4, 1}, LastIndex: 3, LastTerm: 4, Durable: 3, Commit: 1,
			Progress: []Progress{{ID: 2, Next: 3, State: ProgressReplicate}, {ID: 3, Next: 1}},
		}, "n1@4 leader         last=3@4 commit=1 n2:0→3 n3:0→1 probe"},
		{PreCandidate, "pre_candidate"},
	} {
		if got := c.got.(interface{ String() string }).String(); got != c.want {
			t.Errorf("%s\nwant\n%s", got, c.want)
		}
	}
}

// Without a listener a trace costs nothing, and neither do the checks after every input.
func TestHotPathAllocates(t *testing.T) {
	r := leaderOf(t, 3, 1, Entry{Index: 1, Term: 1})
	rd, _ := r.Ready()
	r.Persisted(rd.Append.Seq)
	r.Step(ack(2, 2, 2))
	_, _ = r.Ready()
	r.log.entries = slices.Grow(r.log.entries, 10000)
	data := []byte("x")
	var err error
	if n := testing.AllocsPerRun(100, func() { err = r.Propose(data) }); n != 0 || err != nil {
		t.Errorf("Propose allocates %v times, %v", n, err)
	}
	tick := func() {
		r.Tick()
		r.role.(*leader).progress[0].quiet = 0
		r.role.(*leader).elapsed = 0
	}
	if n := testing.AllocsPerRun(100, tick); n != 0 {
		t.Errorf("Tick allocates %v times", n)
	}
	match := Index(2)
	_, _ = r.Ready()
	replies := make([]Message, 0, 200)
	for range 101 {
		match++
		replies = append(replies, ack(2, 2, match))
	}
	i := 0
	if n := testing.AllocsPerRun(100, func() { r.Step(replies[i]); i++ }); n != 0 {
		t.Errorf("an acknowledgement allocates %v times", n)
	}
	r.Persisted(r.disk.seq)
	if r.commitIndex != r.log.lastIndex() && r.commitIndex < match {
		t.Errorf("commits %d of %d", r.commitIndex, match)
	}
}
