package explore

import (
	"testing"

	"drystone/raft"
)

// What must be found, each planted between the core and its host. To ignore a property that tells
// of the fault at once shows that what follows from it is found as well.
var planted = []struct {
	name   string
	bounds Bounds
	faults faults
	ignore []string
	want   string
}{
	{
		name:   "a crash loses the vote",
		bounds: Bounds{Voters: 3, Elections: 2, Crashes: 1},
		faults: faults{crash: func(d *durable) { d.hard.VotedFor = 0 }},
		want:   OneVote,
	}, {
		name:   "a crash loses the vote: two leaders",
		bounds: Bounds{Voters: 3, Elections: 2, Crashes: 1},
		faults: faults{crash: func(d *durable) { d.hard.VotedFor = 0 }},
		ignore: []string{OneVote},
		want:   ElectionSafety,
	}, {
		name:   "a crash loses the term",
		bounds: Bounds{Voters: 3, Elections: 2, Crashes: 1},
		faults: faults{crash: func(d *durable) {
			if len(d.entries) == 0 {
				d.hard = raft.HardState{}
			}
		}},
		ignore: []string{OneVote, Monotony},
		want:   ElectionSafety,
	}, {
		name:   "votes do not wait for the disk",
		bounds: Bounds{Voters: 3, Elections: 2, Crashes: 1, Stalls: 1},
		faults: faults{release: true},
		want:   DurableFirst,
	}, {
		name:   "votes do not wait for the disk: two leaders",
		bounds: Bounds{Voters: 3, Elections: 2, Crashes: 1, Stalls: 1},
		faults: faults{release: true},
		ignore: []string{DurableFirst, OneVote, CommittedOnQuorum, Assertion},
		want:   ElectionSafety,
	}, {
		name:   "acknowledgements do not wait for the disk",
		bounds: Bounds{Voters: 2, Elections: 1, Entries: 1, Stalls: 1},
		faults: faults{release: true},
		ignore: []string{DurableFirst},
		want:   CommittedOnQuorum,
	}, {
		name:   "a sole voter counts its entry before it is written",
		bounds: Bounds{Voters: 1, Elections: 1, Entries: 1, Stalls: 1},
		faults: faults{report: true},
		ignore: []string{DurableFirst},
		want:   CommittedOnQuorum,
	}, {
		name:   "a crash loses an entry that was acknowledged",
		bounds: Bounds{Voters: 3, Elections: 2, Crashes: 1},
		faults: faults{crash: func(d *durable) { d.entries = d.entries[:max(0, len(d.entries)-1)] }},
		ignore: []string{CommittedOnQuorum, Assertion},
		want:   LeaderCompleteness,
	}, {
		name:   "one vote counts for two",
		bounds: Bounds{Voters: 4, Elections: 2},
		faults: faults{send: func(_ *durable, m raft.Message) []raft.Message {
			twin := m
			twin.From = m.From%4 + 1
			if v, ok := m.Body.(raft.VoteReply); ok && v.Granted && twin.From != m.To {
				return []raft.Message{m, twin}
			}
			return []raft.Message{m}
		}},
		want: ElectionSafety,
	}, {
		name:   "votes go to any log",
		bounds: Bounds{Voters: 3, Elections: 2},
		faults: faults{receive: func(_ *node, m raft.Message) raft.Message {
			if v, ok := m.Body.(raft.RequestVote); ok {
				v.LastLogIndex, v.LastLogTerm = 99, 99
				m.Body = v
			}
			return m
		}},
		want: LeaderCompleteness,
	}, {
		name:   "a refusal is taken for an acknowledgement",
		bounds: Bounds{Voters: 3, Elections: 2, Entries: 1},
		faults: faults{receive: func(_ *node, m raft.Message) raft.Message {
			if a, ok := m.Body.(raft.AppendReply); ok && !a.Success {
				m.Body = raft.AppendReply{Success: true, MatchIndex: a.PrevLogIndex + 1}
			}
			return m
		}},
		want: CommittedOnQuorum,
	}, {
		name:   "a crash loses the snapshot",
		bounds: Bounds{Voters: 1, Elections: 1, Entries: 1, Crashes: 1, Snapshots: 1},
		faults: faults{crash: func(d *durable) {
			d.snap.LastIncludedIndex, d.snap.LastIncludedTerm = 0, 0
		}},
		want: Assertion,
	}, {
		name:   "a new voter's log is taken for complete",
		bounds: Bounds{Voters: 2, Others: 1, Elections: 2, Adds: 1},
		faults: faults{receive: func(n *node, m raft.Message) raft.Message {
			if a, ok := m.Body.(raft.AppendEntries); ok && n.log.last() == 0 {
				a.PrevLogIndex, a.PrevLogTerm, a.Entries = 0, 0, nil
				m.Body = a
			}
			return m
		}, send: func(d *durable, m raft.Message) []raft.Message {
			if a, ok := m.Body.(raft.AppendReply); ok && a.Success && a.MatchIndex == 0 {
				a.MatchIndex = 2
				m.Body = a
			}
			return []raft.Message{m}
		}},
		ignore: []string{DurableFirst},
		want:   CommittedOnQuorum,
	},
}

func TestPlantedFaultsAreFound(t *testing.T) {
	for _, p := range planted {
		t.Run(p.name, func(t *testing.T) {
			r := Search(p.bounds, Options{faults: p.faults, Ignore: p.ignore, MaxWorlds: 300_000})
			if r.Violation == nil {
				t.Fatalf("nothing is found: %v", r)
			}
			t.Logf("%d worlds, %d actions: %v", r.Worlds, len(r.Path), r.Violation)
			if r.Violation.Property != p.want {
				t.Errorf("%v, and not %s\n%s", r.Violation, p.want, r.Report())
			}
			if len(r.Path) != r.Depth {
				t.Errorf("a path of %d actions at depth %d", len(r.Path), r.Depth)
			}
			// Without the fault nothing is wrong.
			r = Search(p.bounds, Options{MaxWorlds: r.Worlds})
			if r.Violation != nil {
				t.Errorf("also without the fault: %v\n%s", r, r.Report())
			}
		})
	}
}
