package torture

import (
	"context"
	"math/rand/v2"
	"os"
	"strings"
	"testing"
	"time"

	"drystone/rsm"
	"drystone/torture/history"
	"drystone/torture/proxy"
)

const patience = 20 * time.Second

// calm is a cluster that works, without load and faults.
func calm(t *testing.T) *run {
	t.Helper()
	r := &run{options: options(t), began: time.Now()}
	home := t.TempDir()
	var err error
	if r.cluster, err = layOut(&r.options, home); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.cluster.close)
	file, err := os.Create(r.options.File)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { file.Close() })
	r.prepare(file)
	if err := r.start(t.Context()); err != nil {
		t.Fatal(err)
	}
	return r
}

// push is one write through any node, repeated until it is applied.
func (r *run) push(t *testing.T, value string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	op := history.Op{
		Op: history.Push, Key: value, Args: history.Args{Stack: "s", Values: []string{value}},
	}
	for try := 0; ctx.Err() == nil; try++ {
		if r.caller.Do(ctx, op, 1+try%len(r.cluster.nodes), time.Second).Outcome == history.Applied {
			return
		}
		rest(ctx, 10*time.Millisecond)
	}
	t.Fatalf("%s could not be pushed within %v", value, patience)
}

// until waits for something that the nodes say.
func (r *run) until(t *testing.T, what string, ok func([]view) bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	for ctx.Err() == nil {
		if ok(r.watch.look(ctx)) {
			return
		}
		rest(ctx, 10*time.Millisecond)
	}
	t.Fatalf("waited in vain for %s: %s", what, viewWords(r.watch.look(t.Context())))
}

// TestEveryFault: each class strikes, says what it did, and is over when it is lifted.
func TestEveryFault(t *testing.T) {
	t.Parallel()
	r := calm(t)
	s := r.storm
	for i, c := range classes {
		if c.name == "diskfull" && r.cluster.noted != "" {
			t.Logf("no small disk here: %s", r.cluster.noted)
			continue
		}
		detail, lift := c.strike(s)
		if detail == "" {
			t.Errorf("%s does not strike", c.name)
			continue
		}
		switch c.name {
		case "kill", "restart", "pause":
			r.until(t, detail, func(views []view) bool {
				for _, v := range views {
					if !v.ok {
						return true
					}
				}
				return false
			})
		case "diskfull":
			n := r.cluster.nodes[len(r.cluster.nodes)-1]
			if err := n.disk.there(func() error {
				return os.WriteFile(n.disk.path+"/more", []byte("x"), 0o600)
			}); err == nil || !strings.Contains(err.Error(), "no space") {
				t.Errorf("the disk of node %d is not full: %v", n.id, err)
			}
		}
		lift()
		r.push(t, c.name)
		t.Logf("%d %s: %s", i, c.name, detail)
	}
	if wrong := r.cluster.settle(t.Context(), r.watch, patience); wrong != "" {
		t.Error(wrong)
	}
	if len(s.wrong) > 0 || len(r.cluster.takeEnded()) > 0 {
		t.Errorf("%v; ended: %v", s.wrong, r.cluster.ended)
	}
}

// TestAllLinks: when no link carries anything nobody leads, so no word goes past the lines.
func TestAllLinks(t *testing.T) {
	t.Parallel()
	r := calm(t)
	lift := impose(r.cluster.lines()[len(r.cluster.front):], proxy.Faults{Hold: true})
	r.until(t, "no leader", func(views []view) bool {
		for _, v := range views {
			if !v.ok || v.Role == "leader" || v.Health != rsm.HealthNoLeader {
				return false
			}
		}
		return true
	})
	op := history.Op{Op: history.Size, Args: history.Args{Stack: "s"}}
	if got := r.caller.Do(t.Context(), op, 1, 300*time.Millisecond); got.Outcome == history.Applied {
		t.Errorf("a read without a leader is answered: %+v", got)
	}
	lift()
	r.push(t, "after")
}

// TestStormEnds: nothing that a storm did outlasts it, and it writes down what it did.
func TestStormEnds(t *testing.T) {
	t.Parallel()
	r := calm(t)
	r.storm.random = rand.New(rand.NewPCG(2, 0))
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
	defer cancel()
	r.storm.run(ctx, []string{"partition", "slow", "loss", "oneway", "delay"})
	if left := r.storm.underWay(); len(left) > 0 {
		t.Errorf("%v go on", left)
	}
	total := 0
	for _, n := range r.storm.counted() {
		total += n
	}
	if err := r.out.End(r.now(), false); err != nil {
		t.Fatal(err)
	}
	if h := read(t, r.options.File); total == 0 || len(h.Faults) != total {
		t.Errorf("%d faults, %d written down", total, len(h.Faults))
	}
	r.push(t, "after")
}
