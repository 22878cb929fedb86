package node

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"drystone/disk"
	"drystone/rsm"
)

// A disk that hangs: fdatasync does not return, and gives no error either.

// hangable starts nodes on disks whose fdatasyncs can be held.
func hangable(t *testing.T, nodes int, diskTimeout, election time.Duration) (
	*cluster, map[uint64]*gate,
) {
	t.Helper()
	c, gates := newCluster(t, nodes), map[uint64]*gate{}
	for id, config := range c.configs {
		config.DiskTimeout, config.Election, config.Heartbeat = diskTimeout, election, election/10
		c.configs[id], c.mems[id], gates[id] = config, disk.NewMem(id), new(gate)
		c.mems[id].SetHook(gates[id].hook)
		t.Cleanup(gates[id].release) // no node closes behind a disk that hangs
	}
	for id := range c.configs {
		c.start(id)
	}
	return c, gates
}

// tryDo has a command tried for a short while, and gives what its caller hears.
func tryDo(n *Node, command string, within time.Duration) rsm.Result {
	ctx, cancel := context.WithTimeout(context.Background(), within)
	defer cancel()
	r, _ := n.Do(ctx, request(command))
	return r
}

// tryRead is the same for a linearizable read: a code, or "" if it was answered.
func tryRead(n *Node, within time.Duration) rsm.Code {
	ctx, cancel := context.WithTimeout(context.Background(), within)
	defer cancel()
	return n.Query(ctx, nil, rsm.ReadOptions{}).Code
}

// same waits until all nodes have the same tape, with each of the commands once, and returns it.
func (c *cluster) same(commands ...string) string {
	c.t.Helper()
	var tape string
	for id, n := range c.nodes {
		got := tapeOf(c.t, n)
		if tape == "" {
			tape = got
		}
		if got != tape {
			c.t.Errorf("node %d has %q, and another has %q", id, got, tape)
		}
	}
	for _, command := range commands {
		if n := strings.Count(" "+tape+" ", " "+command+" "); n != 1 {
			c.t.Errorf("%q is there %d times: %q", command, n, tape)
		}
	}
	return tape
}

// A leader whose fdatasync hangs gives up within the disk timeout, and another serves within three
// times that and the election timeout. It says why, answers nothing it cannot know, and follows
// when its disk is back.
func TestLeaderDiskHangs(t *testing.T) {
	t.Parallel() // it mostly waits
	const diskTimeout, election = time.Second, 500 * time.Millisecond
	c, gates := hangable(t, 3, diskTimeout, election)
	old := c.leader()
	do(t, c.nodes[old], "a")
	term := c.nodes[old].status().Term
	gates[old].hold()
	began := time.Now()
	stuck := make(chan rsm.Result, 1)
	go func() { stuck <- tryDo(c.nodes[old], "b", patience) }()
	var next *Node
	eventually(t, "another leads", func() bool {
		for id, n := range c.nodes {
			if s := n.status(); id != old && s.Role == "leader" && s.Term > term {
				next = n
			}
		}
		return next != nil
	})
	do(t, next, "c")
	took := time.Since(began)
	if limit := 3 * (diskTimeout + election); took > limit {
		t.Errorf("a write under another leader after %v, more than %v", took, limit)
	}
	t.Logf("another leader served after %v", took)
	if s := c.nodes[old].status(); s.Health != rsm.HealthDiskStalled || s.Role == "leader" {
		t.Errorf("the node whose disk hangs is %s, and says %s: %s", s.Role, s.Health, s.Reason)
	}
	// Nothing of the new term is durable there, so none of it was applied: no answer is right.
	if code := tryRead(c.nodes[old], election); code == "" {
		t.Error("it answered a read")
	}
	if r := tryDo(c.nodes[old], "d", election); r.Outcome == rsm.Applied {
		t.Errorf("it acknowledged: %+v", r)
	}
	gates[old].release()
	if r := <-stuck; r.Outcome != rsm.Applied {
		t.Errorf("what waited for the disk ended as %+v", r)
	}
	eventually(t, "it follows", func() bool {
		s := c.nodes[old].status()
		return s.Health == rsm.HealthOK && s.Role == "follower"
	})
	do(t, c.nodes[old], "e")
	c.same("a", "b", "c", "e")
}

// The disk of a follower that hangs is nobody else's concern.
func TestFollowerDiskHangs(t *testing.T) {
	c, gates := hangable(t, 3, 200*time.Millisecond, time.Second)
	leader, hangs := c.leader(), c.follower()
	do(t, c.nodes[leader], "a")
	before := c.nodes[leader].status()
	gates[hangs].hold()
	var wrote []string
	for i := 0; c.nodes[hangs].status().Health != rsm.HealthDiskStalled; i++ {
		wrote = append(wrote, fmt.Sprint("w", i))
		do(t, c.nodes[leader], wrote[i])
	}
	if r := tryDo(c.nodes[hangs], "b", 200*time.Millisecond); r.Outcome == rsm.Applied {
		t.Errorf("it acknowledged what it has not applied: %+v", r)
	}
	do(t, c.nodes[leader], "c")
	if s := c.nodes[leader].status(); s.Role != "leader" || s.Term != before.Term {
		t.Errorf("the leader of term %d is %s of term %d", before.Term, s.Role, s.Term)
	}
	gates[hangs].release()
	eventually(t, "it is well", func() bool {
		return c.nodes[hangs].status().Health == rsm.HealthOK
	})
	c.same(append(wrote, "a", "c")...)
}

// A cluster of one has nobody else to turn to: callers are answered in time, with what is known.
func TestOnlyDiskHangs(t *testing.T) {
	c, gates := hangable(t, 1, 200*time.Millisecond, 100*time.Millisecond)
	n := c.nodes[c.leader()]
	do(t, n, "a")
	gates[1].hold()
	if r := tryDo(n, "b", 100*time.Millisecond); r.Outcome != rsm.Unknown {
		t.Errorf("what is in the log ended as %+v", r)
	}
	eventually(t, "it gives up", func() bool {
		s := n.status()
		return s.Health == rsm.HealthDiskStalled && s.Role != "leader"
	})
	if r := tryDo(n, "c", 100*time.Millisecond); r.Outcome != rsm.NotApplied {
		t.Errorf("what never got into the log ended as %+v", r)
	}
	if code := tryRead(n, 100*time.Millisecond); code == "" {
		t.Error("it answered a read")
	}
	gates[1].release()
	do(t, n, "d")
	if got := tapeOf(t, n); got != "a b d" {
		t.Errorf("read %q", got)
	}
	eventually(t, "it is well", func() bool { return n.status().Health == rsm.HealthOK })
}

// A vote that the disk does not hold is none: where it is needed, nobody leads.
func TestNoVoteWhileDiskHangs(t *testing.T) {
	const diskTimeout, election = 300 * time.Millisecond, 200 * time.Millisecond
	c, gates := hangable(t, 3, diskTimeout, election)
	old := c.leader()
	gone := c.follower()
	do(t, c.nodes[old], "a")
	c.kill(gone)
	c.leader()
	other := c.follower()
	gates[old].hold()
	if r := tryDo(c.nodes[other], "b", diskTimeout); r.Outcome != rsm.Unknown {
		t.Errorf("one disk of three is no majority: %+v", r)
	}
	eventually(t, "it gives up", func() bool { return c.nodes[old].status().Role != "leader" })
	term := c.nodes[other].status().Term
	eventually(t, "the other stands again and again", func() bool {
		for id, n := range c.nodes {
			if s := n.status(); s.Role == "leader" {
				t.Fatalf("node %d leads in term %d", id, s.Term)
			}
		}
		return c.nodes[other].status().Term >= term+3
	})
	for id, n := range c.nodes {
		if code := tryRead(n, election); code == "" {
			t.Errorf("node %d answered a read", id)
		}
	}
	gates[old].release()
	do(t, c.nodes[other], "c")
	c.start(gone)
	c.leader()
	c.same("a", "b", "c")
}

// The node with the longest log cannot lead while its disk hangs, and what it alone has must not
// hold up the others.
func TestDiskHangsOfWhoIsAhead(t *testing.T) {
	c, gates := hangable(t, 3, 300*time.Millisecond, 500*time.Millisecond)
	ahead := c.leader()
	do(t, c.nodes[ahead], "a")
	eventually(t, "all have it", func() bool {
		for _, n := range c.nodes {
			if n.status().Durable < c.nodes[ahead].status().LastIndex {
				return false
			}
		}
		return true
	})
	var others []uint64
	for id := range c.nodes {
		if id != ahead {
			others = append(others, id)
		}
	}
	last := c.nodes[ahead].status().LastIndex
	for _, id := range others {
		c.kill(id)
	}
	// It may have noticed that it is alone before the request came into its log.
	if r := tryDo(c.nodes[ahead], "x", 100*time.Millisecond); r.Outcome == rsm.Applied {
		t.Errorf("it acknowledged alone: %+v", r)
	}
	if s := c.nodes[ahead].status(); s.Durable != s.LastIndex {
		t.Errorf("%d of %d entries are durable", s.Durable, s.LastIndex)
	}
	if s := c.nodes[ahead].status(); s.LastIndex <= last {
		t.Errorf("it is not ahead: its log ends at %d", s.LastIndex)
	}
	eventually(t, "it gives up", func() bool { return c.nodes[ahead].status().Role != "leader" })
	gates[ahead].hold()
	c.start(others...)
	do(t, c.nodes[others[0]], "b")
	for _, id := range others {
		if s := c.nodes[id].status(); s.LeaderID == ahead {
			t.Errorf("node %d follows node %d, whose disk hangs", id, ahead)
		}
	}
	gates[ahead].release()
	do(t, c.nodes[ahead], "c")
	if tape := c.same("a", "b", "c"); strings.Count(tape, "x") > 1 {
		t.Errorf("read %q", tape)
	}
}

// Disks that need longer than an election timeout, and less than the disk timeout, are slow and
// no more: nobody stands, and writes go on.
func TestSlowDisks(t *testing.T) {
	t.Parallel()
	const election, pause = 500 * time.Millisecond, 600 * time.Millisecond
	for _, all := range []bool{true, false} {
		t.Run(fmt.Sprintf("all=%v", all), func(t *testing.T) {
			t.Parallel()
			c, _ := hangable(t, 3, 20*time.Second, election)
			leader := c.leader()
			do(t, c.nodes[leader], "a")
			before := c.nodes[leader].status()
			for id := range c.nodes {
				if all || id == leader {
					c.mems[id].SetHook(slow(pause))
				}
			}
			began := time.Now()
			for i := range 4 {
				do(t, c.nodes[leader], fmt.Sprint("w", i))
			}
			if took := time.Since(began); took < 4*pause {
				t.Errorf("four writes took %v: the disks were not slow", took)
			}
			for id, n := range c.nodes {
				if s := n.status(); s.Term != before.Term || s.LeaderID != leader {
					t.Errorf("node %d led in term %d; node %d is %s of term %d", leader, before.Term, id,
						s.Role, s.Term)
				}
				c.mems[id].SetHook(nil)
			}
			c.same("a", "w0", "w1", "w2", "w3")
		})
	}
}

// slow has every fdatasync take a while.
func slow(pause time.Duration) func(disk.Op) error {
	return func(op disk.Op) error {
		if op.Kind == disk.OpDatasync {
			<-time.After(pause)
		}
		return nil
	}
}
