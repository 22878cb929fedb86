// Package sim runs whole replicas, the code that production runs, against a network, disks and
// clocks that fail in every way they know, in one thread and in virtual time.
//
// A seed draws everything: the size of the cluster, which classes of faults it suffers and how
// often, how tiny its limits are, what its clients do. After a safety phase full of faults comes
// a liveness phase without any, in which the cluster must recover within a bound. All the while
// a checker compares what the nodes do with Figure 3's five properties and with what their disks
// hold, and an oracle compares every answer and every read with what the log says happened.
//
// The reading order is plan (what a seed draws), world (time and events), host, open, contacts,
// joining, administer and steward (a node among others), loop, writer and applier (a node without
// goroutines), network, faults, diskfaults, rot, disks, operators, clients and oracle, truth, check
// and configurations, live and trials.
package sim

import (
	"fmt"
	"io"
	"runtime"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"drystone/replica"
)

// Options are what a run depends on: equal Options but Trace, equal runs.
type Options struct {
	Seed     uint64
	Nodes    int           // 1 to 7; 0: the seed draws it
	Duration time.Duration // simulated, of the phase with faults; 0: 60 s
	MinOps   int           // acknowledged in a run at least; 0: 1000
	Trace    io.Writer     // a line for every event; nil: none

	Engine replica.EngineKind // the consensus; zero: replica.Native

	Scenario string // one of Scenarios, or FILE.txt; "": the seed draws what happens

	// What is left out of what the seed draws; shrink_less.go has the words.
	Only    []string // classes of faults that may strike; nil: all
	Faults  []int    // of the faults that would strike only these, counted from 1; nil: all
	Calm    []string // what never happens by chance
	Clients int      // 0: the seed draws it

	progress func(now time.Duration) // is told now and then how far the world is; nil: nobody
	stepsMax uint64                  // the world ends unfinished after so many events; 0: it does not
}

// scenarioOps are the operations that must succeed when a story is over.
const scenarioOps = 30

func (o Options) withDefaults() Options {
	if o.Duration == 0 {
		o.Duration = 60 * time.Second
	}
	if o.MinOps == 0 && o.Scenario != "" {
		o.MinOps = scenarioOps
	} else if o.MinOps == 0 {
		o.MinOps = 1000
	}
	o.Engine = o.Engine.OrNative()
	return o
}

// Report is what came of a run.
type Report struct {
	Options   Options
	Nodes     int
	Steps     uint64        // events
	Simulated time.Duration // virtual time
	Took      time.Duration // real time
	Committed uint64        // log entries
	Acked     int           // operations whose clients know that they took effect, and reads
	Faults    uint64
	Digest    uint64 // of everything that happened: equal for equal Options

	// Property is the one that broke; "" when the run went well. Detail says how.
	Property string
	Detail   string

	faults  [faultCount]uint64
	reached [markCount]uint64
	struck  int // faults that were to strike, those of operators too
	clients int
}

// OK says whether every property held.
func (r *Report) OK() bool { return r.Property == "" }

// String is the last line of a run. With a trace it leaves out the speed, the only thing that would
// differ the next time.
func (r *Report) String() string {
	verdict := "ok"
	if !r.OK() {
		verdict = "FAIL " + r.Property
	}
	speed := ""
	if r.Took > 0 && r.Options.Trace == nil {
		speed = fmt.Sprintf("speed=%.0fx ", r.Simulated.Seconds()/r.Took.Seconds())
	}
	return fmt.Sprintf("seed=%d nodes=%d steps=%d simulated=%.1fs committed=%d acked=%d faults=%d "+
		"%s%s", r.Options.Seed, r.Nodes, r.Steps, r.Simulated.Seconds(), r.Committed, r.Acked,
		r.Faults, speed, verdict)
}

// Replay is the command that runs the same again, with a line for every event.
func (r *Report) Replay() string {
	o, d := r.Options, Options{Scenario: r.Options.Scenario}.withDefaults()
	s := fmt.Sprintf("drystone sim --seed %d", o.Seed)
	if o.Scenario != "" {
		s += " --scenario " + o.Scenario
	}
	if e := o.Engine.OrNative().Name; e != replica.Native.Name {
		s += " --engine " + e
	}
	if o.Nodes != 0 {
		s += fmt.Sprintf(" --nodes %d", o.Nodes)
	}
	if o.Duration != d.Duration {
		s += fmt.Sprintf(" --time %v", o.Duration)
	}
	if o.MinOps != d.MinOps {
		s += fmt.Sprintf(" --ops %d", o.MinOps)
	}
	return s + o.lessWords() + " --trace"
}

// Run runs one world to its end, or to the first property that breaks.
func Run(o Options) Report {
	o = o.withDefaults()
	if o.Nodes < 0 || o.Nodes > nodesMax {
		panic(fmt.Sprintf("sim: a cluster of %d nodes; it may have 1 to %d", o.Nodes, nodesMax))
	}
	return newWorld(o).report()
}

// report runs the world and tells what came of it.
func (w *world) report() (r Report) {
	began := time.Now()
	r.Property, r.Detail = w.outcome()
	r.Options, r.Nodes, r.Steps = w.options, w.plan.nodes, w.steps
	r.Simulated = time.Duration(w.now) * time.Microsecond
	r.Took = time.Since(began)
	r.Committed = uint64(len(w.check.committed))
	r.Acked, r.Digest = w.clients.acked, w.digest
	r.faults, r.reached = w.faults, w.reached
	r.struck, r.clients = w.struck, w.plan.clients
	for _, n := range w.faults {
		r.Faults += n
	}
	return r
}

// assertion is the property that breaks when code panics.
const assertion = "Assertion"

// outcome runs the world. An assertion that fails in any package is a broken property like the
// others: it ends this world and no other.
func (w *world) outcome() (property, detail string) {
	defer func() {
		switch p := recover().(type) {
		case nil:
		case failure:
			property, detail = p.property, p.detail
		default:
			property, detail = assertion, fmt.Sprintf("%v\n%s", p, debug.Stack())
		}
		if property != "" {
			w.trace.line(nil, "FAIL", property+":", detail)
		}
	}()
	w.run()
	return "", ""
}

// Summary is what came of many runs.
type Summary struct {
	Runs      int
	Failed    []Report
	Simulated time.Duration
	Took      time.Duration
	Steps     uint64
	Committed uint64
	Acked     uint64
	Faults    map[string]uint64 // by class
	Reached   map[string]uint64 // interesting states
	Met       map[string]int    // runs that met a fault or state of that name
}

// RunMany runs the seeds from first on, count of them, each in a world of its own, on so many
// workers at once (0: as many as there are processors). o gives everything but the seed. progress
// is called after each run, by one goroutine at a time; it may be nil, and stops the whole by
// returning false.
func RunMany(o Options, first uint64, count, workers int, progress func(*Report) bool) Summary {
	if workers <= 0 {
		workers = runtime.GOMAXPROCS(0)
	}
	o.Trace = nil
	began := time.Now()
	s := Summary{Faults: map[string]uint64{}, Reached: map[string]uint64{},
		Met: map[string]int{}}
	var next atomic.Int64
	var stop atomic.Bool
	var mu sync.Mutex
	var group sync.WaitGroup
	for range min(workers, count) {
		group.Go(func() {
			for !stop.Load() {
				i := next.Add(1) - 1
				if i >= int64(count) {
					return
				}
				o := o
				o.Seed = first + uint64(i)
				r := Run(o)
				mu.Lock()
				s.add(&r)
				if progress != nil && !progress(&r) {
					stop.Store(true)
				}
				mu.Unlock()
			}
		})
	}
	group.Wait()
	s.Took = time.Since(began)
	return s
}

func (s *Summary) add(r *Report) {
	s.Runs++
	s.Simulated += r.Simulated
	s.Steps += r.Steps
	s.Committed += r.Committed
	s.Acked += uint64(r.Acked)
	if !r.OK() {
		s.Failed = append(s.Failed, *r)
	}
	for f, n := range r.faults {
		s.Faults[faultNames[f]] += n
		s.Met[faultNames[f]] += int(min(n, 1))
	}
	for m, n := range r.reached {
		s.Reached[markNames[m]] += n
		s.Met[markNames[m]] += int(min(n, 1))
	}
}
