package sim

import (
	"embed"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"drystone/raft"
	"drystone/rsm"
)

// scenario is a story of what may happen to a cluster, and the claim of what comes of it: a seed
// whose faults somebody chose. docs/simulator.md has the words in which it is told.
type scenario struct {
	name  string
	title string // the first line of its comment
	plan  plan
	busy  bool // clients of chance are at work during the story
	steps []step
}

// step is a line of a story: something that is done at once, or a condition.
type step struct {
	line int
	text string
	at   int64                   // not before so long after the story began
	run  func(*story) (end bool) // called after every event, until it has come to its end
}

//go:embed testdata/scenarios/*.txt
var scenarioFiles embed.FS

const scenarioDir = "testdata/scenarios"

// Scenarios are the names of those that `drystone sim --scenario` knows, in order.
func Scenarios() (names []string) {
	files, err := scenarioFiles.ReadDir(scenarioDir)
	if err != nil {
		panic(fmt.Sprintf("sim: the scenarios are not in the binary: %v", err))
	}
	for _, f := range files {
		names = append(names, strings.TrimSuffix(f.Name(), ".txt"))
	}
	return names
}

// scenarioNamed reads one of Scenarios, or a file of somebody's own, whose name ends in .txt.
func scenarioNamed(name string) (*scenario, error) {
	if path, own := strings.CutSuffix(name, ".txt"); own {
		text, err := os.ReadFile(name)
		if err != nil {
			return nil, fmt.Errorf("the scenario cannot be read: %w", err)
		}
		return parseScenario(path, string(text))
	}
	if !slices.Contains(Scenarios(), name) {
		return nil, fmt.Errorf("there is no scenario %q; --scenario list tells them all, and "+
			"one of your own is named by its file, FILE.txt", name)
	}
	text, err := scenarioFiles.ReadFile(scenarioDir + "/" + name + ".txt")
	if err != nil {
		panic(fmt.Sprintf("sim: %v", err))
	}
	return parseScenario(name, string(text))
}

// mustScenario is a scenario that Command or a test has asked for.
func mustScenario(name string) *scenario {
	s, err := scenarioNamed(name)
	if err != nil {
		panic("sim: " + err.Error())
	}
	return s
}

// listScenarios prints every scenario with what it is about.
func listScenarios(out io.Writer) {
	names := Scenarios()
	width := 0
	for _, n := range names {
		width = max(width, len(n))
	}
	for _, n := range names {
		fmt.Fprintf(out, "%-*s  %s\n", width, n, mustScenario(n).title)
	}
}

// storyPlan is a cluster to which nothing happens by chance: a quick network, true clocks, roomy
// limits. A scenario's head changes some of it.
func storyPlan() plan {
	p := plan{
		nodes:    3,
		delayMin: 200, delayMean: 200,
		writeMean: 300, applyMean: 50, saveMean: 2 * ms, serverMean: 100 * ms,
		raft: raft.Config{
			HeartbeatTicks: 5, ElectionTicks: 30, DiskTicks: 200, MaxAppendBytes: 4 << 10,
			MaxInflight: 8, TrailingBytes: 1 << 20, MaxApplyBytes: 1 << 20,
		},
		settings:     rsm.DefaultSettings(),
		segmentBytes: 16 << 10, spares: 250_000, maxEntry: 1 << 20,
		maxInflight: 64 << 20, retryMs: 300,
		snapEntries: 100_000, snapBytes: 1 << 30,
		clients: 4, thinkMean: 60 * ms, stacks: 1, valueMax: 20,
		keyed: 500_000, reads: 200_000, timeoutMs: []uint64{2000},
	}
	p.settings.MaxValueBytes, p.settings.RequestRetentionMs = 4096, 600_000
	for i := range p.skew {
		p.skew[i] = 1000
	}
	return p
}

// brokenScenario is the property of every story: what it claims comes true.
const brokenScenario = "Scenario"

// story is a scenario that is being told in a world.
type story struct {
	*scenario
	world *world
	next  int   // step
	began int64 // the story; -1: not yet
	since int64 // that step
	over  bool

	cast    map[string]*host  // by the names that the story gave them
	ops     map[string]int    // operations, likewise: indexes into clients.ops
	where   map[posted]bool   // log positions at which an operation was seen
	scanned map[int]scanPoint // of each machine's writes
	calm    int               // elections when an `expect calm` began; -1: none
}

// posted is an operation at a place of some log.
type posted struct {
	op int
	at raft.Position
}

// newStoryWorld makes the world in which a scenario is told.
func newStoryWorld(o Options, s *scenario) *world {
	w := newPlannedWorld(o, s.plan, random{o.Seed})
	w.story = &story{
		scenario: s, world: w, cast: map[string]*host{}, ops: map[string]int{},
		where: map[posted]bool{}, scanned: map[int]scanPoint{}, calm: -1, since: -1,
		began: -1,
	}
	return w
}

const storyBeat = 10 * ms

func (s *story) begin() {
	w := s.world
	w.script = func() { // something happens even when all nodes are down
		if !s.over {
			w.always(storyBeat, evScript, 0, 0, 0)
		}
	}
	w.script()
	if s.busy {
		w.clients.start()
	}
}

// advance is called after every event: so a step comes at the very moment for which it waits.
func (s *story) advance() {
	if s.over {
		return
	}
	w := s.world
	if s.began < 0 && !s.opens() {
		return
	}
	s.watchWrites()
	for s.next < len(s.steps) {
		x := &s.steps[s.next]
		if w.now-s.began < x.at {
			return
		}
		if s.since < 0 {
			s.since = w.now
		}
		if !x.run(s) {
			return
		}
		w.trace.line(nil, "did:", x.text)
		s.watchWrites()
		s.next++
		s.since = -1
	}
	s.end()
}

// formingMax is in what time a cluster to which nothing happens has formed.
const formingMax = 10 * second

// opens says whether the story begins: once all nodes know one leader, and have applied all there
// is.
func (s *story) opens() bool {
	w := s.world
	if w.founded() && w.converged() {
		s.began = w.now
		return true
	}
	if w.now > formingMax {
		w.fail(liveness, "the cluster has not formed; %s", w.diagnosis())
	}
	return false
}

// end lets the liveness phase of every run follow.
func (s *story) end() {
	w := s.world
	s.over = true
	for i := range w.clients.all {
		w.clients.all[i].scripted = false
	}
	for _, h := range w.hosts {
		h.ill = false
	}
	if !s.busy {
		w.clients.start()
	}
	w.onHeal()
}

// fail says which line of the story did not come true, and why.
func (s *story) fail(why string) {
	x := &s.steps[s.next]
	s.world.fail(brokenScenario, "%s, line %d, %q: %s; %s", s.name, x.line, x.text, why,
		s.world.diagnosis())
}

// scanPoint is the last write of a boot that was looked at.
type scanPoint struct {
	boot uint32
	seq  uint64
}

// watchWrites notes at which places of logs the operations of the story stand, as nodes hand them
// to their disks. A write is never begun and done within one event, so none is missed.
func (s *story) watchWrites() {
	if len(s.ops) == 0 {
		return
	}
	for _, h := range s.world.hosts {
		for _, writes := range [][]raft.Append{h.writer.writing, h.writer.queue} {
			for i := range writes {
				a, seen := &writes[i], s.scanned[h.index]
				if seen.boot == h.boot && a.Seq <= seen.seq {
					continue
				}
				s.scanned[h.index] = scanPoint{h.boot, a.Seq}
				for k := range a.Entries {
					s.watchEntry(&a.Entries[k])
				}
			}
		}
	}
}

func (s *story) watchEntry(e *raft.Entry) {
	if e.Kind != raft.EntryCommand {
		return
	}
	entry, err := rsm.DecodeEntry(e.Data)
	if err != nil {
		return // whoever applies it says so
	}
	for _, encoded := range entry.Batches {
		b, err := rsm.DecodeBatch(encoded)
		if err != nil {
			return
		}
		for i := range b.Requests {
			if op, ok := s.world.clients.operationOf(&b.Requests[i]); ok {
				s.where[posted{op, raft.Position{Index: e.Index, Term: e.Term}}] = true
			}
		}
	}
}
