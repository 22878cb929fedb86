package main

import (
	"strings"
	"testing"

	"drystone/rsm"
)

// told is a voter that answers.
func told(id uint64, role string, health rsm.Health, applied uint64, hash string) nodeView {
	return nodeView{ID: id, Answers: true, Voter: true, HTTP: "h", Status: &rsm.Status{
		NodeID: id, Role: role, Term: 4, Health: health, Reason: "its reason", Applied: applied,
		StateHash: hash, ClusterID: "c1",
	}}
}

func learner(id uint64, s *rsm.Status) nodeView {
	lag := uint64(7)
	return nodeView{ID: id, Learner: true, Lag: &lag, Status: s}
}

func silent(id uint64) nodeView { return nodeView{ID: id, Voter: true} }

func TestVerdict(t *testing.T) {
	leader := told(1, "leader", rsm.HealthOK, 9, "aa")
	follower := told(2, "follower", rsm.HealthOK, 8, "bb")
	stranger := told(3, "follower", rsm.HealthOK, 9, "aa")
	stranger.Status.ClusterID = "c2"
	for _, c := range []struct {
		name    string
		nodes   []nodeView
		verdict string
		words   string
	}{
		{"a learner", []nodeView{leader, follower, told(3, "follower", rsm.HealthOK, 9, "aa"),
			learner(4, &rsm.Status{NodeID: 4, Role: "learner", Health: rsm.HealthDegraded})}, "ok",
			"3 of 3 voters answer, and 1 of them may fail; node 4 is a learner, behind by 7"},
		{"a silent learner", []nodeView{leader, learner(4, nil)}, "ok",
			"node 4 is a learner, behind by 7, and silent"},
		{"one removed", []nodeView{leader, {ID: 5, Status: &rsm.Status{NodeID: 5,
			Health: rsm.HealthQuarantined, Reason: "node 5 was removed"}}}, "ok",
			"node 5 is no member: node 5 was removed"},
		{"one that asks to join", []nodeView{leader, {ID: 6, Status: &rsm.Status{NodeID: 6,
			Health: rsm.HealthBootstrapping, Reason: "this node asks to join"}}}, "ok",
			"node 6 is no member: this node asks to join"},
		{"whole", []nodeView{leader, follower, told(3, "follower", rsm.HealthOK, 9, "aa")}, "ok",
			"node 1 leads; 3 of 3 voters answer, and 1 of them may fail"},
		{"one away", []nodeView{leader, follower, silent(3)}, "degraded",
			"node 3 silent; 2 of 3 voters answer, and none of them may fail"},
		{"minority", []nodeView{leader, silent(2), silent(3)}, "no_leader",
			"1 of 3 voters answer and 2 are needed"},
		{"nobody leads", []nodeView{told(1, "candidate", rsm.HealthNoLeader, 9, "aa"), follower},
			"no_leader", "none leads: node 1 is no_leader: its reason"},
		{"forming", []nodeView{told(1, "follower", rsm.HealthBootstrapping, 0, ""), silent(2)},
			"bootstrapping", "node 1: its reason"},
		{"slow disk", []nodeView{leader, told(2, "follower", rsm.HealthDiskStalled, 8, "bb")},
			"degraded", "node 2 is disk_stalled: its reason"},
		{"another state", []nodeView{leader, told(2, "follower", rsm.HealthOK, 9, "bb")}, "diverged",
			"nodes 1 and 2 have both applied entry 9"},
		{"another cluster", []nodeView{leader, follower, stranger}, "diverged", "h is of c2"},
	} {
		o := &clusterView{Nodes: c.nodes}
		o.judge()
		if o.Verdict != c.verdict || !strings.Contains(o.Reason, c.words) {
			t.Errorf("%s: %s: %s; want %s with %q", c.name, o.Verdict, o.Reason, c.verdict, c.words)
		}
	}
}

// TestWhoIsAMember: the newest leader says it, not a node that was removed or was away.
func TestWhoIsAMember(t *testing.T) {
	leader := told(1, "leader", rsm.HealthOK, 9, "aa")
	leader.Voter, leader.Status.Members = false, []rsm.MemberStatus{
		{ID: 1, Voter: true}, {ID: 2, Voter: true, HTTP: "h2"}, {ID: 4},
	}
	removed := told(3, "follower", rsm.HealthQuarantined, 5, "bb")
	removed.Voter, removed.Status.Members = false, []rsm.MemberStatus{
		{ID: 1, Voter: true}, {ID: 2, Voter: true}, {ID: 3, Voter: true}, {ID: 9, Voter: true},
	}
	o := &clusterView{Nodes: []nodeView{removed, leader, {HTTP: "h2", Error: "no answer"}}}
	o.nameSilent()
	for _, n := range o.Nodes {
		voter, learner := n.ID <= 2, n.ID == 4
		if n.Voter != voter || n.Learner != learner || n.ID == 9 || n.ID == 0 {
			t.Errorf("node %d is a voter: %v, a learner: %v", n.ID, n.Voter, n.Learner)
		}
	}
	if len(o.Nodes) != 4 {
		t.Errorf("the nodes are %+v", o.Nodes)
	}
}
