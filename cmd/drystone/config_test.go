package main

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/pflag"
)

// Flags win over the environment, which wins over the file, which wins over the defaults.
func TestFillPrecedence(t *testing.T) {
	file := filepath.Join(t.TempDir(), "node.toml")
	text := "heartbeat = \"10ms\"\nelection = \"100ms\"\nlog_level = \"warn\"\n" +
		"segment-bytes = \"1MiB\"\nmax-sessions = 5\nunsafe-no-fsync = true\n"
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	var f serveFlags
	flags := pflag.NewFlagSet("serve", pflag.ContinueOnError)
	f.register(flags)
	if err := flags.Parse([]string{"--heartbeat", "30ms", "--config", file}); err != nil {
		t.Fatal(err)
	}
	from, strange, err := fill(flags, []string{
		"DRYSTONE_HEARTBEAT=20ms", "DRYSTONE_ELECTION=200ms", "DRYSTONE_PORT=", "HOME=/x",
		"DRYSTONE_ELECTON=1s", "DRYSTONE_ENDPOINTS=h:1",
	})
	if err != nil {
		t.Fatal(err)
	}
	if f.heartbeat != 30*time.Millisecond || f.election != 200*time.Millisecond ||
		f.logLevel != "warn" || f.segmentBytes != 1<<20 || f.maxSessions != 5 || !f.unsafeNoFsync ||
		f.port != defaultPort {
		t.Errorf("%+v", f)
	}
	want := sources{
		"heartbeat": fromFlag, "config": fromFlag, "election": fromEnvironment, "log-level": fromFile,
		"segment-bytes": fromFile, "max-sessions": fromFile, "unsafe-no-fsync": fromFile,
	}
	if diff := cmp.Diff(want, from); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"DRYSTONE_ELECTON"}, strange); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff("200ms", shown(flags, from)["election"]); diff != "" {
		t.Error(diff)
	}
}

// A lone node, the seed's own line, and a node that listens elsewhere than it advertises.
func TestPlanAddresses(t *testing.T) {
	for _, c := range []struct {
		args []string
		want servePlan
	}{
		{nil, servePlan{
			members: memberList{1: "127.0.0.1:12379"}, dir: "drystone-1",
			peerListen: "127.0.0.1:12379", httpListen: "127.0.0.1:12380",
			advertisePeer: "127.0.0.1:12379",
		}},
		{
			[]string{"--id", "2", "--cluster", "http://127.0.0.1:12379,http://127.0.0.1:22379",
				"--port", "22380"},
			servePlan{
				members: memberList{1: "127.0.0.1:12379", 2: "127.0.0.1:22379"}, dir: "drystone-2",
				peerListen: "127.0.0.1:22379", httpListen: "127.0.0.1:22380",
				advertisePeer: "127.0.0.1:22379",
			},
		},
		{
			[]string{"--cluster", "10.0.0.1:1", "--peer", ":7", "--http", "0.0.0.0:8", "--insecure-bind",
				"--advertise-http", "10.0.0.1:8", "--dir", "d"},
			servePlan{
				members: memberList{1: "10.0.0.1:1"}, dir: "d", peerListen: ":7", httpListen: "0.0.0.0:8",
				advertisePeer: "10.0.0.1:1", advertiseHTTP: "10.0.0.1:8",
			},
		},
	} {
		var f serveFlags
		flags := pflag.NewFlagSet("serve", pflag.ContinueOnError)
		f.register(flags)
		if err := flags.Parse(c.args); err != nil {
			t.Fatal(err)
		}
		from, _, err := fill(flags, nil)
		if err != nil {
			t.Fatal(err)
		}
		got, err := f.plan(from)
		if err != nil {
			t.Errorf("%v: %v", c.args, err)
			continue
		}
		if diff := cmp.Diff(c.want, *got, cmp.AllowUnexported(servePlan{})); diff != "" {
			t.Errorf("%v: %s", c.args, diff)
		}
	}
}
