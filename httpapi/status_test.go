package httpapi

import (
	"encoding/json"
	"testing"

	"drystone/rsm"
)

// The status has every field of the contract, also on a node that knows nothing yet.
func TestStatus(t *testing.T) {
	f := newFront(t)
	check := func(a answer) map[string]any {
		t.Helper()
		var s map[string]any
		if err := json.Unmarshal([]byte(a.body), &s); err != nil || a.status != 200 {
			t.Fatalf("%d %s: %v", a.status, a.body, err)
		}
		for _, field := range []string{
			"version", "engine", "cluster_id", "node_id", "incarnation", "role", "term", "leader_id",
			"commit", "applied", "op", "durable", "first_index", "last_index", "snapshot_index",
			"log_time_ms", "state_hash", "wal_bytes", "sessions", "requests", "members", "joint",
			"settings", "health", "reason", "flags", "uptime_ms",
		} {
			if v, ok := s[field]; !ok || v == nil {
				t.Errorf("%s is %v", field, v)
			}
		}
		return s
	}
	a := f.call("GET", "/v1/status", nil)
	if s := check(a); s["applied"] != 1.0 || s["node_id"] != 1.0 || len(s["members"].([]any)) != 3 {
		t.Errorf("status %v", s)
	}
	if a.header.Get("Drystone-Index") != "1" || a.header.Get("Drystone-Term") != "3" {
		t.Errorf("headers %v", a.header)
	}
	f.service.With(func(s *local) { s.View = rsm.Status{} })
	if s := check(f.call("GET", "/v1/status", nil)); s["version"] != "test" {
		t.Errorf("version %v", s["version"])
	}
}

func TestStatusWaits(t *testing.T) {
	f := newFront(t)
	got := make(chan answer)
	go func() { got <- f.call("GET", "/v1/status?applied=3", nil) }()
	for range 2 {
		f.curl("/v1/stacks/a/push", "1")
	}
	if a := <-got; a.status != 200 || a.header.Get("Drystone-Index") != "3" {
		t.Errorf("%d %v", a.status, a.header)
	}
	f.call("GET", "/v1/status?applied=3", nil, "Drystone-Timeout", "20ms")
	f.call("GET", "/v1/status?applied=4", nil, "Drystone-Timeout", "20ms").
		wantProblem(t, 503, "behind", "not_applied")
}

func TestHealth(t *testing.T) {
	f := newFront(t)
	for _, c := range []struct {
		name string
		day  func(*local)
		code string // "": ready
	}{
		{"ok", fine, ""},
		{"degraded", func(s *local) { s.View.Health = rsm.HealthDegraded }, ""},
		{"a little behind", func(s *local) { s.View.Commit = 900 }, ""},
		{"far behind", func(s *local) { s.View.Commit = 90_000 }, "behind"},
		{"no leader", func(s *local) { s.View.LeaderID = 0 }, "no_leader"},
		{"bootstrapping", func(s *local) { s.View.Health = rsm.HealthBootstrapping }, "bootstrapping"},
		{"quarantined", func(s *local) { s.View.Health = rsm.HealthQuarantined }, "quarantined"},
		{"needs upgrade", func(s *local) { s.View.Health = rsm.HealthNeedsUpgrade }, "quarantined"},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := newFront(t)
			f.service.With(c.day)
			f.call("GET", "/livez", nil).want(t, 200, "ok\n")
			if a := f.call("GET", "/readyz?verbose", nil); c.code == "" {
				a.want(t, 200, "ok\n")
			} else {
				a.wantProblem(t, 503, c.code, "not_applied")
			}
		})
	}
	f.api.Drain()
	f.call("GET", "/readyz", nil).wantProblem(t, 503, "draining", "not_applied")
	f.call("GET", "/livez", nil).want(t, 200, "ok\n")
	f.curl("/v1/stacks/a/push", "1").want(t, 200, "{\"size\":1,\"index\":2}\n") // what comes is served
}
