package sim

import (
	"fmt"
	"io"
	"strconv"
	"strings"

	"drystone/disk"
	"drystone/raft"
	"drystone/replica"
	"drystone/rsm"
	"drystone/wire"
)

// tracer writes one line an event, in fixed columns: the time in seconds, a column for each node
// of which only the acting one's is filled, and what happened. The letter tells what that node
// is: F follower, P pre-candidate, C candidate, L leader, B before the cluster has formed,
// Z paused, X down.
type tracer struct {
	out   io.Writer // nil: nothing is written, nor formatted
	world *world
	buf   []byte
}

// line writes words about a node, or about the world when h is nil.
func (t *tracer) line(h *host, words ...string) {
	if t.out == nil {
		return
	}
	t.head(h, true)
	for i, w := range words {
		if i > 0 {
			t.buf = append(t.buf, ' ')
		}
		t.buf = append(t.buf, w...)
	}
	t.end()
}

func (t *tracer) printf(h *host, format string, args ...any) {
	t.head(h, true)
	t.buf = fmt.Appendf(t.buf, format, args...)
	t.end()
}

// head begins a line; named adds the node and its term, which a core's own words hold.
func (t *tracer) head(h *host, named bool) {
	now := t.world.now
	b := strconv.AppendInt(t.buf[:0], now/second, 10)
	b = append(b, '.')
	for digit := second / 10; digit > 0; digit /= 10 {
		b = append(b, byte('0'+now/digit%10))
	}
	const width = 12
	if pad := width - len(b); pad > 0 {
		b = append(b, "            "[:pad]...)
		copy(b[pad:], b)
		copy(b, "            "[:pad])
	}
	b = append(b, ' ', ' ')
	for i := range t.world.hosts {
		letter := byte('.')
		if h != nil && h.index == i {
			letter = h.letter()
		}
		b = append(b, letter, ' ')
	}
	b = append(b, ' ')
	if h != nil && named {
		b = append(b, 'n')
		b = strconv.AppendInt(b, int64(h.id), 10)
		b = append(b, '@')
		b = strconv.AppendUint(b, uint64(h.seen.status.Hard.CurrentTerm), 10)
		b = append(b, ' ')
	}
	t.buf = b
}

func (t *tracer) end() {
	t.buf = append(t.buf, '\n')
	t.out.Write(t.buf)
}

func (h *host) letter() byte {
	switch {
	case !h.up:
		return 'X'
	case h.paused:
		return 'Z'
	case h.replica == nil:
		return 'B'
	}
	return "FPCL"[h.seen.status.Role]
}

// plan begins a trace with what the seed drew.
func (t *tracer) plan(p *plan) {
	fmt.Fprintf(t.out, "seed %d: %d nodes, faults", t.world.options.Seed, p.nodes)
	for f, mean := range p.every {
		if mean > 0 {
			fmt.Fprintf(t.out, " %s/%dms", faultNames[f], mean/ms)
		}
	}
	fmt.Fprintf(t.out, "\nnetwork: delay %d+%d µs loss %d duplicate %d replay %d ppm reorder %v\n",
		p.delayMin, p.delayMean, p.loss, p.duplicate, p.replay, p.reorder)
	fmt.Fprintf(t.out, "nodes: loop %d write %d apply %d save %d restart %d µs, clocks %v/1000\n",
		p.loopDelay, p.writeMean, p.applyMean, p.saveMean, p.serverMean, p.skew[:p.nodes])
	fmt.Fprintf(t.out, "limits: append %d×%d trailing %d apply %d segment %d entry %d inflight %d "+
		"snapshot %d/%d retention %d ms value %d\n", p.raft.MaxInflight, p.raft.MaxAppendBytes,
		p.raft.TrailingBytes, p.raft.MaxApplyBytes, p.segmentBytes, p.maxEntry, p.maxInflight,
		p.snapEntries, p.snapBytes, p.settings.RequestRetentionMs, p.settings.MaxValueBytes)
	fmt.Fprintf(t.out, "clients: %d thinking %d µs, %d stacks, keyed %d reads %d stale %d ppm, "+
		"timeouts %v ms\n", p.clients, p.thinkMean, p.stacks, p.keyed, p.reads, p.stale, p.timeoutMs)
	if less := t.world.options.lessWords(); less != "" {
		fmt.Fprintf(t.out, "of that only:%s\n", less)
	}
}

func (t *tracer) message(h *host, from raft.NodeID, m *wire.Message) {
	if t.out == nil {
		return
	}
	if m.Raft != nil {
		// The words of whoever sent it, in the column of whom it reaches.
		t.head(h, false)
		t.buf = fmt.Appendf(t.buf, "%v", m.Raft)
		t.end()
		return
	}
	switch p := m.Peer.(type) {
	case rsm.Forward:
		node, boot, number, _ := rsm.BatchHead(p.Batch)
		t.printf(h, "← n%d Forward batch=%d/%d/%d waited=%d", from, node, boot, number, p.ElapsedMs)
	case rsm.AdminAsk:
		t.printf(h, "← n%d AdminAsk #%d %s", from, p.ID, p.Body)
	case rsm.AdminAnswer:
		t.printf(h, "← n%d AdminAnswer #%d %s", from, p.ID, p.Body)
	default:
		t.printf(h, "← n%d %s%+v", from, strings.TrimPrefix(fmt.Sprintf("%T", p), "rsm."), p)
	}
}

func (t *tracer) wrote(h *host, appends []raft.Append) {
	if t.out == nil {
		return
	}
	for i := range appends {
		a := &appends[i]
		t.printf(h, "wrote #%d: term=%d vote=n%d%s%s, releases %d messages", a.Seq,
			a.Hard.CurrentTerm, a.Hard.VotedFor, entriesText(a.Entries), snapshotText(a), len(a.After))
	}
}

func entriesText(e []raft.Entry) string {
	if len(e) == 0 {
		return ""
	}
	first, last := &e[0], &e[len(e)-1]
	if len(e) == 1 {
		return fmt.Sprintf(" [%d@%d]", first.Index, first.Term)
	}
	return fmt.Sprintf(" [%d@%d…%d@%d]", first.Index, first.Term, last.Index, last.Term)
}

func snapshotText(a *raft.Append) string {
	if a.Snapshot == nil {
		return ""
	}
	return fmt.Sprintf(" snapshot %d@%d keep=%v", a.Snapshot.LastIncludedIndex,
		a.Snapshot.LastIncludedTerm, a.KeepLog)
}

func (t *tracer) applied(h *host, e *raft.Entry) {
	if t.out != nil {
		t.printf(h, "applied %d@%d", e.Index, e.Term)
	}
}

func (t *tracer) snapshot(h *host, what string, meta *raft.SnapshotMeta, size int64) {
	if t.out != nil {
		t.printf(h, "%s %d@%d of %d bytes", what, meta.LastIncludedIndex, meta.LastIncludedTerm, size)
	}
}

func (t *tracer) diskOp(h *host, op disk.Op, what string) {
	if t.out != nil {
		t.printf(h, "%s in %v", what, op)
	}
}

func (t *tracer) role(h *host, s *raft.Status) {
	if t.out != nil {
		t.printf(h, "is %v (leader n%d) commit=%d applied=%d last=%d@%d", s.Role, s.Leader,
			s.Commit, s.Applied, s.LastIndex, s.LastTerm)
	}
}

func (t *tracer) lost(h *host, id raft.NodeID) {
	if t.out != nil {
		t.printf(h, "lost the connection to n%d", id)
	}
}

func (t *tracer) refused(h *host, by raft.NodeID, code wire.HelloCode) {
	if t.out != nil {
		t.printf(h, "is refused by n%d: %s", by, code)
	}
}

func (t *tracer) asked(h *host, q *rsm.AdminRequest) {
	if t.out != nil {
		t.printf(h, "is asked by an operator to %s n%d", q.Op, q.Node)
	}
}

func (t *tracer) told(h *host, q *rsm.AdminRequest, r *rsm.AdminReply) {
	if t.out != nil {
		t.printf(h, "answers to %s n%d: %s %s %s", q.Op, q.Node, outcomes[r.Outcome], r.Code, r.Detail)
	}
}

func (t *tracer) status(h *host) {
	if t.out == nil {
		return
	}
	if h.core == nil {
		t.line(h, "is not in a cluster")
		return
	}
	t.printf(h, "status %+v", h.core.Status())
}

func (t *tracer) answer(h *host, ticket replica.Ticket, op *operation, r *rsm.Result) {
	if t.out != nil {
		t.printf(h, "answers #%d, %v: %s %s index=%d op=%d", ticket, op, outcomes[r.Outcome],
			r.Code, r.Index, r.Op)
	}
}

var outcomes = [...]string{"none", "applied", "not applied", "unknown"}

func (t *tracer) read(h *host, ticket replica.Ticket, op *operation, r *rsm.ReadResult) {
	if t.out != nil {
		t.printf(h, "answers #%d, %v: %s index=%d", ticket, op, r.Code, r.Index)
	}
}

func (t *tracer) submit(h *host, ticket replica.Ticket, op *operation, a *attempt) {
	if t.out != nil {
		t.printf(h, "is asked #%d, %v within %d ms", ticket, op, a.timeoutMs)
	}
}

// partition writes which links carry nothing, by the columns of their machines.
func (t *tracer) partition() {
	if t.out == nil {
		return
	}
	t.head(nil, false)
	t.buf = append(t.buf, "network cut:"...)
	whole := len(t.buf)
	for from := range t.world.hosts {
		for to := range t.world.hosts {
			if t.world.net.cut[from][to] {
				t.buf = fmt.Appendf(t.buf, " %d↛%d", from+1, to+1)
			}
		}
	}
	if len(t.buf) == whole {
		t.buf = append(t.buf, " nowhere"...)
	}
	t.end()
}

// hook is a core's own trace, in its own words; nil unless a trace is wanted.
func (t *tracer) hook(h *host) func(raft.Event) {
	if t.out == nil {
		return nil
	}
	return func(e raft.Event) {
		t.head(h, false)
		t.buf = fmt.Appendf(t.buf, "%v", e)
		t.end()
	}
}
