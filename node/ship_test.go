package node_test

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"drystone/node"
	"drystone/rsm"
	"drystone/store"
)

// trio is three nodes whose ways to each other a test can hold.
type trio struct {
	t       *testing.T
	configs [4]node.Config
	nodes   [4]*node.Node
	lines   map[[2]int]*line // from, to
	log     syncWriter
}

// freeAddresses are those that nodes 1 to 3 may listen on, again after each start.
func freeAddresses(t *testing.T) (addresses [4]string) {
	t.Helper()
	for i := 1; i <= 3; i++ {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close() // only when all are drawn
		addresses[i] = l.Addr().String()
	}
	return addresses
}

func newTrio(t *testing.T) *trio {
	x := &trio{t: t, lines: map[[2]int]*line{}}
	addresses := freeAddresses(t)
	for from := 1; from <= 3; from++ {
		cluster := map[uint64]string{uint64(from): addresses[from]}
		for to := 1; to <= 3; to++ {
			if to != from {
				l := newLine(t, addresses[to])
				x.lines[[2]int{from, to}] = l
				cluster[uint64(to)] = l.listener.Addr().String()
			}
		}
		x.configs[from] = node.Config{
			ID: uint64(from), Cluster: cluster, Dir: t.TempDir(),
			PeerListen: addresses[from],
			Heartbeat:  20 * time.Millisecond, Election: 300 * time.Millisecond,
			SegmentBytes: 64 << 10, TrailingBytes: 4 << 10, SnapshotBytes: 64 << 10,
			SnapshotCount: 100, Machine: func() rsm.Machine { return store.New() },
			Logger: x.log.logger().With("node", from),
		}
		x.start(from)
	}
	t.Cleanup(func() {
		for i, n := range x.nodes {
			if n != nil {
				x.stop(i)
			}
		}
		if t.Failed() {
			t.Log(x.log.String())
		}
	})
	return x
}

func (x *trio) start(i int) {
	x.t.Helper()
	n, err := node.Start(x.configs[i])
	if err != nil {
		x.t.Fatal(err)
	}
	x.nodes[i] = n
}

// stop ends a node without waiting for anything under way.
func (x *trio) stop(i int) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	x.nodes[i].Close(ctx)
	x.nodes[i] = nil
}

func (x *trio) status(i int) rsm.Status {
	x.t.Helper()
	s, err := x.nodes[i].Status(context.Background(), 0)
	if err != nil {
		x.t.Fatal(err)
	}
	return s
}

// wait looks until ok says so; a node that stops fails the test.
func (x *trio) wait(what string, ok func() bool) {
	x.t.Helper()
	look := time.NewTicker(time.Millisecond)
	defer look.Stop()
	limit := time.NewTimer(30 * time.Second)
	defer limit.Stop()
	for !ok() {
		for i, n := range x.nodes {
			if n != nil && n.Err() != nil {
				x.t.Fatalf("node %d stopped: %v", i, n.Err())
			}
		}
		select {
		case <-look.C:
		case <-limit.C:
			x.t.Fatalf("in vain: %s", what)
		}
	}
}

func (x *trio) leader() (leader int) {
	x.t.Helper()
	x.wait("a leader that the others follow", func() bool {
		leader = 0
		for i, n := range x.nodes {
			if n == nil {
				continue
			}
			s := x.status(i)
			if s.LeaderID == 0 || leader != 0 && int(s.LeaderID) != leader || s.Applied == 0 {
				return false
			}
			leader = int(s.LeaderID)
		}
		return x.nodes[leader] != nil
	})
	return leader
}

func do(ctx context.Context, n *node.Node, c store.Command) (rsm.Result, store.Reply) {
	r, _ := n.Do(ctx, rsm.Request{Command: store.EncodeCommand(nil, c)})
	reply, err := store.DecodeReply(r.Reply)
	if r.Outcome == rsm.Applied && err != nil {
		panic(err)
	}
	return r, reply
}

func push(stack, value string) store.Command {
	return store.Push{Stack: stack, Values: [][]byte{[]byte(value)}}
}

func (x *trio) must(i int, c store.Command) {
	x.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	if r, _ := do(ctx, x.nodes[i], c); r.Outcome != rsm.Applied {
		x.t.Fatalf("%#v: %+v", c, r)
	}
}

// churn goes on until a leader has taken so many more snapshots and forgotten what another lacks.
func (x *trio) churn(leader int, last uint64, snapshots int) {
	x.t.Helper()
	var wait sync.WaitGroup
	defer wait.Wait()
	stop := make(chan struct{})
	defer close(stop)
	for c := range 4 {
		wait.Go(func() {
			stack := fmt.Sprint("churn-", c)
			for i := 0; ; i++ {
				select {
				case <-stop:
					return
				default:
				}
				ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
				var command store.Command = store.Pop{Stack: stack, Count: 1}
				if i%2 == 0 {
					command = push(stack, strings.Repeat("x", 2000))
				}
				r, _ := do(ctx, x.nodes[leader], command)
				cancel()
				if r.Outcome != rsm.Applied {
					x.t.Errorf("%+v", r)
					return
				}
			}
		})
	}
	at := x.status(leader).SnapshotIndex
	x.wait("a log that has forgotten", func() bool {
		s := x.status(leader)
		if s.SnapshotIndex != at {
			at = s.SnapshotIndex
			snapshots--
		}
		return snapshots <= 0 && s.FirstIndex > last+1
	})
}

// equal waits until all nodes stand at one entry, in one state.
func (x *trio) equal() {
	x.t.Helper()
	var all [4]rsm.Status
	x.wait("all stand at one entry", func() bool {
		for i := 1; i <= 3; i++ {
			all[i] = x.status(i)
		}
		return all[1].Applied == all[2].Applied && all[2].Applied == all[3].Applied &&
			all[1].Applied == all[all[1].LeaderID].LastIndex
	})
	for i := 2; i <= 3; i++ {
		if all[i].StateHash != all[1].StateHash {
			x.t.Errorf("state of entry %d: node 1 has %s, node %d has %s", all[1].Applied,
				all[1].StateHash, i, all[i].StateHash)
		}
	}
}

func (x *trio) others(leader int) (a, b int) { return leader%3 + 1, (leader+1)%3 + 1 }

// TestCatchUpBySnapshot: who was away for ten snapshots gets one, and keeps it over a restart.
func TestCatchUpBySnapshot(t *testing.T) {
	x := newTrio(t)
	leader := x.leader()
	away, _ := x.others(leader)
	for i := range 20 {
		x.must(leader, push("kept", fmt.Sprint(i)))
	}
	x.equal()
	last := x.status(away).LastIndex
	x.stop(away)
	x.churn(leader, last, 10)
	x.start(away)
	x.equal()
	if !x.log.has("restored a snapshot", away) {
		t.Error("it came back without a snapshot")
	}
	x.stop(away)
	x.start(away)
	x.equal()
}

// TestWaiterAnsweredByASnapshot: the result of a request comes to its node only within a snapshot.
func TestWaiterAnsweredByASnapshot(t *testing.T) {
	x := newTrio(t)
	leader := x.leader()
	away, other := x.others(leader)
	x.must(away, push("before", "1"))
	x.equal()
	// Nothing reaches the node any more; what it says still goes out.
	into := []*line{x.lines[[2]int{leader, away}], x.lines[[2]int{other, away}]}
	for _, l := range into {
		l.hold(0)
	}
	type outcome struct {
		result rsm.Result
		reply  store.Reply
	}
	answered := make(chan outcome, 1)
	go func() {
		ctx, cancel := context.WithTimeout(context.Background(), 25*time.Second)
		defer cancel()
		result, reply := do(ctx, x.nodes[away], push("asked", "1"))
		answered <- outcome{result, reply}
	}()
	x.wait("the request is applied elsewhere", func() bool {
		return size(t, x.nodes[leader], "asked") == 1
	})
	x.churn(leader, x.status(away).LastIndex, 3)
	select {
	case o := <-answered:
		t.Fatalf("answered from nowhere: %+v", o)
	default:
	}
	for _, l := range into {
		l.clear(-1)
	}
	o := <-answered
	if o.result.Outcome != rsm.Applied || o.reply.Size != 1 {
		t.Errorf("%+v, %+v", o.result, o.reply)
	}
	x.equal()
	if !x.log.has("restored a snapshot", away) {
		t.Error("it was answered without a snapshot")
	}
	if n := size(t, x.nodes[leader], "asked"); n != 1 {
		t.Errorf("pushed %d times", n)
	}
}

func size(t *testing.T, n *node.Node, stack string) uint64 {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	r := n.Query(ctx, store.EncodeQuery(nil, store.GetStack{Stack: stack}), rsm.ReadOptions{})
	reply, err := store.DecodeReply(r.Reply)
	if r.Code != "" || err != nil {
		t.Fatalf("%+v, %v", r, err)
	}
	return reply.Size
}

// TestSlowReceiver: while one peer takes nothing of its snapshot, it keeps its leader, the others
// go on, and the leader forgets its log; when the line is free again it gets there.
func TestSlowReceiver(t *testing.T) {
	x := newTrio(t)
	leader := x.leader()
	away, _ := x.others(leader)
	x.must(leader, push("large", "v")) // behind all that a first leader has to say
	x.equal()
	last := x.status(away).Applied
	x.stop(away)
	for range 8 {
		x.must(leader, push("large", strings.Repeat("v", 1<<20)))
	}
	x.churn(leader, last, 0)
	way := x.lines[[2]int{leader, away}]
	way.hold(2 << 20)
	x.start(away)
	x.wait("part of the snapshot", func() bool { return hasPart(t, x.configs[away].Dir) })
	before, term := x.status(leader), x.status(away).Term
	for x.status(leader).FirstIndex == before.FirstIndex {
		x.must(leader, push("more", strings.Repeat("v", 1<<20)))
	}
	s := x.status(away)
	if s.LeaderID != uint64(leader) || s.Term != term || s.Applied > last {
		t.Errorf("behind a slow snapshot: %+v", s)
	}
	way.hold(-1)
	x.equal()
}

// TestSenderEndsHalfWay: the next leader sees to a peer that its leader left with half a snapshot.
func TestSenderEndsHalfWay(t *testing.T) {
	x := newTrio(t)
	leader := x.leader()
	away, _ := x.others(leader)
	x.equal()
	last := x.status(away).Applied
	x.stop(away)
	for range 8 {
		x.must(leader, push("large", strings.Repeat("v", 1<<20)))
	}
	x.churn(leader, last, 0)
	x.lines[[2]int{leader, away}].hold(2 << 20)
	x.start(away)
	x.wait("part of the snapshot", func() bool { return hasPart(t, x.configs[away].Dir) })
	x.stop(leader)
	x.leader()
	x.wait("the snapshot of the next leader", func() bool { return x.status(away).Applied > last })
	x.start(leader)
	x.equal()
}

// TestDamagedSnapshotIsReplaced: what a leader's disk lost of its snapshot is found out by who gets
// it; the leader takes another, of its state, which is whole.
func TestDamagedSnapshotIsReplaced(t *testing.T) {
	x := newTrio(t)
	leader := x.leader()
	away, _ := x.others(leader)
	x.equal()
	last := x.status(away).Applied
	x.stop(away)
	for range 4 {
		x.must(leader, push("large", strings.Repeat("v", 1<<20)))
	}
	x.churn(leader, last, 0)
	var files []string
	x.wait("whole snapshots alone", func() bool {
		var err error
		files, err = filepath.Glob(filepath.Join(x.configs[leader].Dir, "snap-*"))
		if err != nil || len(files) == 0 {
			t.Fatal(files, err)
		}
		return !slices.ContainsFunc(files, func(f string) bool { return filepath.Ext(f) == ".tmp" })
	})
	for _, name := range files {
		flip(t, name, 1<<19)
	}
	x.start(away)
	x.equal()
	if !x.log.has("a new one is taken", leader) || !x.log.has("restored a snapshot", away) {
		t.Error(x.log.String())
	}
}

func flip(t *testing.T, name string, at int64) {
	t.Helper()
	f, err := os.OpenFile(name, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var b [1]byte
	if _, err := f.ReadAt(b[:], at); err != nil {
		t.Fatal(err)
	}
	b[0] ^= 1
	if _, err := f.WriteAt(b[:], at); err != nil {
		t.Fatal(err)
	}
}

func hasPart(t *testing.T, dir string) bool {
	t.Helper()
	files, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		info, err := f.Info()
		if strings.HasSuffix(f.Name(), ".part") && err == nil && info.Size() > 0 {
			return true
		}
	}
	return false
}
