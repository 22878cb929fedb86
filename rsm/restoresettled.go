package rsm

import (
	"cmp"
	"slices"
)

// readSettled reads what version 2 of the snapshot added.
func (s *State) readSettled(r *StreamReader) {
	s.readKept(r)
	s.readFences(r)
	s.readClients(r)
}

func (s *State) readKept(r *StreamReader) {
	count, last := r.Uvarint(), uint64(0)
	for ; count > 0 && r.Err() == nil; count-- {
		row := &keptRow{
			id: readNodeRequest(r), state: FateState(r.Byte()), code: Code(r.String()),
			storedAt: r.Uvarint(), index: r.Uvarint(), op: r.Uvarint(), reply: r.Bytes(),
		}
		if row.state < FateApplied || row.state > FateFenced || row.storedAt < last ||
			!s.before(row.index, row.op, row.storedAt) {
			r.Fail(errContradiction)
			return
		}
		s.kept.store(row)
		last = row.storedAt
	}
}

func (s *State) readFences(r *StreamReader) {
	count := r.Uvarint()
	if count > maxFences {
		r.Fail(errContradiction)
	}
	for ; count > 0 && r.Err() == nil; count-- {
		f := nodeFence{readNodeRequest(r), r.Uvarint()}
		n := len(s.fences.rows)
		ascending := n == 0 || compareNodeRequests(s.fences.rows[n-1].nodeRequest, f.nodeRequest) < 0
		if !ascending || !s.before(0, 0, f.storedAt) {
			r.Fail(errContradiction)
			return
		}
		s.fences.rows = append(s.fences.rows, f)
		s.fences.hash += f.hash()
	}
}

func (s *State) readClients(r *StreamReader) {
	count, last := r.Uvarint(), uint64(0)
	var rows []*clientSession
	for ; count > 0 && r.Err() == nil; count-- {
		row := s.readClient(r)
		if row.id <= last || !s.before(0, row.id, row.usedAt) {
			r.Fail(errContradiction)
			return
		}
		rows = append(rows, row)
		last = row.id
	}
	slices.SortStableFunc(rows, func(a, b *clientSession) int {
		return cmp.Compare(a.usedAt, b.usedAt)
	})
	for _, row := range rows {
		s.clients.insert(row)
	}
}

func (s *State) readClient(r *StreamReader) *clientSession {
	c := &clientSession{
		epoch: s.epoch, id: r.Uvarint(), scope: r.String(), usedAt: r.Uvarint(), acked: r.Uvarint(),
	}
	count := r.Uvarint()
	if count > SessionWindow {
		r.Fail(errContradiction)
	}
	last := c.acked
	for ; count > 0 && r.Err() == nil; count-- {
		row := &sessionReply{seq: r.Uvarint()}
		r.Full(row.print[:])
		row.fenced = r.Bool()
		row.index, row.op, row.reply = r.Uvarint(), r.Uvarint(), r.Bytes()
		if row.seq <= last || c.beyond(row.seq) || !s.before(row.index, row.op, 0) {
			r.Fail(errContradiction)
			return c
		}
		c.add(row)
		last = row.seq
	}
	return c
}

func readNodeRequest(r *StreamReader) nodeRequest {
	return nodeRequest{node: r.Uvarint(), boot: r.Uvarint(), serial: r.Uvarint()}
}

// before says whether something may have happened by the point that is restored.
func (s *State) before(index, op, logTime uint64) bool {
	return index <= s.point.Index && op <= s.point.Op && logTime <= s.point.LogTime
}
