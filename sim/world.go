package sim

import (
	"fmt"
	"time"

	"drystone/raft"
)

// world is one run: some nodes, the network between them, their clients, and everything that
// happens to them, in one thread and in virtual time. Nothing in it depends on anything but its
// Options, so that a seed is a name for a run.
type world struct {
	options    Options
	plan       plan
	now        int64 // µs
	planned    uint64
	agenda     agenda
	random     random
	hosts      []*host
	addresses  map[string]int // machines, by address
	links      uint64         // connections so far
	churned    uint64         // what operators asked
	operators  operators
	net        network
	clients    clients
	truth      truth
	draws      draws
	check      checker
	trace      tracer
	healing    bool // the safety phase is over: no more faults
	healed     int64
	done       bool
	script     func() // a test's own doing
	story      *story // nil: a seed's run
	phase      phase
	phaseSince int64
	coreGoal   int   // acknowledged operations that a core of a majority must get to
	missing    int64 // acknowledged operations, when the last fault was over
	elections  int   // since the last fault
	trial      trial
	probes     int // the first probe among the operations
	steps      uint64
	digest     uint64
	struck     int // faults that were to strike
	faults     [faultCount]uint64
	reached    [markCount]uint64
	arena      []byte // room for messages
}

// failure is a broken property. It travels as a panic, so that the world stops in the state
// that shows it.
type failure struct{ property, detail string }

func (w *world) fail(property, format string, args ...any) {
	panic(failure{property, fmt.Sprintf(format, args...)})
}

// newWorld makes the world of a seed, or that of a scenario.
func newWorld(o Options) *world {
	if o.Scenario != "" {
		return newStoryWorld(o, mustScenario(o.Scenario))
	}
	chance := random{o.Seed}
	shape := chance.fork()
	p := draw(&shape, o.Nodes)
	p.reduce(&o)
	return newPlannedWorld(o, p, chance)
}

func newPlannedWorld(o Options, p plan, chance random) *world {
	w := &world{options: o, plan: p, random: chance, addresses: map[string]int{}}
	w.trace = tracer{out: o.Trace, world: w}
	w.net = network{random: w.random.fork()}
	w.truth = newTruth(w)
	w.draws = newDraws(w)
	w.check = newChecker(w)
	for i := range w.plan.nodes {
		w.newHost(raft.NodeID(i + 1))
	}
	for _, h := range w.hosts {
		for i := range w.plan.nodes {
			h.listed = append(h.listed, uint64(i+1))
		}
	}
	w.operators = newOperators(w)
	w.clients = newClients(w)
	if o.Trace != nil {
		w.trace.plan(&w.plan)
	}
	return w
}

// after plans something for a node as it runs now; a crash voids it.
func (w *world) after(delay int64, k kind, h *host, a, b uint64) {
	w.planned++
	w.agenda.push(event{w.now + max(delay, 0), w.planned, k, int8(h.index), h.boot, a, b})
}

// always plans something that no crash voids.
func (w *world) always(delay int64, k kind, node int, a, b uint64) {
	w.planned++
	w.agenda.push(event{w.now + max(delay, 0), w.planned, k, int8(node), 0, a, b})
}

// run goes on until the world is done.
func (w *world) run() {
	for _, h := range w.hosts {
		w.always(w.random.between(0, 300*ms), evRestart, h.index, uint64(h.boot), 0)
	}
	for f := range faultCount {
		w.planFault(f)
	}
	w.operators.start()
	if w.story != nil {
		w.story.begin()
	} else {
		w.clients.start()
		w.always(w.options.Duration.Microseconds(), evHeal, 0, 0, 0)
	}
	for w.goesOn() {
		e := w.agenda.pop()
		w.now = e.at
		w.steps++
		w.digest = mix(w.digest, uint64(e.at)<<8|uint64(e.kind))
		w.handle(&e)
		if w.story != nil {
			w.story.advance()
		}
	}
}

// progressEvery is in events.
const progressEvery = 1 << 13

// goesOn says whether anything is left to happen, or of interest to whoever runs this world.
func (w *world) goesOn() bool {
	o := &w.options
	if o.progress != nil && w.steps%progressEvery == 0 {
		o.progress(time.Duration(w.now) * time.Microsecond)
	}
	return !w.done && (o.stepsMax == 0 || w.steps < o.stepsMax)
}

func (w *world) handle(e *event) {
	h := w.hosts[e.node]
	if e.boot != 0 {
		if e.boot != h.boot {
			return
		}
		if h.paused {
			h.missed = append(h.missed, *e)
			return
		}
	}
	switch e.kind {
	case evTick:
		h.onTick()
	case evLoop:
		h.loopPlanned = false
		h.loop()
	case evDeliver:
		w.onDeliver(h, e.a)
	case evWrite:
		h.onWrite()
	case evWrote:
		h.onWrote()
	case evApply:
		h.onApply()
	case evApplied:
		h.onApplied()
	case evSave:
		h.onSave()
	case evPrepare:
		h.onPrepare()
	case evShipped:
		h.onShipped(raft.NodeID(e.a), raft.Index(e.b&^arrived), e.b&arrived != 0)
	case evDial:
		h.dialPlanned = 0
		h.connect()
	case evAsk:
		h.onAskTimer(e.a)
	case evQuit:
		h.dial()
	case evLost:
		h.breaks(int(e.a), e.b)
	case evRestart:
		w.onRestart(h, uint32(e.a))
	case evResume:
		w.onResume(h, uint32(e.a))
	case evFault:
		w.onFault(fault(e.a))
	case evStrike:
		w.strike(fault(e.a), h)
	case evMend:
		if !w.healing {
			w.net.mend()
			w.trace.line(nil, "network mended")
		}
	case evClient:
		w.clients.onTurn(int(e.a), e.b)
	case evTimeout:
		w.clients.onTimeout(int(e.a), e.b)
	case evScript:
		w.script()
	case evChurn:
		w.onChurn()
	case evDisks:
		w.onDisks(h, e.a)
	case evLull:
		w.onLull(h, e.a)
	case evHeal:
		w.onHeal()
	case evCheck:
		w.onCheck()
	default:
		w.fail("Simulator", "event of kind %d", e.kind)
	}
}

// incarnation is a fresh name for a directory.
func (w *world) incarnation() string {
	return fmt.Sprintf("%016x%016x", w.random.next(), w.random.next())
}
