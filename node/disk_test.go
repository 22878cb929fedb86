package node

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"drystone/disk"
	"drystone/rsm"
)

// filling is a disk without room for more of the files whose names begin with prefix.
type filling struct {
	prefix string
	full   atomic.Bool
}

func (f *filling) hook(op disk.Op) error {
	if f.full.Load() && strings.HasPrefix(op.Name, f.prefix) &&
		(op.Kind == disk.OpWrite || op.Kind == disk.OpCreate) {
		return syscall.ENOSPC
	}
	return nil
}

// A node without space for its log waits for some. It says so, and loses nothing.
func TestNoSpaceForTheLog(t *testing.T) {
	mem, f := disk.NewMem(1), &filling{prefix: "wal-"}
	mem.SetHook(f.hook)
	n := alone(t, mem)
	leads(t, n)
	do(t, n, "a")
	f.full.Store(true)
	ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
	defer cancel()
	if r, id := n.Do(ctx, request("b")); r.Outcome != rsm.Unknown || id == "" {
		t.Errorf("got %+v for request %q", r, id)
	}
	if s := n.status(); s.Health != rsm.HealthDiskFull {
		t.Errorf("health %s: %s", s.Health, s.Reason)
	}
	f.full.Store(false)
	do(t, n, "c")
	if got := tapeOf(t, n); got != "a c" && got != "a b c" {
		t.Errorf("read %q", got)
	}
	if s := n.status(); s.Health != rsm.HealthOK {
		t.Errorf("health %s: %s", s.Health, s.Reason)
	}
}

// A node without space for its log closes all the same.
func TestCloseWithoutSpace(t *testing.T) {
	mem, f := disk.NewMem(1), &filling{prefix: "wal-"}
	mem.SetHook(f.hook)
	n := alone(t, mem)
	leads(t, n)
	f.full.Store(true)
	wrote := make(chan rsm.Result, 1)
	go func() {
		r, _ := n.Do(context.Background(), request("a"))
		wrote <- r
	}()
	eventually(t, "it notices", func() bool { return n.status().Health == rsm.HealthDiskFull })
	n.Close(ended())
	if r := <-wrote; r.Outcome != rsm.Unknown {
		t.Errorf("got %+v", r)
	}
	if err := n.Err(); err != nil {
		t.Errorf("it failed: %v", err)
	}
}

// A snapshot that finds no space is taken later.
func TestNoSpaceForASnapshot(t *testing.T) {
	mem, f := disk.NewMem(1), &filling{prefix: "snap-"}
	mem.SetHook(f.hook)
	f.full.Store(true)
	n := alone(t, mem, func(c *Config) { c.SnapshotCount = 3 })
	leads(t, n)
	eventually(t, "a snapshot fails", func() bool {
		do(t, n, "a")
		return n.status().Health == rsm.HealthDiskFull
	})
	f.full.Store(false)
	eventually(t, "a snapshot is taken", func() bool {
		do(t, n, "a")
		return n.status().SnapshotIndex > 0
	})
	if s := n.status(); s.Health != rsm.HealthOK {
		t.Errorf("health %s: %s", s.Health, s.Reason)
	}
}

// A snapshot under way does not hold up a close.
func TestSnapshotIsGivenUp(t *testing.T) {
	stop := make(chan struct{})
	content := untilStopped{bytes.NewReader(make([]byte, 100)), stop}
	var got bytes.Buffer
	if n, err := content.WriteTo(&got); n != 100 || err != nil || got.Len() != 100 {
		t.Errorf("wrote %d bytes: %v", n, err)
	}
	close(stop)
	content.content = bytes.NewReader(make([]byte, 100))
	if _, err := content.WriteTo(&got); !errors.Is(err, errStopped) || got.Len() != 100 {
		t.Errorf("%d bytes: %v", got.Len(), err)
	}
}

// What no message between nodes can carry never gets into the log.
func TestRequestTooLarge(t *testing.T) {
	n := alone(t, disk.NewMem(1))
	leads(t, n)
	r, _ := n.Do(context.Background(), rsm.Request{Command: make([]byte, maxRequestBytes+1)})
	if r.Outcome != rsm.NotApplied || r.Code != rsm.CodeValueTooLarge {
		t.Errorf("got %+v", r)
	}
	config := Config{ID: 1, Machine: func() rsm.Machine { return &tape{} },
		Settings: rsm.Settings{MaxValueBytes: maxRequestBytes + 1}}
	if err := config.setDefaults(); err == nil {
		t.Error("the setting max_value_bytes allows what can never be replicated")
	}
}

// Two of the largest requests make an entry that still fits into a frame.
const _ = uint(maxFrameBytes - 2*maxRequestBytes - maxEntryBytes)

// A batch that cannot be decoded must not get into the log: every replica would stop at it, for
// ever.
func TestPoisonedBatch(t *testing.T) {
	n := alone(t, disk.NewMem(1))
	leads(t, n)
	batch := rsm.EncodeBatch(nil, rsm.Batch{Node: 2, Boot: 1, Number: 1,
		Requests: []rsm.Request{{Serial: 1, Command: []byte("x")}}})
	n.inbox.receive(received{from: 2, messages: forward(batch[:len(batch)-1])})
	do(t, n, "a")
	n.inbox.receive(received{from: 2, messages: forward(batch)})
	eventually(t, "the whole one is applied", func() bool { return tapeOf(t, n) == "a x" })
}
