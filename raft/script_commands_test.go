package raft

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// The commands of scripts that play nodes and their hosts. script_network_test.go has those of the
// network.

func (s *script) cmdStatus(args []string) error {
	some, err := s.some(args)
	for _, p := range some {
		if p.raft != nil {
			s.printf("%v", p.raft.Status())
			continue
		}
		last := Position{p.snap.LastIncludedIndex, p.snap.LastIncludedTerm}
		if n := len(p.entries); n > 0 {
			last = p.entries[n-1].position()
		}
		s.printf("%slast=%v", column(fmt.Sprintf("n%d@%d down", p.id, p.hard.CurrentTerm)), last)
	}
	return err
}

// cmdLog prints the log in memory.
func (s *script) cmdLog(args []string) error {
	some, err := s.some(args)
	for _, p := range some {
		if p.raft == nil {
			return fmt.Errorf("n%d is down", p.id)
		}
		base := ""
		if p.raft.log.base.Index > 0 {
			base = fmt.Sprintf("(%v) ", p.raft.log.base)
		}
		s.printf("%s%s", column(fmt.Sprintf("n%d@%d log", p.id, p.raft.currentTerm)),
			strings.TrimSpace(base+formatLog(p.raft.log.entries)))
	}
	return err
}

// cmdOnDisk prints what a crash would leave.
func (s *script) cmdOnDisk(args []string) error {
	some, err := s.some(args)
	for _, p := range some {
		text := fmt.Sprintf("term=%d", p.hard.CurrentTerm)
		if p.hard.VotedFor != 0 {
			text += fmt.Sprintf(" vote=n%d", p.hard.VotedFor)
		}
		if p.snap.LastIncludedIndex > 0 {
			text += " snapshot " + p.snap.String()
		}
		if len(p.entries) > 0 {
			text += " " + formatLog(p.entries)
		}
		s.printf("%s%s", column(fmt.Sprintf("n%d on disk", p.id)), text)
	}
	return err
}

func (s *script) cmdTick(args []string) error {
	some, err := s.some(args)
	if err != nil {
		return err
	}
	count := uint64(1)
	if len(args) > 1 {
		if count, err = parseNumber(args[1]); err != nil {
			return err
		}
	}
	for range count {
		for _, p := range some {
			if p.raft != nil {
				err = errors.Join(err, p.do(func() error { p.raft.Tick(); return nil }))
			}
		}
	}
	return err
}

// cmdTimeout lets a node's time pass until its election timer fires.
func (s *script) cmdTimeout(args []string) error {
	p, _, err := s.one(args)
	if err != nil {
		return err
	}
	if p.raft == nil {
		return fmt.Errorf("n%d is down", p.id)
	}
	before := p.raft.role.kind()
	for range 3 * s.config.ElectionTicks {
		if err := p.do(func() error { p.raft.Tick(); return nil }); err != nil {
			return err
		}
		if p.raft.role.kind() != before {
			return nil
		}
	}
	return fmt.Errorf("n%d is still %v", p.id, before)
}

// cmdStand lets a node's time pass, and the voters by=n2,n3 or all grant what it asks, until it is
// a candidate. Its requests are under way then, or wait for its disk.
func (s *script) cmdStand(args []string) error {
	p, by, err := s.campaign(args)
	if err != nil {
		return err
	}
	if p.raft.role.kind() == Follower {
		if err := s.cmdTimeout(args[:1]); err != nil {
			return err
		}
	}
	asks := func(m Message) bool { return m.From == p.id && kindOf(m.Body) == "PreVote" }
	if p.raft.role.kind() == PreCandidate && !slices.ContainsFunc(s.net, asks) {
		// What it asked is lost: it asks again with its next heartbeat.
		if err := s.cmdTick([]string{args[0], fmt.Sprint(s.config.HeartbeatTicks)}); err != nil {
			return err
		}
	}
	if err := s.poll(p, by, true); err != nil {
		return err
	}
	if p.raft == nil || p.raft.role.kind() != Candidate && p.raft.role.kind() != Leader {
		return fmt.Errorf("n%d does not stand", p.id)
	}
	return nil
}

// cmdElect makes a node leader, by the votes of by=n2,n3, or of all.
func (s *script) cmdElect(args []string) error {
	p, by, err := s.campaign(args)
	if err != nil {
		return err
	}
	if p.raft.role.kind() != Candidate {
		if err := s.cmdStand(args); err != nil {
			return err
		}
	}
	if err := s.poll(p, by, false); err != nil {
		return err
	}
	if p.raft == nil || p.raft.role.kind() != Leader {
		return fmt.Errorf("n%d is not elected", p.id)
	}
	return nil
}

func (s *script) campaign(args []string) (p *player, by []*player, err error) {
	p, rest, err := s.one(args)
	if err != nil {
		return nil, nil, err
	}
	by = s.nodes
	if len(rest) > 0 {
		by, err = s.some([]string{strings.TrimPrefix(rest[0], "by=")})
	}
	if p.raft == nil {
		err = fmt.Errorf("n%d is down", p.id)
	}
	return p, by, err
}

// poll delivers what is asked by p and answered by some voters, waits for their disks, and drops
// what others are asked.
func (s *script) poll(p *player, by []*player, pre bool) (err error) {
	about := func(m Message) bool {
		isPre := false
		switch b := m.Body.(type) {
		case RequestVote:
			isPre = b.PreVote
		case VoteReply:
			isPre = b.PreVote
		default:
			return false
		}
		return isPre == pre && (m.From == p.id || m.To == p.id)
	}
	for range 10 {
		for _, q := range append([]*player{p}, by...) {
			if q.raft != nil && len(q.writes) > 0 && !pre {
				seq := q.writes[len(q.writes)-1].Seq
				err = errors.Join(err, q.do(func() error { q.persist(seq); return nil }))
			}
		}
		votes := s.take(func(m Message) bool {
			other := m.From + m.To - p.id
			return about(m) && slices.ContainsFunc(by, func(q *player) bool { return q.id == other })
		})
		for _, m := range votes {
			err = errors.Join(err, s.arrive(m))
		}
	}
	s.take(about)
	return err
}

// answer prints an input's refusal, which is part of what a script tells.
func (s *script) answer(p *player, err error) error {
	if err != nil {
		s.host(p, "refused: %v", err)
	}
	return nil
}

func (s *script) cmdPropose(args []string) error {
	p, commands, err := s.one(args)
	if err != nil || len(commands) == 0 {
		return errors.Join(err, errors.New("propose n1 x"))
	}
	return p.do(func() error {
		for _, c := range commands {
			if err := p.raft.Propose([]byte(c)); err != nil {
				return s.answer(p, err)
			}
		}
		return nil
	})
}

func (s *script) cmdRead(args []string) error {
	p, ids, err := s.one(args)
	if err != nil {
		return err
	}
	return p.do(func() error {
		for _, id := range ids {
			n, err := parseNumber(id)
			if err != nil {
				return err
			}
			if err := p.raft.Read(n); err != nil {
				return s.answer(p, err)
			}
		}
		return nil
	})
}

func (s *script) cmdTransfer(args []string) error {
	p, rest, err := s.one(args)
	if err != nil || len(rest) != 1 {
		return errors.Join(err, errors.New("transfer n1 n2"))
	}
	to, err := parseNode(rest[0])
	if err != nil {
		return err
	}
	return p.do(func() error { return s.answer(p, p.raft.Transfer(to)) })
}

// cmdMembers asks a leader for a configuration: members n1 {1 2 4 + 5}.
func (s *script) cmdMembers(args []string) error {
	p, rest, err := s.one(args)
	if err != nil {
		return err
	}
	to, err := parseMembers(strings.Join(rest, " "))
	if err != nil {
		return err
	}
	return p.do(func() error { return s.answer(p, p.raft.Reconfigure(to)) })
}

// cmdUnreachable tells nodes that their connection to another broke.
func (s *script) cmdUnreachable(args []string) error {
	some, err := s.some(args)
	if err != nil || len(args) != 2 {
		return errors.Join(err, errors.New("unreachable n2,n3 n1"))
	}
	to, err := parseNode(args[1])
	for _, p := range some {
		err = errors.Join(err, p.do(func() error { p.raft.Unreachable(to); return nil }))
	}
	return err
}

func (s *script) cmdDisk(args []string) error {
	p, rest, err := s.one(args)
	if err != nil || len(rest) != 1 {
		return errors.Join(err, errors.New("disk n1 manual"))
	}
	p.manual = rest[0] == "manual"
	return oneOf(rest[0], "manual", "auto")
}

// upto is the write that a command names, or the last one.
func (p *player) upto(rest []string) (uint64, error) {
	if len(p.writes) == 0 {
		return 0, fmt.Errorf("n%d has nothing to write", p.id)
	}
	if len(rest) == 0 {
		return p.writes[len(p.writes)-1].Seq, nil
	}
	seq, err := parseNumber(rest[0])
	if seq < p.writes[0].Seq || seq > p.writes[len(p.writes)-1].Seq {
		err = errors.Join(err, fmt.Errorf("#%d is not under way", seq))
	}
	return seq, err
}

// cmdWrite makes writes durable, and tells nobody: what hangs on them is lost in a crash.
func (s *script) cmdWrite(args []string) error {
	p, rest, err := s.one(args)
	if err != nil {
		return err
	}
	seq, err := p.upto(rest)
	if err == nil {
		p.write(seq)
	}
	return err
}

func (s *script) cmdPersist(args []string) error {
	p, rest, err := s.one(args)
	if err != nil {
		return err
	}
	seq, err := p.upto(rest)
	if err != nil {
		return err
	}
	return p.do(func() error { p.persist(seq); return nil })
}

// cmdCrash takes nodes down: what was not written is lost.
func (s *script) cmdCrash(args []string) error {
	some, err := s.some(args)
	for _, p := range some {
		if p.raft == nil {
			err = errors.Join(err, fmt.Errorf("n%d is down already", p.id))
		}
		p.raft, p.writes = nil, nil
	}
	return err
}

func (s *script) cmdRestart(args []string) error {
	some, err := s.some(args)
	for _, p := range some {
		if p.raft != nil {
			return fmt.Errorf("n%d is not down", p.id)
		}
		p.start()
	}
	return err
}

// cmdWipe empties the disk of a node that is down: it comes back under its name, and knows nothing.
func (s *script) cmdWipe(args []string) error {
	p, _, err := s.one(args)
	if err != nil || p.raft != nil {
		return errors.Join(err, errors.New("wipe n1, which is down"))
	}
	p.hard, p.entries, p.snap = HardState{}, nil, SnapshotMeta{Members: p.snap.Members}
	return nil
}

// cmdBusy keeps a host from asking for Ready, so that several inputs come in between.
func (s *script) cmdBusy(args []string) error {
	p, _, err := s.one(args)
	if err == nil {
		p.busy = true
	}
	return err
}

func (s *script) cmdDrain(args []string) error {
	p, _, err := s.one(args)
	if err != nil {
		return err
	}
	p.busy = false
	return p.do(func() error { return nil })
}

// cmdApplied says that a slow machine has come to an index.
func (s *script) cmdApplied(args []string) error {
	p, rest, err := s.one(args)
	if err != nil || len(rest) != 1 {
		return errors.Join(err, errors.New("applied n1 3"))
	}
	i, err := parseNumber(rest[0])
	if err != nil {
		return err
	}
	return p.do(func() error { p.raft.Applied(Index(i)); return nil })
}
