// Package torture runs a real cluster, real processes on this machine, through bad days: nodes
// are killed, paused and stopped, disks fill up, links lose, double, delay, hold back and break.
// Clients go on all the while, and all that they ask and are told goes to a history
// (torture/history) that a check (torture/check) can judge.
package torture

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"drystone/torture/check"
	"drystone/torture/history"
)

const (
	firstPatience   = 60 * time.Second // for the first start
	reunionPatience = 60 * time.Second // for the nodes to come together after the last fault
	progressPause   = 250 * time.Millisecond
)

// NodesMax bounds a cluster: every pair of nodes has two lines.
const NodesMax = 9

// Options are what a run is made with. All fields are needed but those that say otherwise.
type Options struct {
	Nodes   int // 1 to NodesMax
	For     time.Duration
	Faults  []string // of FaultNames; none for a quiet run
	Engine  string   // passed on to the nodes
	Seed    uint64   // decides which faults come and what clients ask, but not when it takes place
	Clients int
	Rate    float64 // operations that all clients begin in a second, together
	File    string  // where the history goes

	Binary   string            // the drystone to run
	Version  string            // for the history
	Flags    map[string]string // for the history; may be nil
	Dir      string            // where the nodes' directories go; "" for the system's temporary one
	Progress func(Progress)    // called now and then; may be nil
}

// Progress is how far a run is.
type Progress struct {
	At            time.Duration // since it began
	Doing         string        // "starting", "running", "settling"
	Ops, Acked    int64         // requests; applied
	Refused       int64         // not applied
	Unknown       int64
	Leader        int // 0: none known
	Term          uint64
	FaultsRunning []string
	FaultsSoFar   int
}

// Result is what came of a run.
type Result struct {
	Progress                // at its end
	Faults   map[string]int // by class
	DiskFull int            // full disks that their nodes told of
	Led      int            // terms that had a leader
	LeftOut  string         // why faults that were asked for could not be had; "" if none were

	Problems    []string // what broke
	Interrupted bool     // ctx ended first: nothing more was checked
	Kept        string   // the nodes' directories and logs, kept since something broke; "" if not
	Pushes      int      // values acknowledged
	Stacks      int
}

// OK says that the run went to its end and nothing broke.
func (r *Result) OK() bool { return len(r.Problems) == 0 && !r.Interrupted }

// run is one run under way.
type run struct {
	options Options
	began   time.Time
	cluster *cluster
	watch   *watch
	out     *history.Writer
	caller  *Caller
	load    *load
	storm   *storm
	result  Result
	doing   string
}

// Run runs. When ctx ends, it ends early. Whatever it returns, no process that it started is
// left. The error says why there could be no run at all.
func Run(ctx context.Context, o Options) (_ *Result, err error) {
	home, err := os.MkdirTemp(o.Dir, "drystone-torture-")
	if err != nil {
		return nil, err
	}
	r := &run{options: o, began: time.Now(), doing: "starting"}
	defer func() {
		if r.result.Kept == "" {
			os.RemoveAll(home)
		}
	}()
	file, err := os.Create(o.File)
	if err != nil {
		return nil, err
	}
	defer func() {
		file.Close()
		if err != nil {
			os.Remove(o.File) // nothing was asked
		}
	}()
	if r.cluster, err = layOut(&o, home); err != nil {
		return nil, err
	}
	defer r.cluster.close()
	names, err := r.faults()
	if err != nil {
		return nil, err
	}
	r.prepare(file)
	defer r.caller.Close()
	defer r.watch.http.CloseIdleConnections()
	if err := r.start(ctx); err != nil {
		return nil, err
	}
	r.live(ctx, names)
	r.judge(ctx, file)
	if len(r.result.Problems) > 0 {
		r.cluster.finish() // before their files are copied
		r.result.Kept = home
		if err := r.cluster.keep(); err != nil {
			r.result.Problems = append(r.result.Problems, fmt.Sprintf("a small disk can't be saved: %v",
				err))
		}
	}
	return &r.result, nil
}

// faults are those to let loose. One that can't be had is left out.
func (r *run) faults() ([]string, error) {
	names := slices.Clone(r.options.Faults)
	for _, name := range names {
		if !slices.Contains(FaultNames(), name) {
			return nil, fmt.Errorf("there is no fault %q", name)
		}
	}
	if i := slices.Index(names, "diskfull"); i >= 0 && r.cluster.noted != "" {
		names = slices.Delete(names, i, i+1)
		r.result.LeftOut = "diskfull, which needs the right to mount a small disk: " + r.cluster.noted
		if len(names) == 0 {
			return nil, errors.New("the only fault that was asked for can't be had: " + r.result.LeftOut)
		}
	}
	return names, nil
}

func (r *run) now() int64 { return time.Since(r.began).Nanoseconds() }

func (r *run) prepare(out io.Writer) {
	o := &r.options
	r.out = history.NewWriter(out, history.Header{
		Version: o.Version, Seed: o.Seed, Began: r.began.UTC().Format(time.RFC3339), Nodes: o.Nodes,
		Clients: o.Clients, Engine: o.Engine, Flags: o.Flags,
	})
	r.watch = newWatch(r.cluster)
	r.caller = newCaller(r.cluster, r.now)
	r.load = newLoad(o, r.caller, r.out)
	r.storm = &storm{
		cluster: r.cluster, watch: r.watch, out: r.out, now: r.now, running: map[int]string{},
		counts: map[string]int{}, random: rand.New(rand.NewPCG(o.Seed, 0)),
	}
}

// start waits until the cluster works, before anything goes wrong.
func (r *run) start(ctx context.Context) error {
	if err := r.cluster.start(); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, firstPatience)
	defer cancel()
	for ctx.Err() == nil {
		rest(ctx, watchPause/4)
		r.report()
		ready := 0
		for _, v := range r.watch.look(ctx) {
			if v.ok && v.LeaderID != 0 && v.Applied > 0 {
				ready++
			}
		}
		if ready == len(r.cluster.nodes) {
			return nil
		}
		if ended := r.cluster.takeEnded(); len(ended) > 0 {
			return fmt.Errorf("node %d ended before it served: %s", ended[0].node.id, ended[0].how)
		}
	}
	if errors.Is(ctx.Err(), context.Canceled) {
		return ctx.Err()
	}
	return fmt.Errorf("the cluster did not form within %v: %s", firstPatience,
		viewWords(r.watch.look(context.Background())))
}

// live is the run proper: load and faults, then the load alone while all heals.
func (r *run) live(ctx context.Context, names []string) {
	r.doing = "running"
	background, enough := context.WithCancel(ctx)
	var helpers sync.WaitGroup
	defer helpers.Wait()
	defer enough()
	helpers.Go(func() { r.watch.run(background) })
	helpers.Go(func() { r.reportAlways(background) })
	helpers.Go(func() { r.storm.nurse(background) })
	r.load.start(ctx, r.options.Clients, r.options.Seed)

	stormy, calm := context.WithTimeout(ctx, r.options.For)
	defer calm()
	stop := context.AfterFunc(ctx, r.cluster.finish) // nobody waits for a run that is given up
	defer stop()
	r.storm.run(stormy, names)
	r.load.stop.Store(true)
	r.load.wait.Wait()
	if ctx.Err() == nil {
		r.settle(ctx)
	}
}

// settle waits until all nodes agree, and reads every stack.
func (r *run) settle(ctx context.Context) {
	if wrong := r.cluster.settle(ctx, r.watch, reunionPatience); wrong != "" && ctx.Err() == nil {
		r.accuse("%s", wrong)
	}
	unread := r.load.lastReads(ctx, rand.New(rand.NewPCG(r.options.Seed, 0)))
	if len(unread) > 0 && ctx.Err() == nil {
		r.accuse("%d stacks could not be read at the end, such as %s", len(unread), unread[0])
	}
}

// judge ends the history, and checks what can be checked at once.
func (r *run) judge(ctx context.Context, file *os.File) {
	res := &r.result
	res.Interrupted = ctx.Err() != nil
	if err := r.out.End(r.now(), res.Interrupted); err != nil {
		r.accuse("the history could not be written: %v", err)
	}
	r.storm.mu.Lock()
	res.Problems = append(res.Problems, r.storm.wrong...)
	res.DiskFull = r.storm.noticed
	r.storm.mu.Unlock()
	r.load.mu.Lock()
	res.Problems = append(res.Problems, r.load.strange...)
	r.load.mu.Unlock()
	res.Faults = r.storm.counted()
	res.Progress = r.progress()
	_, _, res.Led = r.watch.leading()
	res.Stacks = len(r.load.stacks())

	if _, err := file.Seek(0, io.SeekStart); err != nil {
		r.accuse("the history can't be read again: %v", err)
		return
	}
	h, err := history.Read(file)
	if err != nil {
		r.accuse("the history can't be read again: %v", err)
		return
	}
	verdict := check.Quick(h)
	res.Pushes = verdict.Pushes
	for _, p := range verdict.Problems {
		r.accuse("%s", p)
	}
}

func (r *run) accuse(format string, args ...any) {
	r.result.Problems = append(r.result.Problems, fmt.Sprintf(format, args...))
}

func (r *run) progress() Progress {
	leader, term, _ := r.watch.leading()
	p := Progress{
		At: time.Since(r.began), Doing: r.doing, Ops: r.load.ops.Load(), Acked: r.load.acked.Load(),
		Refused: r.load.refused.Load(), Unknown: r.load.unknown.Load(), Leader: leader, Term: term,
		FaultsRunning: r.storm.underWay(),
	}
	for _, n := range r.storm.counted() {
		p.FaultsSoFar += n
	}
	if r.load.stop.Load() {
		p.Doing = "settling"
	}
	return p
}

func (r *run) report() {
	if r.options.Progress != nil {
		r.options.Progress(r.progress())
	}
}

func (r *run) reportAlways(ctx context.Context) {
	for ctx.Err() == nil {
		r.report()
		rest(ctx, progressPause)
	}
}

// String is the whole result in a line.
func (r *Result) String() string {
	var faults []string
	for _, name := range append(FaultNames(), "ended") {
		if n := r.Faults[name]; n > 0 {
			faults = append(faults, fmt.Sprintf("%s=%d", name, n))
		}
	}
	if faults == nil {
		faults = []string{"none"}
	}
	verdict := "ok"
	switch {
	case len(r.Problems) > 0:
		verdict = "FAIL"
	case r.Interrupted:
		verdict = "interrupted"
	}
	if r.Faults["diskfull"] > 0 {
		faults = append(faults, fmt.Sprintf("(%d disks told as full)", r.DiskFull))
	}
	return fmt.Sprintf("ops=%d acked=%d refused=%d unknown=%d pushed=%d stacks=%d faults: %s "+
		"elections=%d term=%d took=%s %s", r.Ops, r.Acked, r.Refused, r.Unknown, r.Pushes, r.Stacks,
		strings.Join(faults, " "), max(0, r.Led-1), r.Term, r.At.Round(time.Millisecond), verdict)
}
