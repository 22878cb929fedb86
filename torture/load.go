package torture

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"drystone/torture/history"
)

const (
	clientsOfStack = 3   // that share one at a time
	opsOfStack     = 200 // then they go on to a fresh one
	doubtsOfStack  = 3   // or after so many outcomes that will never be known

	// A write with a key is repeated until it is settled, for less time than the cluster keeps
	// the first answer.
	settlePatience = 30 * time.Second

	attemptMin, attemptMax = 800 * time.Millisecond, 2500 * time.Millisecond
	retryMin, retryMax     = 20 * time.Millisecond, 200 * time.Millisecond
	pushMax                = 3 // values of one push
)

// plot is a succession of stacks that some clients share. Short histories of few clients are what
// a check can decide, so no stack lasts.
type plot struct {
	number int

	mu     sync.Mutex
	stack  int
	ops    int
	doubts int
	names  []string // all there were
}

// name is the stack to use for one more operation.
func (p *plot) name() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.ops >= opsOfStack || p.doubts >= doubtsOfStack || p.names == nil {
		p.stack++
		p.ops, p.doubts = 0, 0
		p.names = append(p.names, fmt.Sprintf("s%d-%d", p.number, p.stack))
	}
	p.ops++
	return p.names[len(p.names)-1]
}

// doubt notes an outcome that will never be known.
func (p *plot) doubt(stack string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if stack == p.names[len(p.names)-1] {
		p.doubts++
	}
}

func (p *plot) all() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.names)
}

// load is clients that push, pop and read at a rate, whatever happens to the nodes.
type load struct {
	caller *Caller
	out    *history.Writer
	nodes  int
	pause  time.Duration // of a client between operations, on average
	plots  []*plot
	stop   atomic.Bool // begin nothing new
	wait   sync.WaitGroup

	ops, acked, refused, unknown atomic.Int64 // requests, by what became of them

	mu      sync.Mutex
	strange []string // answers that no client may get; a few
}

func newLoad(o *Options, c *Caller, out *history.Writer) *load {
	l := &load{
		caller: c, out: out, nodes: o.Nodes,
		pause: time.Duration(float64(o.Clients) / o.Rate * float64(time.Second)),
	}
	for i := range max(1, o.Clients/clientsOfStack) {
		l.plots = append(l.plots, &plot{number: i + 1})
	}
	return l
}

// start starts the clients. They end with ctx at once, or after stop with what they are at.
func (l *load) start(ctx context.Context, clients int, seed uint64) {
	for i := range clients {
		c := &loadClient{
			load: l, id: i, plot: l.plots[i%len(l.plots)], node: 1 + i%l.nodes,
			random: rand.New(rand.NewPCG(seed, uint64(i)+1)),
		}
		l.wait.Go(func() { c.run(ctx) })
	}
}

// stacks are the names of all that were used.
func (l *load) stacks() (names []string) {
	for _, p := range l.plots {
		names = append(names, p.all()...)
	}
	return names
}

// attempt sends one request and writes down what became of it.
func (l *load) attempt(
	ctx context.Context, op history.Op, node int, patience time.Duration,
) history.Op {
	op = l.caller.Do(ctx, op, node, patience)
	l.out.Op(op)
	l.ops.Add(1)
	switch op.Outcome {
	case history.Applied:
		l.acked.Add(1)
	case history.NotApplied:
		l.refused.Add(1)
	default:
		l.unknown.Add(1)
	}
	if op.Code != "" && !expected[op.Code] {
		l.mu.Lock()
		defer l.mu.Unlock()
		if len(l.strange) < 5 {
			l.strange = append(l.strange, fmt.Sprintf("client %d, %s on stack %s, key %q, was answered "+
				"%s (%s) by node %d at %.3fs", op.Client, op.Op, op.Args.Stack, op.Key, op.Code,
				op.Outcome, op.Node, float64(op.ReturnNs)/1e9))
		}
	}
	return op
}

// lastReads reads every stack whole, once nothing else is under way, and names those that could
// not be read.
func (l *load) lastReads(ctx context.Context, random *rand.Rand) (unread []string) {
	for _, stack := range l.stacks() {
		op := history.Op{Op: history.Items, Args: history.Args{Stack: stack}}
		for try := 0; ; try++ {
			got := l.attempt(ctx, op, 1+random.IntN(l.nodes), 5*time.Second)
			if got.Outcome == history.Applied {
				break
			}
			if try == 10 || ctx.Err() != nil {
				unread = append(unread, stack)
				break
			}
			rest(ctx, retryMax)
		}
	}
	return unread
}

// loadClient is one client: one operation at a time.
type loadClient struct {
	load   *load
	id     int
	plot   *plot
	random *rand.Rand
	node   int // who answered last
	made   int // operations begun
}

func (c *loadClient) run(ctx context.Context) {
	for ctx.Err() == nil && !c.load.stop.Load() {
		rest(ctx, time.Duration(c.random.ExpFloat64()*float64(c.load.pause)))
		if ctx.Err() != nil || c.load.stop.Load() {
			return
		}
		c.made++
		op := c.draw()
		switch {
		case op.Key != "":
			c.settle(ctx, op)
		case op.Op == history.Push || op.Op == history.Pop:
			c.dare(ctx, op)
		default:
			c.attempt(ctx, op)
		}
	}
}

// draw is the next operation. Values and keys are never used twice.
func (c *loadClient) draw() history.Op {
	op := history.Op{Client: c.id, Args: history.Args{Stack: c.plot.name()}}
	switch n := c.random.IntN(100); {
	case n < 42:
		op.Op = history.Push
		for i := range 1 + c.random.IntN(pushMax)*c.random.IntN(2) {
			op.Args.Values = append(op.Args.Values, fmt.Sprintf("c%d-%d.%d", c.id, c.made, i))
		}
	case n < 76:
		op.Op = history.Pop
		op.Args.Count = 1 + c.random.IntN(pushMax)*c.random.IntN(2)
	case n < 88:
		op.Op = history.Top
	default:
		op.Op = history.Size
	}
	if (op.Op == history.Push || op.Op == history.Pop) && c.random.IntN(10) < 6 {
		op.Key = fmt.Sprintf("k%d-%d", c.id, c.made)
	}
	return op
}

// attempt asks the node that answered last, mostly.
func (c *loadClient) attempt(ctx context.Context, op history.Op) history.Op {
	node := c.node
	if c.random.IntN(4) == 0 {
		node = 1 + c.random.IntN(c.load.nodes)
	}
	patience := attemptMin + time.Duration(c.random.Int64N(int64(attemptMax-attemptMin)))
	op = c.load.attempt(ctx, op, node, patience)
	if op.Outcome == history.Applied {
		c.node = node
	} else {
		c.node = 1 + c.random.IntN(c.load.nodes)
	}
	return op
}

// dare sends a write without a key. It may be repeated only when it was refused.
func (c *loadClient) dare(ctx context.Context, op history.Op) {
	for range 5 {
		switch c.attempt(ctx, op).Outcome {
		case history.Applied:
			return
		case history.Unknown:
			c.plot.doubt(op.Args.Stack)
			return
		}
		c.pauseBeforeRetry(ctx)
	}
}

// settle repeats a write with a key until it was applied; and now and then once more, elsewhere:
// the answer must be the first one.
func (c *loadClient) settle(ctx context.Context, op history.Op) {
	until := time.Now().Add(settlePatience)
	doubt := false
	for {
		switch c.attempt(ctx, op).Outcome {
		case history.Applied:
			for c.random.IntN(8) == 0 {
				c.load.attempt(ctx, op, 1+c.random.IntN(c.load.nodes), attemptMax)
			}
			return
		case history.Unknown:
			doubt = true
		}
		if ctx.Err() != nil || time.Now().After(until) {
			if doubt {
				c.plot.doubt(op.Args.Stack)
			}
			return
		}
		c.pauseBeforeRetry(ctx)
	}
}

func (c *loadClient) pauseBeforeRetry(ctx context.Context) {
	rest(ctx, retryMin+time.Duration(c.random.Int64N(int64(retryMax-retryMin))))
}

// rest waits, unless ctx ends before.
func rest(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}
