package httpapi

import (
	"net/http"

	"drystone/rsm"
)

// follows is a follower of node 3, which was paused: it has not been heard for a while.
func follows(s *local) {
	s.View.NodeID, s.View.LeaderID, s.View.Role = 2, 3, "follower"
	s.View.Members = contact(9_000, -1, 9_000)
}

// minority is a node that hears nobody, while the others may go on.
func minority(s *local) {
	leaderless(contact(-1, 9_000, 9_000))(s)
	s.View.Role = "pre_candidate"
}

func with(days ...func(*local)) func(*local) {
	return func(s *local) {
		for _, d := range days {
			d(s)
		}
	}
}

func losing(s *local) { s.Lose = true }

func quarantinedFor(reason string) func(*local) {
	return func(s *local) {
		s.Refuse = rsm.CodeQuarantined
		s.View.NodeID, s.View.Health, s.View.Reason = 3, rsm.HealthQuarantined, reason
	}
}

const keyed = "Idempotency-Key"

func (f *front) create(name string) { f.call(http.MethodPut, "/v1/stacks/"+name, nil) }

// clusterScenes are scenes of what a cluster goes through, and of requests that are repeated.
var clusterScenes = []scene{
	{"minority_push", minority, pushing(keyed, "k1")},
	{"minority_read", minority, get("/v1/stacks/jobs/top")},
	{"minority_readyz", minority, get("/readyz")},
	{"minority_livez", minority, get("/livez")},
	{"minority_old_call", minority, curling("/sTop", "1")},
	{"paused_leader_keyed", with(follows, losing), pushing(keyed, "k1")},
	{"paused_leader_unkeyed", with(follows, losing), pushing()},
	{"paused_leader_read", with(follows, refusing(rsm.CodeNoLeader)), get("/v1/stacks/jobs/top")},
	{"just_elected_status_waits", func(s *local) { s.View.Commit = 7 },
		get("/v1/status?applied=7", "Drystone-Timeout", "20ms")},
	{"just_elected_far_behind", func(s *local) { s.View.Commit = 90_000 }, get("/readyz")},
	{"draining_readyz", func(s *local) {}, func(f *front) answer {
		f.api.Drain()
		return f.call("GET", "/readyz", nil)
	}},
	{"bootstrapping_readyz", func(s *local) {
		s.View.Health = rsm.HealthBootstrapping
		s.View.Reason = "the first start waits for node 2, node 3: a new cluster begins once every " +
			"node of --cluster has met every other"
	}, get("/readyz")},
	{"wiped", quarantinedFor("this node does not take part: node 3 is known to the cluster with " +
		"another data directory; if that one is lost, `drystone member replace 3`"), pushing()},
	{"removed", quarantinedFor("node 3 was removed from the cluster"), get("/v1/stacks/jobs")},
	{"removed_while_writing", with(quarantinedFor("node 3 was removed from the cluster"),
		func(s *local) { s.Refuse, s.Lose = "", true }), pushing(keyed, "k1")},
	{"needs_upgrade", func(s *local) {
		s.View.Health = rsm.HealthNeedsUpgrade
		s.View.Reason = "the node has stopped: entry 7 needs a later version"
	}, get("/readyz")},
	{"disk_full", func(s *local) {
		s.Lose = true
		s.View.Health = rsm.HealthDiskFull
		s.View.Reason = "no space is left for the log in d: this node acknowledges nothing until " +
			"there is"
	}, pushing(keyed, "k1")},
	{"disk_stalled", func(s *local) {
		s.Refuse, s.View.LeaderID = rsm.CodeNoLeader, 0
		s.View.Health, s.View.Reason = rsm.HealthDiskStalled, "a write to d has not finished for 3s"
	}, pushing()},
	{"overload_read", refusing(rsm.CodeOverload), get("/v1/stacks/jobs")},
	{"overload_old_call", refusing(rsm.CodeOverload), curling("/sPush", "1,10")},
	{"stale_read", minority, func(f *front) answer {
		f.service.With(func(s *local) { s.Refuse = "" })
		f.create("jobs")
		return f.call("GET", "/v1/stacks/jobs/size?consistency=stale", nil)
	}},

	{"settled_by_a_repeat", losing, func(f *front) answer {
		pushing(keyed, "k1")(f)
		f.service.With(func(s *local) { s.Lose = false })
		return pushing(keyed, `"k1"`)(f)
	}},
	{"replayed", fine, func(f *front) answer {
		pushing(keyed, "k1")(f)
		return pushing(keyed, "k1")(f)
	}},
	{"replayed_missing", fine, func(f *front) answer {
		pop := func() answer { return f.call("POST", "/v1/stacks/jobs/pop", nil, keyed, "k1") }
		pop()
		f.create("jobs")
		return pop()
	}},
	{"replayed_old_call", fine, func(f *front) answer {
		f.curl("/sCreate", "1")
		f.curl("/sPush", "1,10", keyed, "k1")
		return f.curl("/sPush", "1,10", keyed, "k1")
	}},
	{"replayed_after_the_retention", fine, func(f *front) answer {
		pushing(keyed, "k1")(f)
		f.service.With(func(s *local) { s.LogTime += 600_001 })
		return pushing(keyed, "k1")(f)
	}},

	{"empty_stack", fine, func(f *front) answer {
		f.create("jobs")
		f.call("POST", "/v1/stacks/jobs/pop", nil)
		return f.call("GET", "/v1/stacks/jobs/top", nil)
	}},
	{"empty_stack_bytes", fine, func(f *front) answer {
		f.create("jobs")
		return f.call("POST", "/v1/stacks/jobs/pop", nil, "Accept", "application/octet-stream")
	}},
	{"empty_stack_old_call", fine, func(f *front) answer {
		f.curl("/sCreate", "1")
		return f.curl("/sPop", "1")
	}},
	{"push_must_exist", fine, func(f *front) answer {
		return f.curl("/v1/stacks/jobs/push?create=false", "10")
	}},
	{"delete_missing", fine, asking("DELETE", "/v1/stacks/jobs", "")},
	{"wrong_type_read", func(s *local) { s.Reply = wrongType }, get("/v1/stacks/jobs/top")},
	{"bad_name_empty", fine, get("/v1/stacks//top")},
	{"not_found_slash", fine, asking("POST", "/v1/stacks/a/b/push", "")},
	{"unknown_error_code", fine, get("/errors/nonsense")},
	{"broken_body", fine, func(f *front) answer {
		return f.raw("POST /v1/stacks/jobs/push HTTP/1.1\r\nHost: localhost\r\n" +
			"Transfer-Encoding: chunked\r\n\r\nzz\r\n")
	}},
	{"patch", fine, asking("PATCH", "/v1/stacks/jobs", "")},
	{"member_no_leader", with(minority, adminRefuses(rsm.CodeNoLeader, "no leader answered in time")),
		asking("DELETE", "/v1/members/2", "")},
	{"member_last_voter", adminRefuses(rsm.CodeUnsafeChange, "node 1 is the last voter: without it "+
		"there is no cluster"), asking("DELETE", "/v1/members/1", "")},
	{"member_earlier_change", adminRefuses(rsm.CodeNoLeader, "an earlier change of the membership is "+
		"not complete"), asking("POST", "/v1/members/4/promote", "")},
}
