package rsm_test

import (
	"fmt"
	"slices"

	"drystone/rsm"
)

// model says in the plainest way what a State must do with an entry: lists that are searched, and
// nothing shared, summed up or evicted in steps.
type model struct {
	index, op, logTime uint64
	settings           rsm.Settings
	settingsSet        bool
	config             string
	keys               []modelKey
	sessions           []*modelSession
}

type modelKey struct {
	scope, key, command string
	kind                rsm.RequestKind
	storedAt            uint64
	result              rsm.Result
}

type modelSession struct {
	node, boot, number, acked uint64
	results                   map[uint64][]rsm.Result
	retired                   bool
	retiredAt                 uint64
}

func newModel() *model { return &model{settings: rsm.DefaultSettings(), config: "config 0"} }

func (m *model) due(at uint64) bool { return m.logTime-at >= m.settings.RequestRetentionMs }

// next begins an entry.
func (m *model) next(stamp uint64) {
	m.index++
	m.logTime = max(m.logTime, stamp)
	m.keys = slices.DeleteFunc(m.keys, func(k modelKey) bool { return m.due(k.storedAt) })
	m.sessions = slices.DeleteFunc(m.sessions, func(s *modelSession) bool {
		return s.retired && m.due(s.retiredAt)
	})
}

func (m *model) session(node, boot uint64) *modelSession {
	for _, s := range m.sessions {
		if s.node == node && s.boot == boot {
			return s
		}
	}
	return nil
}

func (m *model) apply(b rsm.Batch) rsm.BatchDone {
	done := rsm.BatchDone{Number: b.Number}
	newest := uint64(0)
	for _, s := range m.sessions {
		if s.node == b.Node {
			newest = max(newest, s.boot)
		}
	}
	s := m.session(b.Node, b.Boot)
	if s == nil && b.Boot < newest {
		done.Status = rsm.BatchForgotten
		return done
	}
	if s == nil {
		s = &modelSession{node: b.Node, boot: b.Boot, results: map[uint64][]rsm.Result{}}
	}
	switch {
	case b.Number <= s.number:
		done.Status = rsm.BatchRepeated
		return done
	case b.Number > s.number+1:
		done.Status = rsm.BatchGap
		return done
	}
	done.Status = rsm.BatchApplied
	for _, r := range b.Requests {
		done.Results = append(done.Results, m.do(r, b.Admitted))
	}
	if s.number == 0 {
		if old := m.session(b.Node, newest); old != nil {
			old.retired, old.retiredAt = true, m.logTime
		}
		m.sessions = append(m.sessions, s)
	}
	s.number++
	s.results[s.number] = done.Results
	s.acked = max(s.acked, min(b.Ack, s.number-1))
	return done
}

func (m *model) do(r rsm.Request, admitted int64) rsm.Result {
	refuse := func(code rsm.Code) rsm.Result {
		return rsm.Result{Outcome: rsm.NotApplied, Code: code, Index: m.index, Serial: r.Serial}
	}
	id := r.Identity
	if id.Session != 0 {
		return refuse(rsm.CodeSessionExpired)
	}
	live := uint64(0)
	var stored *modelKey
	for i, k := range m.keys {
		if m.due(k.storedAt) {
			continue
		}
		live += uint64(len(k.scope)+len(k.key)+len(k.result.Reply)) + 256
		if k.scope == id.Scope && k.key == id.Key {
			stored = &m.keys[i]
		}
	}
	if id.Key != "" && stored != nil {
		if stored.command != string(r.Command) || stored.kind != r.Kind {
			return refuse(rsm.CodeKeyReused)
		}
		result := stored.result
		result.Replayed, result.Serial = true, r.Serial
		return result
	}
	if r.BudgetMs != 0 && int64(m.logTime) > admitted+int64(r.BudgetMs) {
		return refuse(rsm.CodeExpired)
	}
	need := uint64(len(id.Scope)+len(id.Key)) + 256
	if id.Key != "" && live+need > m.settings.MaxRequestsBytes {
		return refuse(rsm.CodeTableFull)
	}
	var reply []byte
	if r.Kind == rsm.SettingsCommand {
		c, err := rsm.DecodeSettings(r.Command)
		if err != nil {
			return refuse(rsm.CodeBadCommand)
		}
		if !c.IfUnset || !m.settingsSet {
			m.settings, m.settingsSet = c.Settings, true
		}
		reply = rsm.EncodeSettings(nil, rsm.SettingsChange{Settings: m.settings})
	} else {
		reply = fmt.Appendf(nil, "%d/%d@%d %s", m.index, m.op+1, m.logTime, r.Command)
	}
	m.op++
	result := rsm.Result{Outcome: rsm.Applied, Reply: reply, Index: m.index, Op: m.op,
		Serial: r.Serial}
	if id.Key != "" {
		m.keys = append(m.keys, modelKey{scope: id.Scope, key: id.Key, kind: r.Kind,
			command: string(r.Command), storedAt: m.logTime, result: result})
	}
	return result
}
