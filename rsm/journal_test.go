package rsm_test

import (
	"bytes"
	"fmt"
	"io"
	"testing"

	"drystone/cow"
	"drystone/rsm"
)

// journal is a machine that notes every command with its context. A command that begins with a
// word of its own does more: "panic", "random" and, not understood, "later".
type journal struct {
	lines  cow.Deque[string]
	hash   uint64
	buffer []byte
}

func (j *journal) Apply(ctx *rsm.Context, cmd []byte) []byte {
	if bytes.HasPrefix(cmd, []byte("panic")) {
		panic(fmt.Errorf("asked to %s", cmd))
	}
	line := fmt.Sprintf("%d/%d@%d %s", ctx.Index, ctx.Op, ctx.LogTime, cmd)
	if bytes.HasPrefix(cmd, []byte("random")) {
		line += fmt.Sprint(" ", ctx.Rand().Uint64(), " ", ctx.Rand().Uint64())
	}
	j.note(line)
	// The same buffer every time: a State that kept it would answer nonsense.
	j.buffer = append(j.buffer[:0], line...)
	return j.buffer
}

func (j *journal) note(line string) {
	j.lines.PushTop(line)
	j.hash = rsm.HashString(j.hash, line)
}

func (j *journal) Query(ctx *rsm.Context, q []byte) []byte {
	j.buffer = fmt.Appendf(j.buffer[:0], "%d/%d@%d %s %d", ctx.Index, ctx.Op, ctx.LogTime, q,
		j.lines.Len())
	return j.buffer
}

func (j *journal) Understands(cmd []byte) bool { return !bytes.HasPrefix(cmd, []byte("later")) }

func (j *journal) Hash() uint64 { return j.hash }

func (j *journal) Snapshot() io.WriterTo {
	frozen := &journal{lines: j.lines}
	j.lines = j.lines.Fork()
	return frozen
}

func (j *journal) WriteTo(to io.Writer) (int64, error) {
	w := rsm.NewStreamWriter(to)
	w.Uvarint(uint64(j.lines.Len()))
	for line := range j.lines.All() {
		w.String(line)
	}
	return w.Flush()
}

func (j *journal) Restore(from io.Reader) error {
	r, fresh := rsm.NewStreamReader(from), &journal{}
	for n := r.Uvarint(); n > 0 && r.Err() == nil; n-- {
		fresh.note(r.String())
	}
	if err := r.End(); err != nil {
		return err
	}
	*j = *fresh
	return nil
}

// replica is a State of a journal, fed entry by entry.
type replica struct {
	t       testing.TB
	journal *journal
	*rsm.State
}

const thisNode, thisBoot = 1, 7

func newReplica(t testing.TB) *replica {
	j := &journal{}
	return &replica{t, j, rsm.New(j, rsm.Options{Node: thisNode, Boot: thisBoot,
		Config: []byte("config 0")})}
}

// apply applies the next entry, which holds the given batches.
func (r *replica) apply(stamp uint64, batches ...rsm.Batch) rsm.EntryDone {
	r.t.Helper()
	e := rsm.Entry{Stamp: stamp}
	for _, b := range batches {
		e.Batches = append(e.Batches, rsm.EncodeBatch(nil, b))
	}
	return r.applyKind(rsm.EntryCommand, rsm.EncodeEntry(nil, e))
}

func (r *replica) applyKind(kind rsm.EntryKind, data []byte) rsm.EntryDone {
	r.t.Helper()
	done, err := r.Apply(r.Point().Index+1, max(r.Point().Term, 1), kind, data)
	if err != nil {
		r.t.Fatalf("Apply: %v", err)
	}
	return done
}

// do applies one request as the next batch of this node, and returns its result.
func (r *replica) do(stamp uint64, request rsm.Request) rsm.Result {
	r.t.Helper()
	number := uint64(1)
	for _, found := r.Lookup(thisNode, thisBoot, number); found; number++ {
		_, found = r.Lookup(thisNode, thisBoot, number+1)
	}
	done := r.apply(stamp, rsm.Batch{Node: thisNode, Boot: thisBoot, Number: number,
		Admitted: int64(stamp), Requests: []rsm.Request{request}})
	if len(done.Batches) != 1 || len(done.Batches[0].Results) != 1 {
		r.t.Fatalf("one request came to %+v", done.Batches)
	}
	return done.Batches[0].Results[0]
}

// restored returns a replica that was restored from what this one's snapshot writes.
func (r *replica) restored() *replica {
	r.t.Helper()
	return restored(r.t, r.Snapshot())
}

func restored(t testing.TB, snapshot io.WriterTo) *replica {
	t.Helper()
	var stream bytes.Buffer
	n, err := snapshot.WriteTo(&stream)
	if err != nil || n != int64(stream.Len()) {
		t.Fatalf("WriteTo: %d of %d bytes, %v", n, stream.Len(), err)
	}
	fresh := newReplica(t)
	if err := fresh.Restore(&stream); err != nil {
		t.Fatalf("Restore: %v", err)
	}
	return fresh
}

func command(text string) rsm.Request { return rsm.Request{Command: []byte(text)} }

func keyed(key, text string) rsm.Request {
	return rsm.Request{Identity: rsm.Identity{Scope: "me", Key: key}, Command: []byte(text)}
}

func setting(change rsm.SettingsChange) rsm.Request {
	return rsm.Request{Kind: rsm.SettingsCommand, Command: rsm.EncodeSettings(nil, change)}
}
