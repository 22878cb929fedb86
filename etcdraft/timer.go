package etcdraft

import "drystone/raft"

// When to stand. etcd's timer is not used, for its jitter comes from the system's entropy; this
// one is package raft's, reset when that one is: a leader was heard, a vote was granted, a role
// ended. It draws on Config.Seed alone.

// timer runs on every node that does not lead.
type timer struct{ elapsed, timeout int } // in ticks

// draw returns a number in [0, n).
func (e *Engine) draw(n int) int { return int(e.jitter.Uint64() % uint64(n)) }

// drawElectionTimeout spreads timeouts over [ElectionTicks, 2·ElectionTicks) (§5.2). DIFFERS(11):
// each candidacy in vain doubles the spread, until a leader is heard, for where disks are slow all
// stand before they hear of each other.
func (e *Engine) drawElectionTimeout() int {
	wider := min(max(e.stood-1, 0), 4)
	return e.config.ElectionTicks + e.draw(e.config.ElectionTicks<<wider)
}

// tickTimer asks for pre-votes when it is time, and as long as nothing comes of it again each
// heartbeat: asking costs nobody anything.
func (e *Engine) tickTimer() {
	t := &e.timer
	t.elapsed++
	if t.elapsed < t.timeout {
		if e.at.role == raft.Candidate && t.elapsed%e.config.HeartbeatTicks == 0 {
			e.askAgain()
		}
		return
	}
	e.timer = timer{timeout: e.config.HeartbeatTicks}
	e.standBack = false
	if !e.prepareToStand() {
		_ = e.node.ForgetLeader()
		return
	}
	_ = e.node.Campaign()
}

// askAgain repeats a candidate's requests for votes: etcd sends them once (§5.5: retry until they
// answer).
func (e *Engine) askAgain() {
	if e.disk.hard != e.at.hard {
		return // they still wait for its own vote
	}
	for _, m := range e.asked {
		e.send(m)
	}
}

// prepareToStand reports whether this node may become a candidate: it votes, and its disk
// answers. If so, the RawNode goes by the configuration that it stands by.
func (e *Engine) prepareToStand() bool {
	by, ok := e.standsBy()
	if !ok || e.stalled() {
		return false
	}
	e.goBy(by)
	return true
}

// standSoon shortens the first wait of a node that starts (DIFFERS(7)).
func (e *Engine) standSoon() {
	beat := e.config.HeartbeatTicks
	e.timer = timer{timeout: min(e.drawElectionTimeout(), beat+1+e.draw(2*beat))}
	if m := e.members(); len(m.Voters) == 1 && !m.Joint() && m.IsVoter(e.id) {
		e.timer.timeout = 1
	}
}

// askSoon waits a seeded part of a heartbeat before asking for pre-votes.
func (e *Engine) askSoon() {
	e.timer.timeout = e.timer.elapsed + 1 + e.draw(e.config.HeartbeatTicks)
}

// hearLeader restarts the timer on a word from the leader of the term.
func (e *Engine) hearLeader() { e.timer.elapsed, e.quiet, e.yielded = 0, 0, false }

// yield stands back, once, for another that asks at the same moment (DIFFERS(3)). A pre-candidate
// of etcd's can't be talked out of it, so it takes none of the pre-votes that still come.
func (e *Engine) yield(to raft.NodeID, theirs raft.Position) {
	if e.yielded {
		return
	}
	switch e.at.role {
	case raft.Follower:
		if e.at.leader != 0 || e.timer.timeout-e.timer.elapsed > e.config.HeartbeatTicks {
			return
		}
	case raft.PreCandidate:
		if to > e.id && theirs == e.log.last() {
			return
		}
		e.standBack = true
	default:
		return
	}
	e.yielded = true
	beat := e.config.HeartbeatTicks
	e.timer.timeout = e.timer.elapsed + beat + 1 + e.draw(beat)
}
