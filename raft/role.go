package raft

// role is what a node is in its current term (Figure 4). Every transition assigns a fresh
// struct, so that no vote and no nextIndex of an earlier role can survive; and work that only
// one role does takes that role as an argument, so that it cannot be done in another.
type role interface{ kind() Role }

type follower struct {
	leader  NodeID // 0: not known
	elapsed int    // ticks since the leader was heard or a vote was granted
	timeout int    // ticks to wait before standing
}

// preCandidate asks whether it would be elected, at no cost to anybody (thesis §9.6).
type preCandidate struct {
	votes   votes
	elapsed int // ticks since it asked
}

type candidate struct {
	votes    votes
	transfer bool // the leader asked for this election (thesis §3.10)
	elapsed  int
	timeout  int
}

// leader holds Figure 2's "volatile state on leaders".
type leader struct {
	progress  []progress // nextIndex[] and matchIndex[], of all other members, ascending by ID
	termStart Index      // its first entry: committing it commits all before (§5.4.2)
	elapsed   int        // ticks since the last round of heartbeats
	reads     reads
	transfer  transfer
}

func (*follower) kind() Role     { return Follower }
func (*preCandidate) kind() Role { return PreCandidate }
func (*candidate) kind() Role    { return Candidate }
func (*leader) kind() Role       { return Leader }

// votes are the answers so far, one a voter: a duplicated reply is not a second vote.
type votes []vote

type vote struct {
	from    NodeID
	granted bool
}

func (v votes) answered(id NodeID) bool {
	for i := range v {
		if v[i].from == id {
			return true
		}
	}
	return false
}

func (v votes) granted(id NodeID) bool {
	for i := range v {
		if v[i].from == id {
			return v[i].granted
		}
	}
	return false
}

func (v *votes) record(id NodeID, granted bool) {
	if !v.answered(id) {
		*v = append(*v, vote{id, granted})
	}
}

// becomeFollower begins a new term, or gives up in the one that runs. The vote is forgotten with
// its term and never before: a candidate that yields has still voted for itself.
func (r *Raft) becomeFollower(term Term) *follower {
	assert(term >= r.currentTerm, "the term never decreases")
	if term > r.currentTerm {
		r.beginTerm(term)
	}
	f := &follower{timeout: r.drawElectionTimeout()}
	if was, ok := r.role.(*follower); ok {
		// Fig2/F.2: a higher term alone is no word from a leader: the timer runs on.
		f.elapsed, f.timeout = was.elapsed, was.timeout
	}
	r.role, r.ship = f, nil // a leader's wish ends with its office
	return f
}

// beginTerm moves to a higher term. Messages that still wait for a write of the old term go with
// it: the write that would release them no longer holds their term, and nobody needs them.
func (r *Raft) beginTerm(term Term) {
	assert(term > r.currentTerm, "a new term is higher")
	r.currentTerm, r.votedFor, r.termLeader = term, 0, 0
	r.yielded = false
	clear(r.after)
	r.after = r.after[:0]
}

// becomePreCandidate asks every voter, itself included, whether it would be elected.
func (r *Raft) becomePreCandidate() {
	p := &preCandidate{}
	r.role = p
	r.rule(F2, NoLeaderHeard, 0, r.log.last(), Position{Term: r.currentTerm + 1})
	r.askPreVotes(p)
}

// becomeCandidate starts an election (§5.2).
func (r *Raft) becomeCandidate(transfer bool) {
	assert(r.mayStand(), "only a voter stands")
	// Fig2/C.1: increment currentTerm, vote for self, reset the election timer, ask for votes.
	r.beginTerm(r.currentTerm + 1)
	r.votedFor = r.id
	r.stood++
	c := &candidate{transfer: transfer, timeout: r.drawElectionTimeout()}
	r.role = c
	r.rule(C1, StandForElection, 0, r.log.last(), Position{})
	r.askVotes(c)
}

// becomeLeader takes office (Fig2/C.2).
func (r *Raft) becomeLeader(c *candidate) {
	assert(c.votes.granted(r.id), "leads without its own durable vote")
	r.assert(r.termLeader == 0, "two leaders in one term")
	r.termLeader, r.quiet, r.stood = r.id, 0, 0
	last := r.log.lastIndex()
	l := &leader{termStart: last + 1}
	r.role = l
	r.rule(C2, MajorityVoted, 0, r.log.last(), Position{})
	r.syncProgress(l, last+1)
	// §8: a no-op of its own term, for only its own term's entries can be committed by counting
	// (§5.4.2). It also is the first AppendEntries that Fig2/L.1 wants sent at once.
	r.rule(L1, Announce, 0, Position{}, Position{})
	r.appendOwn(l, EntryNoop, nil)
}
