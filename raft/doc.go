// Package raft is the Raft consensus algorithm as a value: inputs change it, Ready tells what is
// to be done about it. It performs no I/O, starts no goroutine, reads no clock and draws no
// randomness but its seed. Equal inputs give equal outputs.
//
// # What it is for
//
// A group of nodes agrees on one log. An entry is committed when it is durable on a majority, and
// is then never lost nor replaced, whatever crashes, pauses and partitions come, as long as disks
// keep what they acknowledged. "The paper" is Ongaro and Ousterhout, In Search of an
// Understandable Consensus Algorithm (extended version); "thesis" is Ongaro's. Fig2/AE.3 is the
// third rule of AppendEntries in its Figure 2.
//
// # How to read it
//
// Files follow the paper's sections, and hold both ends of one idea:
//
//	types, message, ready   the vocabulary of Figure 2 and of the host
//	raft, step              the node; the role × message table; terms (§5.1)
//	role, election          Figure 4; §5.2, §5.4.1, pre-vote (thesis §9.6)
//	replication, progress   §5.3, heartbeats, check-quorum (thesis §6.2)
//	commit, quorum          §5.4.2, Figure 8; majorities, single and joint
//	log, durability         the log in memory; what of it is on disk (thesis §10.2.1)
//	snapshot                §7, Figure 13
//	membership              §6, learners
//	read, transfer          thesis §6.4 and §3.10
//	rule, format            what is traced, and in which words
//	invariants              what must always hold
//
// # The contract with the host
//
// The host feeds inputs (Tick, Step, Propose, …) from one goroutine and drains Ready:
//
//	for rd, ok := r.Ready(); ok; rd, ok = r.Ready() {
//		send(rd.Send)                       // at once, while the disk works
//		write(rd.Append, func() {           // in order; then, and only then:
//			send(rd.Append.After)
//			r.Persisted(rd.Append.Seq)      // back on the one goroutine
//		})
//		apply(rd.Apply)                     // r.Applied when done
//	}
//
// Whatever claims something that a crash could undo (a vote, a candidacy, an acknowledgement, a
// term) hangs on the Append that makes it durable: there is no way to send it earlier. A leader's
// own disk is one of many: entries go out while it writes, its write counts when it is done, and
// it may commit on the disks of others first. Only what is committed and locally durable is
// handed to the machine.
//
// Slices in a Ready, and entry data everywhere, are shared: read them, never write.
package raft
