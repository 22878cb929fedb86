package main

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/pflag"
)

// FuzzMembers: a list that is taken prints as one that reads the same, its addresses are such, and
// no two nodes share one.
func FuzzMembers(f *testing.F) {
	for _, text := range []string{
		"http://127.0.0.1:12379,b:2", "3=a:1,1=http://b:2/", "[::1]:1", "1=a:1,1=b:1", "a:1,a:1",
		"18446744073709551616=a:1", "a:65536", ":1", "1=h=1:2", "http:// :0",
		strings.Repeat("h", 299) + ":1",
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		list, err := parseMembers(text)
		if err != nil {
			return
		}
		again, err := parseMembers(list.String())
		if err != nil || !cmp.Equal(list, again) {
			t.Errorf("%q prints as %q, which reads as %v, %v", text, list, again, err)
		}
		if n := strings.Count(text, ",") + 1; len(list) != n && strings.TrimSpace(text) != "" {
			t.Errorf("%q has %d nodes, and %d are read", text, n, len(list))
		}
		seen := map[string]bool{}
		for id, address := range list {
			if _, err := checkAddress(address); err != nil || id == 0 || seen[address] {
				t.Errorf("node %d is at %q: %v", id, address, err)
			}
			seen[address] = true
		}
	})
}

// FuzzSize: what is taken is not negative, and prints as what reads the same.
func FuzzSize(f *testing.F) {
	for _, s := range []string{"0", " 64 MiB ", "1kB", "9223372036854775807", "8388608TiB", "-1",
		"1e3", "0x10", "1_000", "B"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		var s, again byteSize
		if s.Set(text) != nil {
			return
		}
		if err := again.Set(s.String()); err != nil || again != s || s < 0 {
			t.Errorf("%q is %d, prints as %q and reads as %d: %v", text, s, s.String(), again, err)
		}
	})
}

// serving reads the settings of a node and checks them.
func serving(config string, environ []string) (*serveFlags, *servePlan, map[string]string, error) {
	f := &serveFlags{}
	flags := pflag.NewFlagSet("serve", pflag.ContinueOnError)
	f.register(flags)
	f.config = config
	from, _, err := fill(flags, environ)
	if err != nil {
		return f, nil, nil, err
	}
	f.insecureBind = true // names are looked up otherwise
	p, err := f.plan(from)
	f.config = ""
	return f, p, shown(flags, from), err
}

// FuzzConfig reads any file of settings. It is refused in words, with the status of a misuse, or
// leads to a plan; and what the status shows of the settings leads to the same one, given by the
// environment.
func FuzzConfig(f *testing.F) {
	for _, text := range []string{
		"id = 2\ncluster = [\"h:1\", \"h:2\"]\nmax_value_bytes = \"1MiB\"\nheartbeat = \"10ms\"\n",
		"[serve]\nid = 1", "id = 1\nid = 2", "id = 1.5", "join = true\ncluster = \"h:1\"", "id = -1",
		"config = \"x\"", "help = true", "port = 65536", "http = \"[::1]:1\"\nport = 1", "\xff = 1",
		"session-ttl = \"1e9h\"\nsnapshot_bytes = 9223372036854775807",
	} {
		f.Add(text)
	}
	file := filepath.Join(f.TempDir(), "node.toml")
	f.Fuzz(func(t *testing.T, text string) {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		flags, p, given, err := serving(file, nil)
		if err != nil {
			var bad *failure
			if !errors.As(err, &bad) || bad.status != exitUsage || bad.text == "" {
				t.Errorf("refused with %#v", err)
			}
			return
		}
		for _, address := range []string{p.peerListen, p.httpListen, p.advertisePeer} {
			if _, err := checkAddress(address); err != nil {
				t.Errorf("%q is taken for an address: %v", address, err)
			}
		}
		var environ []string
		for name, value := range given {
			if value == "" || strings.Contains(value, "\x00") {
				return // a variable cannot say so
			}
			environ = append(environ, envName(name)+"="+value)
		}
		again, q, _, err := serving("", environ)
		if err != nil || !reflect.DeepEqual(p, q) || *flags != *again {
			t.Errorf("%q: %+v %+v, and of %q: %+v %+v %v", text, flags, p, environ, again, q, err)
		}
	})
}

// FuzzDevRecord reads what an earlier run may have left: it is refused in words, or written as what
// reads the same.
func FuzzDevRecord(f *testing.F) {
	for _, text := range []string{
		`{"pid":1,"base_port":12379,"engine":"native","nodes":[{"id":1,"peer":"h:1"}]}`, `{`, `null`,
		`{"pid":-1,"nodes":[{}]}`, `{"base_port":1e99}`, `[]`,
	} {
		f.Add(text)
	}
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, text string) {
		err := os.WriteFile(filepath.Join(dir, devRecordName), []byte(text), 0o600)
		if err != nil {
			t.Fatal(err)
		}
		r, err := readDevRecord(dir)
		if err != nil {
			var bad *failure
			if !errors.As(err, &bad) || bad.text == "" || bad.next == "" {
				t.Errorf("refused with %#v", err)
			}
			return
		}
		if err := r.write(dir); err != nil {
			t.Fatal(err)
		}
		again, err := readDevRecord(dir)
		a, _ := json.Marshal(r)
		b, _ := json.Marshal(again)
		if err != nil || string(a) != string(b) {
			t.Errorf("%s becomes %s, %v", a, b, err)
		}
		if plan, err := planDev(dir, 0, 0, r); err == nil && len(plan.Nodes) == 0 {
			t.Errorf("%s leads to no nodes", a)
		}
	})
}
