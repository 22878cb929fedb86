package rsm

import (
	"bytes"
	"errors"
	"fmt"
	"math/bits"
)

// Apply applies the log's next entry. Every replica does the same with it. It fails only when the
// entry can't be understood, with ErrNeedsUpgrade or a *DamagedEntryError, and then has changed
// nothing. It panics with a *MachinePanic when the machine panics. The results it returns are
// kept for Lookup: they must not be changed.
func (s *State) Apply(index, term uint64, kind EntryKind, data []byte) (EntryDone, error) {
	assert(index == s.point.Index+1, "an entry is not the log's next")
	assert(term >= s.point.Term, "the terms of a log never fall")
	done := EntryDone{Index: index, Term: term}
	switch kind {
	case EntryCommand:
		// Everything is decoded before anything is changed: an entry is applied whole or not.
		stamp, err := s.decode(data)
		if errors.Is(err, ErrNeedsUpgrade) {
			return EntryDone{}, fmt.Errorf("entry %d of term %d: %w", index, term, err)
		} else if err != nil {
			return EntryDone{}, &DamagedEntryError{Index: index, Term: term, Err: err}
		}
		// A new leader may know less time than the old one had: log time never falls.
		s.point.LogTime = max(s.point.LogTime, stamp)
	case EntryConfig:
		s.config = bytes.Clone(data)
	case EntryNoop:
	default:
		return EntryDone{}, fmt.Errorf("entry %d of term %d: its kind, %d, is unknown: %w",
			index, term, kind, ErrNeedsUpgrade)
	}
	s.point.Index, s.point.Term = index, term
	s.keys.evict(s.point.LogTime, s.settings.RequestRetentionMs)
	s.kept.evict(s.point.LogTime, s.settings.RequestRetentionMs)
	s.nodes.evict(s.point.LogTime, s.settings.RequestRetentionMs)
	s.clients.expire(s.point.LogTime, s.settings.SessionTTLMs)
	if kind == EntryCommand {
		done.Batches = s.applyBatches()
		s.scratch.release()
		s.giveWay()
	}
	done.LogTime = s.point.LogTime
	return done, nil
}

// applyBatches applies the decoded batches and returns what became of this boot's own.
func (s *State) applyBatches() (own []BatchDone) {
	defer s.namePanic()
	for i := range s.scratch.batches {
		b := &s.scratch.batches[i]
		done := BatchDone{Number: b.Number}
		done.Status = s.nodes.admit(b.Node, b.Boot, b.Number)
		if done.Status == BatchApplied {
			done.Results = s.applyBatch(b)
		}
		if b.Node == s.options.Node && b.Boot == s.options.Boot {
			own = append(own, done)
		}
	}
	return own
}

// applyBatch applies a batch that comes in order and keeps its results in its node's session.
func (s *State) applyBatch(b *Batch) []Result {
	results := make([]Result, len(b.Requests))
	s.batch = b
	for i := range b.Requests {
		s.results = results[:i]
		results[i] = s.applyRequest(&b.Requests[i], b)
	}
	s.batch, s.results = nil, nil
	session := s.nodes.change(b.Node, b.Boot, s.epoch, s.point.LogTime)
	s.keep(session, b.Keep)
	session.add(results, b.Ack)
	s.nodes.changed(session)
	return results
}

// applyRequest decides about one request, in an order that is part of the contract: a repeat gets
// its first execution's reply also after a fence or its deadline, and a refusal is never stored.
func (s *State) applyRequest(r *Request, b *Batch) Result {
	var print fingerprint
	if r.Identity.Key != "" || r.Identity.Session != 0 {
		print = fingerprintOf(r.Kind, r.Command)
	}
	if settled, found := s.recall(r, print); found {
		return settled
	}
	if s.fences.has(nodeRequest{b.Node, b.Boot, r.Serial}) {
		return s.refuse(r, CodeFenced)
	}
	if overdue(s.point.LogTime, b.Admitted, r.BudgetMs) {
		return s.refuse(r, CodeExpired)
	}
	if !s.roomFor(r) {
		return s.refuse(r, CodeTableFull)
	}
	reply, code := s.execute(r)
	if code != "" {
		return s.refuse(r, code)
	}
	s.remember(r, print, reply)
	return Result{
		Outcome: Applied, Reply: s.replies.keep(reply),
		Index: s.point.Index, Op: s.point.Op, Serial: r.Serial,
	}
}

func (s *State) refuse(r *Request, c Code) Result {
	return Result{Outcome: NotApplied, Code: c, Index: s.point.Index, Serial: r.Serial}
}

// execute runs the request as the next op, unless its command can't be one.
func (s *State) execute(r *Request) (reply []byte, code Code) {
	switch r.Kind {
	case SettingsCommand:
		change, err := DecodeSettings(r.Command)
		if err != nil {
			return nil, CodeBadCommand
		}
		s.point.Op++
		return s.applySettings(change), ""
	case OpenSession:
		return s.openSession(r.Identity.Scope, r.Command)
	case KeepSession:
		return s.keepSession(r.Identity.Scope, r.Command)
	case CloseSession:
		return s.closeSession(r.Identity.Scope, r.Command)
	case FenceRequest:
		return s.fenceRequest(r)
	case FreeRequest:
		return s.freeRequest(r.Command)
	}
	s.point.Op++
	ctx := s.context.enter(s.point, &s.settings)
	s.inMachine = true
	reply = s.machine.Apply(ctx, r.Command)
	s.inMachine = false
	return reply, ""
}

// namePanic adds to a panic of the machine where it happened.
func (s *State) namePanic() {
	if !s.inMachine {
		return
	}
	if value := recover(); value != nil {
		panic(&MachinePanic{Index: s.point.Index, Term: s.point.Term, Op: s.point.Op,
			Value: value})
	}
}

// overdue says whether log time has passed admitted + budgetMs. A budget of 0 is no deadline.
func overdue(logTime uint64, admitted int64, budgetMs uint64) bool {
	if budgetMs == 0 {
		return false
	}
	if admitted >= 0 {
		deadline, carry := bits.Add64(uint64(admitted), budgetMs, 0)
		return carry == 0 && logTime > deadline
	}
	// Admitted before the cluster's time began, by what the batch had waited.
	before := -uint64(admitted)
	return budgetMs < before || logTime > budgetMs-before
}
