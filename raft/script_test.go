package raft

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"
)

// The golden scripts: one claim of the paper each, played by real cores. What they print are the
// core's own traces, so that an expectation is an annotated run of the paper. docs/raft.md has the
// grammar.

// TestScripts plays every script and compares; with -rewrite it writes what came out instead.
func TestScripts(t *testing.T) {
	for _, path := range scriptFiles(t) {
		t.Run(strings.TrimSuffix(strings.TrimPrefix(path, "testdata/"), ".txt"), func(t *testing.T) {
			s := newScript(t.Name())
			datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
				out, err := s.block(append([]string{firstLine(d)}, strings.Split(d.Input, "\n")...))
				if err != nil {
					t.Fatalf("%s: %v\n%s", d.Pos, err, out)
				}
				return out
			})
		})
	}
}

// firstLine is the line that datadriven has taken apart already.
func firstLine(d *datadriven.TestData) string {
	words := []string{d.Cmd}
	for _, a := range d.CmdArgs {
		if v := strings.Join(a.Vals, ","); len(a.Vals) == 0 {
			words = append(words, a.Key)
		} else {
			words = append(words, fmt.Sprintf("%s=(%s)", a.Key, v))
		}
	}
	return strings.Join(words, " ")
}

func scriptFiles(t *testing.T) []string {
	t.Helper()
	paths, err := filepath.Glob("testdata/*/*.txt")
	if err != nil || len(paths) == 0 {
		t.Fatalf("no scripts: %v", err)
	}
	return paths
}

// TestScriptHeaders keeps scripts readable: short, and each begins with its claim and the section
// of the paper that makes it.
func TestScriptHeaders(t *testing.T) {
	const linesMax, recordedMax, columnsMax = 80, 500, 100
	for _, path := range scriptFiles(t) {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		lines := strings.Split(strings.TrimSuffix(string(text), "\n"), "\n")
		longest := linesMax
		if filepath.Dir(path) == simulated {
			longest = recordedMax
		}
		if len(lines) >= longest {
			t.Errorf("%s has %d lines, fewer than %d are wanted: one claim a script", path,
				len(lines), longest)
		}
		header := ""
		for _, line := range lines {
			if !strings.HasPrefix(line, "#") {
				break
			}
			header += line
			if len([]rune(line)) > columnsMax {
				t.Errorf("%s: a comment of more than %d columns", path, columnsMax)
			}
		}
		if !strings.Contains(header, "§") && !strings.Contains(header, "Figure") {
			t.Errorf("%s: the header does not say where the paper makes the claim", path)
		}
	}
}

// script is one play.
type script struct {
	name   string
	nodes  []*player
	net    []Message // under way, oldest first
	held   []Message // taken aside by hold
	cut    map[[2]NodeID]bool
	config Config

	out      strings.Builder
	silent   bool
	coverage *coverage // nil: nobody counts
	leaders  map[Term]NodeID
	applied  map[Index]Term
}

func newScript(name string) *script { return &script{name: name} }

// block runs the commands of one block, and returns what they print.
func (s *script) block(lines []string) (out string, err error) {
	s.out.Reset()
	begun := ""
	for _, line := range lines {
		line, _, _ = strings.Cut(begun+line, " # ")
		line, begun = strings.TrimSpace(line), ""
		if part, ok := strings.CutSuffix(line, `\`); ok {
			begun = part // it goes on in the next one
			continue
		}
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		inner := strings.TrimSuffix(strings.TrimPrefix(line, "("), ")")
		s.silent = strings.HasPrefix(line, "(")
		if !s.silent {
			inner = line
		}
		if err := s.command(inner); err != nil {
			return s.out.String(), fmt.Errorf("%s: %w", line, err)
		}
		if err := s.checkCluster(); err != nil {
			return s.out.String(), fmt.Errorf("%s: %w", line, err)
		}
	}
	return s.out.String(), nil
}

// commands by name. Each gets the words after its name.
var commands map[string]func(s *script, args []string) error

func init() {
	commands = map[string]func(s *script, args []string) error{
		"cluster": (*script).cmdCluster, "status": (*script).cmdStatus, "log": (*script).cmdLog,
		"ondisk": (*script).cmdOnDisk, "network": (*script).cmdNetwork,

		"tick": (*script).cmdTick, "timeout": (*script).cmdTimeout, "elect": (*script).cmdElect,
		"stand":   (*script).cmdStand,
		"propose": (*script).cmdPropose, "read": (*script).cmdRead,
		"transfer": (*script).cmdTransfer, "members": (*script).cmdMembers,
		"unreachable": (*script).cmdUnreachable, "step": (*script).cmdStep,
		"misdirect": (*script).cmdMisdirect,

		"deliver": (*script).cmdDeliver, "drop": (*script).cmdDrop, "dup": (*script).cmdDup,
		"hold": (*script).cmdHold, "release": (*script).cmdRelease,
		"stabilize": (*script).cmdStabilize, "partition": (*script).cmdPartition,
		"cut": (*script).cmdCut, "heal": (*script).cmdHeal,

		"disk": (*script).cmdDisk, "write": (*script).cmdWrite, "persist": (*script).cmdPersist,
		"wipe": (*script).cmdWipe, "crash": (*script).cmdCrash, "restart": (*script).cmdRestart,
		"busy":  (*script).cmdBusy,
		"drain": (*script).cmdDrain, "applied": (*script).cmdApplied,
		"compact": (*script).cmdCompact, "ship": (*script).cmdShip,
	}
}

func (s *script) command(line string) error {
	words, err := fields(line)
	if err != nil {
		return err
	}
	run, ok := commands[words[0]]
	if !ok {
		return fmt.Errorf("there is no command %q", words[0])
	}
	if len(s.nodes) == 0 && words[0] != "cluster" {
		return fmt.Errorf("there is no cluster yet")
	}
	return run(s, words[1:])
}

func (s *script) printf(format string, args ...any) {
	if !s.silent {
		fmt.Fprintf(&s.out, format+"\n", args...)
	}
}

// host prints what a host learns from Ready in columns like a trace.
func (s *script) host(p *player, format string, args ...any) {
	s.printf("%s%s", column(fmt.Sprintf("n%d@%d host", p.id, p.raft.currentTerm)),
		fmt.Sprintf(format, args...))
}

// onEvent prints a core's trace. That a write is done is told only of manual disks: the others
// are done at once.
func (s *script) onEvent(p *player, e Event) {
	if e.Reason == WriteDone && !p.manual {
		return
	}
	s.printf("%v", e)
	if s.coverage != nil && !s.silent && e.Kind == EventDecided {
		s.coverage.event(s.name, e)
	}
}

// checkCluster looks at Figure 3's properties, as far as they show between two commands.
func (s *script) checkCluster() error {
	for _, p := range s.nodes {
		if p.raft == nil {
			continue
		}
		r := p.raft
		if r.role.kind() == Leader {
			if was, ok := s.leaders[r.currentTerm]; ok && was != p.id {
				return fmt.Errorf("election safety: n%d and n%d lead term %d", was, p.id, r.currentTerm)
			}
			s.leaders[r.currentTerm] = p.id
		}
		for _, q := range s.nodes {
			if q.raft != nil && q.id > p.id {
				if err := logMatching(&r.log, &q.raft.log); err != nil {
					return fmt.Errorf("n%d and n%d: %w", p.id, q.id, err)
				}
			}
		}
	}
	return nil
}

// logMatching: where two logs have an entry of the same index and term, they are equal up to it.
func logMatching(a, b *log) error {
	agree := false
	for i := min(a.lastIndex(), b.lastIndex()); i > 0; i-- {
		x, knownA := a.term(i)
		y, knownB := b.term(i)
		if !knownA || !knownB {
			return nil
		}
		if agree && x != y {
			return fmt.Errorf("log matching: %d@%d and %d@%d below an entry in common", i, x, i, y)
		}
		agree = agree || x == y
	}
	return nil
}
