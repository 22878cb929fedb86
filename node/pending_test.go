package node

import (
	"context"
	"testing"
	"time"

	"drystone/disk"
	"drystone/rsm"
)

func fateOf(t testing.TB, n *Node, id rsm.RequestID, c rsm.Consistency) rsm.Fate {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	r := n.Query(ctx, rsm.EncodeRequestID(nil, id),
		rsm.ReadOptions{Kind: rsm.RequestQuery, Consistency: c})
	f, err := rsm.DecodeFate(r.Reply)
	if r.Code != "" || err != nil {
		t.Fatalf("the fate of %v is %+v, %v", id, r, err)
	}
	return f
}

// A request that waits at the node asked is not absent, and what it becomes is told by its id.
func TestARequestThatWaitsIsPending(t *testing.T) {
	c := newCluster(t, 2)
	c.start(1, 2)
	n := c.nodes[c.leader()]
	do(t, n, "first")
	c.kill(3 - n.config.ID)
	result, id := make(chan rsm.Result, 1), make(chan string, 1)
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	go func() {
		r, named := n.Do(ctx, rsm.Request{Identity: rsm.Identity{Key: "k"}, Command: []byte("x")})
		result <- r
		id <- named
	}()
	eventually(t, "it is pending", func() bool {
		return fateOf(t, n, rsm.RequestID{Key: "k"}, rsm.Stale).State == rsm.FatePending
	})
	if f := fateOf(t, n, rsm.RequestID{Key: "l"}, rsm.Stale); f.State != rsm.FateAbsent {
		t.Fatalf("another is %v", f.State)
	}
	c.start(3 - n.config.ID)
	if r := <-result; r.Outcome != rsm.Applied {
		t.Fatalf("it came to %+v", r)
	}
	for _, id := range []rsm.RequestID{{Key: "k"}, rsm.ParseRequestID("", <-id)} {
		if f := fateOf(t, n, id, rsm.Linearizable); f.State != rsm.FateApplied ||
			string(f.Result.Reply) != "2" {
			t.Fatalf("%v is %v, %+v", id, f.State, f.Result)
		}
	}
}

// Sessions and fences reach the log through a node, and a restart from a snapshot.
func TestWhatIsSettledSurvivesARestart(t *testing.T) {
	mem := disk.NewMem(1)
	small := func(c *Config) { c.SnapshotCount = 1 }
	n := alone(t, mem, small)
	leads(t, n)
	ask := func(r rsm.Request) rsm.Result {
		t.Helper()
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		result, _ := n.Do(ctx, r)
		return result
	}
	info, err := rsm.DecodeSessionInfo(ask(rsm.Request{Kind: rsm.OpenSession}).Reply)
	if err != nil {
		t.Fatal(err)
	}
	in := rsm.Request{Identity: rsm.Identity{Session: info.Session, Seq: 7}, Command: []byte("x")}
	fenced := rsm.RequestID{Node: 1, Boot: 99, Serial: 1}
	first := ask(in)
	fence := ask(rsm.Request{Kind: rsm.FenceRequest, Command: rsm.EncodeRequestID(nil, fenced)})
	eventually(t, "a snapshot that holds it", func() bool {
		do(t, n, "more")
		return n.status().SnapshotIndex >= fence.Index
	})
	for range 2 {
		again := ask(in)
		if again.Outcome != rsm.Applied || !again.Replayed || string(again.Reply) != string(first.Reply) {
			t.Fatalf("%+v, and again %+v", first, again)
		}
		if f := fateOf(t, n, fenced, rsm.Linearizable); f.State != rsm.FateFenced {
			t.Fatalf("it is %v", f.State)
		}
		if s := n.status(); s.Sessions != 1 || s.Requests != 2 {
			t.Fatalf("%d sessions, %d requests", s.Sessions, s.Requests)
		}
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		n.Close(ctx)
		cancel()
		n = alone(t, mem, small)
		leads(t, n)
	}
}
