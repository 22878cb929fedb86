package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"drystone/httpapi"
	"drystone/httpapi/httpapitest"
	"drystone/internal/proc"
	"drystone/rsm"
)

var update = flag.Bool("update", false, "write golden files anew")

// cliScene is what a user of the command line meets on a bad day: the commands, and all that each
// of them says, are in a golden file of its name.
type cliScene struct {
	name     string
	day      func(*httpapitest.Service) // nil: fine
	commands []string                   // words, by space
}

// clusterScenes are played before one node, which is in the state that it is to be in.
var clusterScenes = []cliScene{
	{"no_quorum", away, []string{"push jobs 1", "--json push jobs 1"}},
	{"no_quorum_read", away, []string{"top jobs", "--json size jobs"}},
	{"no_quorum_status", away, []string{"status"}},
	{"no_quorum_members", func(s *httpapitest.Service) {
		away(s)
		s.Admin = rsm.AdminReply{Code: rsm.CodeNoLeader, Outcome: rsm.NotApplied,
			Detail: "no leader answered in time"}
	}, []string{"member remove 2", "leader transfer"}},
	{"just_elected", func(s *httpapitest.Service) {
		away(s)
		s.View.Members = httpapitest.Contact(-1, 20, 20)
	}, []string{"pop jobs"}},
	{"paused_leader", func(s *httpapitest.Service) {
		s.Refuse, s.View.NodeID, s.View.LeaderID = rsm.CodeNoLeader, 2, 3
		s.View.Members = httpapitest.Contact(9_000, -1, 9_000)
	}, []string{"top jobs"}},
	{"unknown", func(s *httpapitest.Service) { s.Lose = true },
		[]string{"--key k1 push jobs 1", "--key k1 --json push jobs 1", "push jobs two\u00a0words"}},
	{"unknown_member", func(s *httpapitest.Service) {
		s.Admin = rsm.AdminReply{Code: rsm.CodeOutcomeUnknown, Outcome: rsm.Unknown,
			Detail: "the change was begun, and a majority has not confirmed it yet"}
	}, []string{"member remove 2"}},
	{"replayed", nil, []string{"--key k1 push jobs 1", "--key k1 push jobs 1",
		"--key k1 --json push jobs 1", "size jobs"}},
	{"request", nil, []string{"--key k1 push jobs 1", "request k1", "--json request k1",
		"request k2", "request --fence k2", "--json request k2", "--key k2 push jobs 2",
		"request --forget k1", "request k1", "--key 1.2.3 pop jobs", "request \"1.2.3\""}},
	{"request_unknown", func(s *httpapitest.Service) { s.Lose = true },
		[]string{"request --fence k1", "--key 1.2.3 push jobs 1"}},
	{"key_reused", nil, []string{"--key k1 push jobs 1", "--key k1 push jobs 2",
		"--key k1 --json push jobs 2"}},
	{"deadline_passed", refusing(rsm.CodeExpired), []string{"push jobs 1"}},
	{"table_full", refusing(rsm.CodeTableFull), []string{"push jobs 1"}},
	{"overload", refusing(rsm.CodeOverload), []string{"push jobs 1", "top jobs"}},
	{"draining", refusing(rsm.CodeDraining), []string{"push jobs 1"}},
	{"bootstrapping", func(s *httpapitest.Service) {
		s.Refuse, s.View.Health = rsm.CodeBootstrapping, rsm.HealthBootstrapping
		s.View.Reason = "the first start waits for node 2, node 3"
	}, []string{"push jobs 1"}},
	{"wiped", func(s *httpapitest.Service) {
		s.Refuse, s.View.Health = rsm.CodeQuarantined, rsm.HealthQuarantined
		s.View.Reason = "node 1 comes with another data directory; if the old one is lost, run " +
			"`drystone member replace 1`"
	}, []string{"push jobs 1", "top jobs"}},
	{"disk_full", func(s *httpapitest.Service) {
		s.Lose, s.View.Health = true, rsm.HealthDiskFull
		s.View.Reason = "no space is left for the log in d: this node acknowledges nothing until " +
			"there is"
	}, []string{"--key k1 push jobs 1"}},
	{"too_large", nil, []string{"push jobs 12345678901"}},
	{"bad_name", nil, []string{"top \xff", "stack create " + strings.Repeat("n", 513)}},
	{"empty", nil, []string{"stack create jobs", "pop jobs", "--json pop jobs", "top jobs",
		"size jobs"}},
	{"missing", nil, []string{"pop jobs", "--json pop jobs", "top jobs", "size jobs",
		"push --must-exist jobs 1", "stack delete jobs", "stack items jobs"}},
	{"deleted", nil, []string{"stack create jobs", "--key k1 stack delete jobs",
		"--key k1 stack delete jobs", "stack delete jobs"}},
	{"member_exists", admin(rsm.CodeMemberExists, "node 2 is a member"),
		[]string{"member add 2 127.0.0.1:22379"}},
	{"number_used", admin(rsm.CodeNumberUsed, "node 4 was removed, and numbers are never used "+
		"again: choose another"), []string{"member add 4 127.0.0.1:42379"}},
	{"member_unreachable", admin(rsm.CodeMemberUnreachable, "node 1, which leads, gets no "+
		"connection to node 6 at 127.0.0.1:1"), []string{"member add 6 127.0.0.1:1"}},
	{"learner_behind", admin(rsm.CodeLearnerBehind, "node 4 has not caught up with the log"),
		[]string{"member promote 4"}},
	{"unsafe_change", admin(rsm.CodeUnsafeChange, "without node 2 there are 2 voters, of which 1 "+
		"answer and 2 are needed"), []string{"member remove 2", "--json member remove 2"}},
	{"no_such_member", admin(rsm.CodeNoSuchMember, "node 9 is no member"),
		[]string{"member remove 9", "member replace 9"}},
	{"not_a_voter", admin(rsm.CodeNotVoter, "node 4 is no voter of this cluster"),
		[]string{"leader transfer 4"}},
	{"transfer_failed", admin(rsm.CodeTransferFailed, "node 2 did not take over within an "+
		"election timeout"), []string{"leader transfer 2"}},
	{"misused", nil, []string{"push", "push jobs -1", "pop jobs --count 0", "member remove two",
		"--key \u00a0 push jobs 1", "--timeout 2m top jobs", "psuh jobs 1", "explain nonsense"}},
}

func away(s *httpapitest.Service) {
	s.Refuse, s.View.LeaderID, s.View.Role = rsm.CodeNoLeader, 0, "pre_candidate"
	s.View.Health, s.View.Reason = rsm.HealthNoLeader, "no leader: this node reaches 1 of 3 voters, "+
		"itself included, and 2 are needed"
	s.View.Members = httpapitest.Contact(-1, 9_000, 9_000)
}

func refusing(code rsm.Code) func(*httpapitest.Service) {
	return func(s *httpapitest.Service) { s.Refuse = code }
}

func admin(code rsm.Code, detail string) func(*httpapitest.Service) {
	return func(s *httpapitest.Service) {
		s.Admin = rsm.AdminReply{Code: code, Detail: detail, Outcome: rsm.NotApplied}
	}
}

// TestScenes plays them against one node.
func TestScenes(t *testing.T) {
	for _, s := range clusterScenes {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			service := httpapitest.New()
			server := httptest.NewServer(httpapi.New(service, httpapi.Config{Version: "test"}))
			defer server.Close()
			address := server.Listener.Addr().String()
			settings := rsm.DefaultSettings()
			settings.MaxValueBytes = 10 // so that too much goes onto a line
			service.Set(settings)
			if s.day != nil {
				service.With(s.day)
			}
			service.With(func(s *httpapitest.Service) { // where nobody else answers for them
				s.View.Members[0].HTTP, s.View.Members[1].HTTP = address, "127.0.0.1:2"
				s.View.Members[2].HTTP = "127.0.0.1:3"
			})
			playScene(t, s.name, address, s.commands)
		})
	}
	files, _ := filepath.Glob("testdata/scenes/*.txt")
	if want := len(clusterScenes) + len(strangeServers) + len(lostAnswers); len(files) != want {
		t.Errorf("%d golden files for %d scenes", len(files), want)
	}
}

// strangeServers answer in other ways than a node does.
var strangeServers = map[string]http.HandlerFunc{
	"unreachable": nil,
	"no_answer": func(_ http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body) // until then nobody would notice that the caller left
		<-r.Context().Done()
	},
	"broken_off": func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
	"not_drystone": func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		w.WriteHeader(http.StatusNotFound)
		fmt.Fprint(w, "<html>It works!</html>")
	},
	"bad_gateway": func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusBadGateway)
	},
}

func TestStrangeServers(t *testing.T) {
	for name, handler := range strangeServers {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := httptest.NewServer(handler)
			defer server.Close()
			if handler == nil {
				server.Close() // nobody listens there any more
			}
			playScene(t, name, server.Listener.Addr().String(), []string{
				"--key k1 push jobs 1", "--json --key k1 push jobs 1", "top jobs", "status",
			})
		})
	}
}

// lostAnswers are what becomes of requests after the command has met the node: it says who it is
// first.
var lostAnswers = map[string]http.HandlerFunc{
	"lost_answer":     strangeServers["no_answer"],
	"lost_connection": strangeServers["broken_off"],
	"lost_behind":     strangeServers["bad_gateway"],
}

func TestLostAnswers(t *testing.T) {
	for name, handler := range lostAnswers {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			met := func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Path == "/v1/status" {
					fmt.Fprint(w, `{"cluster_id":"c","node_id":1}`)
					return
				}
				handler(w, r)
			}
			server := httptest.NewServer(http.HandlerFunc(met))
			defer server.Close()
			playScene(t, name, server.Listener.Addr().String(), []string{
				"--key k1 push jobs 1", "--json --key k1 push jobs 1", "top jobs",
			})
		})
	}
}

// What differs from run to run: ports, keys of one's own, how long something took.
var varying = []struct {
	pattern *regexp.Regexp
	instead string
}{
	{regexp.MustCompile(`front-[0-9a-z]+`), "front-…"},
	{regexp.MustCompile(`within [0-9.]+m?s`), "within …"},
	{regexp.MustCompile(`\b[A-Z2-7]{26}\b`), "KEY"},
}

// bareWords are those of a library or of a mistake in a format: no user can act on them.
var bareWords = regexp.MustCompile(`context (deadline|canceled)|\bEOF\b|dial tcp|i/o timeout|` +
	`connection re(fused|set)|broken pipe|%!|<nil>|\*errors|goroutine |panic|0x[0-9a-f]{6}`)

// inWords wants every failure to be told in words, with what to do next; an outcome that is unknown
// with the request's id; and nothing but values on standard output.
func inWords(t *testing.T, text string) {
	if words := bareWords.FindString(text); words != "" {
		t.Errorf("%q in %s", words, text)
	}
	for played := range strings.SplitSeq(strings.TrimSuffix(text, "\n\n"), "\n\n") {
		lines := strings.Split(played, "\n")
		status := lines[len(lines)-1]
		said := strings.Count(played, "\nstderr: ")
		switch inJSON := strings.Contains(played, "\nstderr: {"); {
		case inJSON && !jsonFields.MatchString(played):
			t.Errorf("fields are missing: %s", played)
		case inJSON, strings.Contains(played, "\nstdout: {"): // the answer says it
		case (status == "exit 1" || status == "exit 2" || status == "exit 3") && said < 2,
			status == "exit 4" && said < 1, status == "exit 3" && !strings.Contains(played, "request"):
			t.Errorf("too little is said: %s", played)
		}
		if status != "exit 0" && !strings.Contains(played, " --json ") &&
			strings.Contains(played, "\nstdout: ") {
			t.Errorf("an error on standard output: %s", played)
		}
	}
}

// jsonFields are those of an error under --json, none of them empty.
var jsonFields = regexp.MustCompile(`{"code":"[^"]+",.*"detail":"[^"]+.*","outcome":"[^"]+",` +
	`"request_id":"[^"]+","retry_safe":(true|false),"next":"[^"]+`)

// playScene runs the commands one after another against a server, and compares all they say.
func playScene(t *testing.T, name, address string, commands []string) {
	var got bytes.Buffer
	for _, command := range commands {
		args := strings.Split(command, " ")
		for i := range args {
			args[i] = strings.ReplaceAll(args[i], "\u00a0", " ")
		}
		ctx, cancel := context.WithTimeout(context.Background(), proc.Patience)
		defer cancel()
		c := exec.CommandContext(ctx, self(t), args...)
		c.Dir = t.TempDir()
		c.Env = append(os.Environ(), "DRYSTONE_ENDPOINTS="+address, "DRYSTONE_TIMEOUT=400ms")
		var out, errs bytes.Buffer
		c.Stdout, c.Stderr = &out, &errs
		var exit *exec.ExitError
		if err := c.Run(); err != nil && !errors.As(err, &exit) {
			t.Fatal(err)
		}
		fmt.Fprintf(&got, "$ drystone %.60s\n", strings.Join(args, " "))
		for _, stream := range []struct{ name, text string }{
			{"stdout", out.String()}, {"stderr", errs.String()},
		} {
			for line := range strings.Lines(stream.text) {
				fmt.Fprintf(&got, "%s: %s\n", stream.name, strings.TrimSuffix(line, "\n"))
			}
		}
		fmt.Fprintf(&got, "exit %d\n\n", c.ProcessState.ExitCode())
	}
	text := strings.ReplaceAll(got.String(), address, "NODE")
	for _, v := range varying {
		text = v.pattern.ReplaceAllString(text, v.instead)
	}
	_, port, _ := net.SplitHostPort(address)
	if strings.Contains(text, port) {
		t.Errorf("the port is left in %s", text)
	}
	inWords(t, text)
	file := filepath.Join("testdata", "scenes", name+".txt")
	if *update {
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if want, _ := os.ReadFile(file); text != string(want) {
		t.Errorf("got\n%s\nwant\n%s\n(-update writes it anew)", text, want)
	}
}
