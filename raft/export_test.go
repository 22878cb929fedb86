package raft

// What the tests from outside may see beside the interface.

// DeepChecks: every step is checked, and slow.
const DeepChecks = deepChecks

// AtRest reports whether all that was handed out has been given back.
func (r *Raft) AtRest() bool { return r.applying.bytes == 0 && len(r.disk.writes) == 0 }
