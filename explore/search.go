package explore

import "fmt"

// Options say when to stop short of the bounds.
type Options struct {
	MaxWorlds int         // 0: no limit. 100 million take less than 4 GB to remember
	Stop      func() bool // asked now and then; nil: never
	Ignore    []string    // properties that may be broken

	faults faults
	goal   func(*explorer, *world) bool // for tests: a world to find the way to
}

// Result is what a search came to.
type Result struct {
	Bounds      Bounds
	Worlds      int  // different ones, renamings apart
	Transitions int  // actions that led from one to another, or back
	Depth       int  // actions to the furthest world
	Nodes       int  // states of single nodes
	Steps       int  // inputs given to cores; all other transitions were remembered
	Waiting     int  // worlds found and not looked at further
	Exhausted   bool // all within the bounds was seen

	Violation *Violation // nil: nothing is broken
	Path      []Step     // a shortest one to the violation
	script    string
}

func (r Result) String() string {
	end := "exhausted"
	switch {
	case r.Violation != nil:
		end = r.Violation.Error()
	case !r.Exhausted:
		end = "capped"
	}
	return fmt.Sprintf("%v: %d worlds, %d transitions, depth %d, %d node states, %d core steps: %s",
		r.Bounds, r.Worlds, r.Transitions, r.Depth, r.Nodes, r.Steps, end)
}

// Search looks at every world within the bounds, nearest first, until a property is broken. Equal
// arguments give equal results, unless Stop says otherwise.
func Search(b Bounds, o Options) Result {
	e := newExplorer(b, o)
	s := &search{explorer: e, options: o, seen: newVisited()}
	s.result.Bounds = b
	s.run()
	s.result.Worlds = s.seen.count
	s.result.Nodes, s.result.Steps = len(e.nodes), len(e.outcomes)
	return s.result
}

// search is one of them. Worlds of one depth are looked at in the order in which they were found.
type search struct {
	*explorer
	options Options
	seen    *visited
	result  Result
	now     queue // worlds at this depth
	later   queue // and at the next
	looked  int
}

func (s *search) run() {
	w := s.first()
	s.seen.add(s.canonical(w), w.used, 0)
	s.later.push(w, s.bounds.nodes())
	var next world
	var all []action
	for s.later.count > 0 {
		s.now, s.later = s.later, queue{}
		for s.now.pop(w, s.bounds.nodes()) {
			if s.capped() {
				s.result.Waiting = s.now.count + s.later.count + 1
				return
			}
			all = s.actions(w, all)
			for _, a := range all {
				broken, taken := s.act(w, a, &next)
				if !taken {
					continue
				}
				s.result.Transitions++
				if s.arrive(w, a, &next, broken) {
					return
				}
			}
			s.looked++
		}
		if s.later.count > 0 {
			s.result.Depth++
		}
	}
	s.result.Exhausted = true
}

// arrive judges what an action has led to; true if that ends the search.
func (s *search) arrive(w *world, a action, next *world, broken *Violation) bool {
	if broken == nil {
		if !s.seen.add(s.canonical(next), next.used, s.looked) {
			return false
		}
		broken = s.checkWorld(next, a.node, s.nodes[w.nodes[a.node]])
	}
	if s.options.goal != nil && s.options.goal(s.explorer, next) {
		broken = &Violation{Property: "goal"}
	}
	if broken == nil {
		s.later.push(next, s.bounds.nodes())
		return false
	}
	s.result.Violation = broken
	s.result.Depth++
	s.report(s.seen.path(s.looked), broken)
	return true
}

func (s *search) capped() bool {
	const often = 1 << 10
	return s.options.MaxWorlds > 0 && s.seen.count >= s.options.MaxWorlds ||
		s.options.Stop != nil && s.looked%often == 0 && s.options.Stop()
}

// queue is worlds in their encoding, in pages that are given back as they are read.
type queue struct {
	pages [][]byte
	count int
}

func (q *queue) push(w *world, nodes int) {
	const page, most = 1 << 16, 1 << 10
	if n := len(q.pages); n == 0 || len(q.pages[n-1])+most > page {
		q.pages = append(q.pages, make([]byte, 0, page))
	}
	last := &q.pages[len(q.pages)-1]
	*last = w.encode(*last, nodes)
	q.count++
}

func (q *queue) pop(w *world, nodes int) bool {
	if q.count == 0 {
		return false
	}
	if q.pages[0] = w.decode(q.pages[0], nodes); len(q.pages[0]) == 0 {
		q.pages[0], q.pages = nil, q.pages[1:]
	}
	q.count--
	return true
}
