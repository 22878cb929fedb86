package etcdraft

import (
	"testing"

	"drystone/internal/rafttest"
	"drystone/raft"
	"drystone/replica"
)

// What all engines have in common, for this one and for clusters of both: internal/rafttest.

var itself = replica.EngineKind{
	Name: Name,
	New:  func(c raft.Config, d raft.Restored) replica.Engine { return New(c, d) },
}

// clusters are the engines that nodes take in turn.
var clusters = map[string][]replica.EngineKind{
	"etcd":       {itself},
	"mixed":      {itself, replica.Native},
	"mixed, odd": {replica.Native, itself},
}

// AtRest reports whether all that was handed out has been given back.
func (e *Engine) AtRest() bool { return e.applying.bytes == 0 && len(e.disk.writes) == 0 }

func TestClaims(t *testing.T) {
	for name, engines := range clusters {
		t.Run(name, func(t *testing.T) { rafttest.Claims(t, engines...) })
	}
}

func TestRandomHistories(t *testing.T) {
	histories := 10
	if rafttest.RaceEnabled || testing.Short() {
		histories = 2
	}
	for name, engines := range clusters {
		t.Run(name, func(t *testing.T) { rafttest.Histories(t, histories, engines...) })
	}
}

func TestSameSeedSameHistory(t *testing.T) { rafttest.SameSeedSameHistory(t, itself) }
