package httpapi

import (
	"testing"

	"drystone/rsm"
)

func adminRefuses(code rsm.Code, detail string) func(*local) {
	return func(s *local) {
		s.Admin = rsm.AdminReply{Code: code, Detail: detail, Outcome: rsm.NotApplied}
	}
}

func asking(method, path, body string) func(*front) answer {
	return func(f *front) answer {
		if body == "" {
			return f.call(method, path, nil)
		}
		return f.json(method, path, body)
	}
}

var memberScenes = []scene{
	{"no_such_member", adminRefuses(rsm.CodeNoSuchMember, "node 9 is no member"),
		asking("DELETE", "/v1/members/9", "")},
	{"member_exists", adminRefuses(rsm.CodeMemberExists, "node 2 is a member"),
		asking("POST", "/v1/members", `{"id":2,"peer":"127.0.0.1:22379"}`)},
	{"number_used", adminRefuses(rsm.CodeNumberUsed, "node 4 was removed, and numbers are never "+
		"used again: choose another"), asking("POST", "/v1/members", `{"id":4}`)},
	{"member_unreachable", adminRefuses(rsm.CodeMemberUnreachable, "node 1, which leads, gets no "+
		"connection to node 6 at 127.0.0.1:1"),
		asking("POST", "/v1/members", `{"id":6,"peer":"127.0.0.1:1"}`)},
	{"learner_behind", adminRefuses(rsm.CodeLearnerBehind, "node 4 has not caught up with the log"),
		asking("POST", "/v1/members/4/promote", "")},
	{"unsafe_change", adminRefuses(rsm.CodeUnsafeChange, "without node 2 there are 2 voters, of "+
		"which 1 answer and 2 are needed"), asking("DELETE", "/v1/members/2", "")},
	{"not_a_voter", adminRefuses(rsm.CodeNotVoter, "node 4 is no voter of this cluster"),
		asking("POST", "/v1/leader/transfer", `{"to":4}`)},
	{"transfer_failed", adminRefuses(rsm.CodeTransferFailed, "node 2 did not take over"),
		asking("POST", "/v1/leader/transfer", `{"to":2}`)},
	{"outcome_unknown_member", func(s *local) {
		s.Admin = rsm.AdminReply{Code: rsm.CodeOutcomeUnknown, Outcome: rsm.Unknown,
			Detail: "the change was begun, and a majority has not confirmed it yet"}
	}, asking("POST", "/v1/members/2/replace", "")},
	{"bad_name_member", fine, asking("DELETE", "/v1/members/two", "")},
	{"bad_request_member", fine, asking("POST", "/v1/members", `{"peer":"127.0.0.1:1"}`)},
}

// TestMembers: each route asks for what it says, and answers with the members.
func TestMembers(t *testing.T) {
	f := newFront(t)
	f.service.With(func(s *local) {
		s.Admin = rsm.AdminReply{Outcome: rsm.Applied, Index: 7, Term: 3, Leader: 1,
			Members: []rsm.MemberStatus{{ID: 1, Peer: "p:1", Voter: true}}, Removed: []uint64{4}}
	})
	for _, c := range []struct {
		method, path, body string
		want               rsm.AdminRequest
	}{
		{"GET", "/v1/members", "", rsm.AdminRequest{Op: rsm.AdminList}},
		{"GET", "/v1/members?consistency=stale", "", rsm.AdminRequest{Op: rsm.AdminList, Stale: true}},
		{"POST", "/v1/members", `{"id":4,"peer":"http://h:1/"}`,
			rsm.AdminRequest{Op: rsm.AdminAdd, Node: 4, Peer: "h:1"}},
		{"POST", "/v1/members/4/promote", "", rsm.AdminRequest{Op: rsm.AdminPromote, Node: 4}},
		{"POST", "/v1/members/4/replace", "", rsm.AdminRequest{Op: rsm.AdminReplace, Node: 4}},
		{"DELETE", "/v1/members/4", "", rsm.AdminRequest{Op: rsm.AdminRemove, Node: 4}},
		{"POST", "/v1/leader/transfer", `{"to":2}`,
			rsm.AdminRequest{Op: rsm.AdminTransfer, Node: 2}},
		{"POST", "/v1/leader/transfer", "", rsm.AdminRequest{Op: rsm.AdminTransfer}},
	} {
		got := asking(c.method, c.path, c.body)(f)
		got.want(t, 200, `{"members":[{"id":1,"peer":"p:1","http":"","resp":"","voter":true,`+
			`"match":null,"lag":null,"contact_ms":null}],"leader_id":1,"joint":false,"invited":[],`+
			`"removed":[4],"index":7}`+"\n")
		f.service.With(func(s *local) {
			if last := s.Admins[len(s.Admins)-1]; last != c.want {
				t.Errorf("%s %s asks for %+v", c.method, c.path, last)
			}
		})
	}
}
