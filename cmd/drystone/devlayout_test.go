package main

import "testing"

// The seed's ports, and what the contract says of more nodes.
func TestDevSites(t *testing.T) {
	for _, c := range []struct {
		nodes, base    int
		lastPeer, http string
	}{
		{3, 12379, "127.0.0.1:32379", "127.0.0.1:32380"},
		{5, 12379, "127.0.0.1:52379", "127.0.0.1:52380"},
		{6, 12379, "127.0.0.1:12429", "127.0.0.1:12430"},
		{3, 60000, "127.0.0.1:60020", "127.0.0.1:60021"},
		{1, 65533, "127.0.0.1:65533", "127.0.0.1:65534"},
	} {
		sites, err := devSites("d", c.nodes, c.base)
		if err != nil || len(sites) != c.nodes {
			t.Fatalf("%+v: %v, %v", c, sites, err)
		}
		last := sites[c.nodes-1]
		if last.ID != uint64(c.nodes) || last.Peer != c.lastPeer || last.HTTP != c.http {
			t.Errorf("%+v: %+v", c, last)
		}
	}
	for _, c := range [][2]int{{0, 12379}, {3, 0}, {2, 65530}, {10_000, 12379}} {
		if sites, err := devSites("d", c[0], c[1]); err == nil {
			t.Errorf("%v: %v", c, sites)
		}
	}
}

func TestPlanDevResumes(t *testing.T) {
	old, err := planDev("d", 5, 20000, nil)
	if err != nil {
		t.Fatal(err)
	}
	again, err := planDev("d", 0, 0, old)
	if err != nil || len(again.Nodes) != 5 || again.Base != 20000 {
		t.Errorf("resumed as %+v (%v)", again, err)
	}
	moved, err := planDev("d", 5, 30, old)
	if err != nil || moved.Nodes[0].Peer != "127.0.0.1:30" || moved.Nodes[4].Dir != old.Nodes[4].Dir {
		t.Errorf("moved to %+v (%v)", moved, err)
	}
	if p, err := planDev("d", 3, 0, old); err == nil {
		t.Errorf("five nodes became %+v", p)
	}
}

func TestLogLine(t *testing.T) {
	for line, want := range map[string]struct {
		text           string
		worth, leveled bool
	}{
		"2026-01-02 03:04:05.678 INF listening\n": {"INF listening", false, true},
		"2026-01-02 03:04:05.678 WRN slow disk\n": {"WRN slow disk", true, true},
		"2026-01-02 03:04:05.678 ERR it ends\n":   {"ERR it ends", true, true},
		`{"level":"INFO","msg":"WARN"}`:           {`{"level":"INFO","msg":"WARN"}`, false, true},
		`{"level":"WARN","msg":"slow"}`:           {`{"level":"WARN","msg":"slow"}`, true, true},
		"panic: entry 7\n":                        {"panic: entry 7", true, false},
		"\n":                                      {"", false, false},
		"drystone: port 1 is in use\n":            {"drystone: port 1 is in use", true, false},
	} {
		text, worth, leveled := logLine(line)
		if text != want.text || worth != want.worth || leveled != want.leveled {
			t.Errorf("%q: %q, %v, %v", line, text, worth, leveled)
		}
	}
}

// TestChooseEngine: a cluster keeps the engine it began with.
func TestChooseEngine(t *testing.T) {
	site := []devSite{{ID: 1}}
	for _, c := range []struct {
		asked string
		old   *devRecord
		want  string // "": refused
	}{
		{"", nil, "native"}, {"etcd", nil, "etcd"},
		{"", &devRecord{Engine: "etcd", Nodes: site}, "etcd"},
		{"etcd", &devRecord{Engine: "etcd", Nodes: site}, "etcd"},
		{"native", &devRecord{Engine: "etcd", Nodes: site}, ""},
		{"etcd", &devRecord{Nodes: site}, ""}, // written before there were two
		{"", &devRecord{Nodes: site}, "native"},
	} {
		r := &devRecord{}
		err := r.chooseEngine("d", c.asked, c.old)
		if (err == nil) != (c.want != "") || err == nil && r.Engine != c.want {
			t.Errorf("asked for %q after %+v: %q, %v", c.asked, c.old, r.Engine, err)
		}
	}
}
