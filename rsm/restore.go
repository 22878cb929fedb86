package rsm

import (
	"errors"
	"fmt"
	"io"
)

// errContradiction is a snapshot whose parts cannot have been true together.
var errContradiction = errors.New("the snapshot contradicts itself")

// Restore replaces the state by what a snapshot wrote, and reads r to its end. Everything around
// the machine is checked before the machine is given its part, and replaced only after it took
// it. An error leaves the state as it was if the machine's Restore does so.
func (s *State) Restore(r io.Reader) error {
	from := NewStreamReader(r)
	fresh := New(s.machine, s.options)
	h, err := fresh.readTables(from)
	if err != nil {
		return fmt.Errorf("restore: %w", err)
	}
	// A machine that reads to the end of frames has the whole stream checked before it changes.
	frames := &frameReader{from: from}
	if err := s.machine.Restore(frames); err != nil {
		return fmt.Errorf("restore the machine: %w", err)
	}
	if err := frames.finish(); err != nil {
		return fmt.Errorf("restore: %w", err)
	}
	if s.machineHash() != h.machineHash {
		return fmt.Errorf("restore the machine: its hash differs: %w", errContradiction)
	}
	*s = *fresh
	return nil
}

// readTables reads everything but the machine's part into a new state.
func (s *State) readTables(r *StreamReader) (*header, error) {
	var magic [len(snapshotMagic)]byte
	r.Full(magic[:])
	if r.Err() == nil && string(magic[:]) != snapshotMagic {
		return nil, fmt.Errorf("this is no snapshot: %w", ErrMalformed)
	}
	version := r.Byte()
	if r.Err() == nil && version > snapshotVersion {
		return nil, fmt.Errorf("snapshot version %d is unknown: %w", version, ErrNeedsUpgrade)
	} else if r.Err() == nil && version == 0 {
		return nil, fmt.Errorf("snapshot version 0: %w", ErrMalformed)
	}
	h := readHeader(r)
	s.point, s.config = h.point, h.config
	s.settings, s.settingsSet = h.settings, h.settingsSet
	s.readKeys(r, version)
	s.readNodes(r)
	if version >= 2 {
		s.readSettled(r)
	}
	if r.Err() == nil && s.version() != version {
		r.Fail(errContradiction)
	}
	if r.Err() == nil && s.tablesHash(h.machineHash) != h.hash {
		r.Fail(errContradiction)
	}
	return h, r.Err()
}

func readHeader(r *StreamReader) *header {
	h := &header{point: Point{
		Index: r.Uvarint(), Term: r.Uvarint(), Op: r.Uvarint(), LogTime: r.Uvarint(),
	}}
	h.settingsSet = r.Bool()
	for _, field := range h.settings.fields() {
		*field = r.Uvarint()
	}
	h.config = r.Bytes()
	h.machineHash, h.hash = r.Uint64(), r.Uint64()
	return h
}

func (s *State) readKeys(r *StreamReader, version byte) {
	count := r.Uvarint()
	last := &keyRow{}
	for ; count > 0 && r.Err() == nil; count-- {
		row := readKeyRow(r, version)
		if row.id.key == "" || row.op < last.op || row.storedAt < last.storedAt ||
			row.index < last.index || row.op > s.point.Op || row.index > s.point.Index ||
			row.storedAt > s.point.LogTime {
			r.Fail(errContradiction)
			return
		}
		s.keys.store(row)
		last = row
	}
}

func readKeyRow(r *StreamReader, version byte) *keyRow {
	row := &keyRow{id: keyID{scope: r.String(), key: r.String()}, state: FateApplied}
	r.Full(row.print[:])
	row.storedAt, row.index, row.op = r.Uvarint(), r.Uvarint(), r.Uvarint()
	row.reply = r.Bytes()
	if version >= 2 && r.Bool() {
		row.state = FateFenced
	}
	return row
}

func (s *State) readNodes(r *StreamReader) {
	count := r.Uvarint()
	for ; count > 0 && r.Err() == nil; count-- {
		row := readNodeSession(r)
		if r.Err() != nil {
			return
		}
		if n := len(s.nodes.rows); n > 0 {
			last := s.nodes.rows[n-1]
			// All boots of a node but the newest have retired.
			if compareSessions(last, row) >= 0 || last.retired != (last.node == row.node) {
				r.Fail(errContradiction)
				return
			}
		}
		if row.retiredAt > s.point.LogTime {
			r.Fail(errContradiction)
			return
		}
		s.nodes.rows = append(s.nodes.rows, row)
		s.nodes.changed(row)
	}
	if n := len(s.nodes.rows); n > 0 && s.nodes.rows[n-1].retired {
		r.Fail(errContradiction)
	}
}

func readNodeSession(r *StreamReader) *nodeSession {
	n := &nodeSession{node: r.Uvarint(), boot: r.Uvarint()}
	last, acked := r.Uvarint(), r.Uvarint()
	n.retired, n.retiredAt = r.Bool(), r.Uvarint()
	if acked >= last || (!n.retired && n.retiredAt != 0) {
		r.Fail(errContradiction)
	}
	n.number, n.acked = acked, acked
	for n.number < last && r.Err() == nil {
		// All of them are kept: the acknowledgement that is added was counted already.
		n.add(readResults(r), acked)
	}
	return n
}

func readResults(r *StreamReader) []Result {
	count := r.Uvarint()
	results := make([]Result, 0, min(count, 64))
	for ; count > 0 && r.Err() == nil; count-- {
		result := Result{
			Outcome: Outcome(r.Byte()), Code: Code(r.String()), Reply: r.Bytes(),
			Index: r.Uvarint(), Op: r.Uvarint(), Replayed: r.Bool(), Serial: r.Uvarint(),
		}
		if result.Outcome != Applied && result.Outcome != NotApplied {
			r.Fail(errContradiction)
		}
		results = append(results, result)
	}
	return results
}
