package raft

// Event is one line of a trace: a decision and the rule that made it.
type Event struct{}

// ProgressState is how a leader feeds one peer.
type ProgressState uint8
