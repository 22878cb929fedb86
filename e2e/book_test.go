package e2e

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"drystone/internal/proc"
	"drystone/torture"
	"drystone/torture/check"
	"drystone/torture/history"
)

// book keeps the history of clients, to be judged at the end. They share one stack, and go on to a
// fresh one after some operations: what a check can decide is short.
type book struct {
	caller   *torture.Caller
	nodes    int
	patience time.Duration // of a reader or writer with one attempt
	stop     atomic.Bool   // begin nothing new
	wait     sync.WaitGroup

	mu    sync.Mutex
	ops   []history.Op
	stack int
	used  int // operations on it
}

const opsOfStack = 150

func newBook(t *testing.T, c *proc.Cluster) *book {
	var addresses []string
	for _, n := range c.Nodes {
		addresses = append(addresses, n.HTTP)
	}
	began := time.Now()
	now := func() int64 { return time.Since(began).Nanoseconds() }
	b := &book{
		caller: torture.NewCaller(addresses, now), nodes: len(addresses), patience: 2 * time.Second,
	}
	t.Cleanup(b.caller.Close)
	return b
}

// name is the stack for one more operation.
func (b *book) name() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.used++; b.used > opsOfStack {
		b.stack++
		b.used = 1
	}
	return fmt.Sprintf("book-%d", b.stack)
}

// do asks a node once and writes down what became of it.
func (b *book) do(op history.Op, node int, patience time.Duration) history.Op {
	op = b.caller.Do(context.Background(), op, node, patience)
	b.mu.Lock()
	defer b.mu.Unlock()
	b.ops = append(b.ops, op)
	return op
}

// reader reads one node after the other, every one of those in turn.
func (b *book) reader(client int, nodes []int, pause time.Duration) {
	kinds := []string{history.Size, history.Top, history.Items}
	b.wait.Go(func() {
		for i := 0; !b.stop.Load(); i++ {
			op := history.Op{Client: client, Op: kinds[i%len(kinds)], Args: history.Args{Stack: b.name()}}
			b.do(op, nodes[(client+i)%len(nodes)], b.patience)
			<-time.After(rand.N(2 * pause))
		}
	})
}

// writer pushes and pops through some nodes, each time under a key until it is answered.
func (b *book) writer(t *testing.T, client int, nodes []int, pause time.Duration) {
	b.wait.Go(func() {
		for i := 0; !b.stop.Load(); i++ {
			op := history.Op{Client: client, Op: history.Push, Args: history.Args{Stack: b.name()}}
			op.Key = fmt.Sprintf("book-%d-%d", client, i)
			if i%5 > 2 {
				op.Op, op.Args.Count = history.Pop, 1
			} else {
				op.Args.Values = []string{fmt.Sprintf("c%d-%d", client, i)}
			}
			limit := time.Now().Add(time.Minute)
			for {
				got := b.do(op, nodes[rand.IntN(len(nodes))], b.patience)
				if got.Outcome == history.Applied {
					break
				}
				if time.Now().After(limit) {
					t.Errorf("client %d: %s under %s is not answered for a minute: %s", client, op.Op, op.Key,
						got.Code)
					return
				}
				<-time.After(rand.N(20 * time.Millisecond))
			}
			<-time.After(rand.N(2 * pause))
		}
	})
}

// judge ends all clients, reads every stack whole, and checks the history.
func (b *book) judge(t *testing.T) *check.Report {
	t.Helper()
	b.stop.Store(true)
	b.wait.Wait()
	for i := range b.stack + 1 {
		op := history.Op{Op: history.Items, Args: history.Args{Stack: fmt.Sprintf("book-%d", i)}}
		limit := time.Now().Add(time.Minute)
		for b.do(op, 1+i%b.nodes, 5*time.Second).Outcome != history.Applied {
			if time.Now().After(limit) {
				t.Fatalf("stack %s can't be read", op.Args.Stack)
			}
		}
	}
	r := check.All(&history.History{Ops: b.ops}, 2*time.Minute)
	for _, p := range r.Problems {
		t.Error(p)
	}
	if len(r.Undecided) > 0 {
		t.Errorf("no order was found in time for %s", strings.Join(r.Undecided, ", "))
	}
	return r
}

func from1(n int) (all []int) {
	for i := range n {
		all = append(all, i+1)
	}
	return all
}
