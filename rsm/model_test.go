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
	settled
}

type modelKey struct {
	scope, key, command string
	kind                rsm.RequestKind
	storedAt            uint64
	result              rsm.Result // of a fence, a refusal
}

func (k *modelKey) bytes() uint64 {
	return uint64(len(k.scope)+len(k.key)+len(k.result.Reply)) + 256
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
	m.expireSettled()
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
		m.doing = modelSession{node: b.Node, boot: b.Boot, number: 1,
			results: map[uint64][]rsm.Result{1: done.Results}}
		done.Results = append(done.Results, m.do(r, b))
	}
	m.doing = modelSession{}
	m.keep(s, b.Keep)
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

func (m *model) refuse(r rsm.Request, code rsm.Code) rsm.Result {
	return rsm.Result{Outcome: rsm.NotApplied, Code: code, Index: m.index, Serial: r.Serial}
}

func (m *model) do(r rsm.Request, b rsm.Batch) rsm.Result {
	id := r.Identity
	var client *modelClient
	need := uint64(0)
	switch {
	case id.Session != 0:
		if client = m.use(id); client == nil {
			return m.refuse(r, rsm.CodeSessionExpired)
		} else if id.Key != "" || id.Seq == 0 || r.Kind > rsm.SettingsCommand {
			return m.refuse(r, rsm.CodeBadCommand)
		} else if id.Seq <= client.acked {
			return m.refuse(r, rsm.CodeReplyForgotten)
		} else if id.Seq > client.acked+rsm.SessionWindow {
			return m.refuse(r, rsm.CodeWindowFull)
		} else if stored := client.find(id.Seq); stored != nil {
			return m.repeat(r, stored)
		}
		need = 256
	case id.Key != "":
		if stored := m.key(id.Scope, id.Key); stored != nil {
			return m.repeat(r, stored)
		}
		need = uint64(len(id.Scope)+len(id.Key)) + 256
	}
	if m.isFenced(b.Node, b.Boot, r.Serial) {
		return m.refuse(r, rsm.CodeFenced)
	}
	if r.BudgetMs != 0 && int64(m.logTime) > b.Admitted+int64(r.BudgetMs) {
		return m.refuse(r, rsm.CodeExpired)
	}
	if need > 0 && !m.room(need) {
		return m.refuse(r, rsm.CodeTableFull)
	}
	reply, code := m.execute(r)
	if code != "" {
		return m.refuse(r, code)
	}
	result := rsm.Result{Outcome: rsm.Applied, Reply: reply, Index: m.index, Op: m.op,
		Serial: r.Serial}
	stored := modelKey{scope: id.Scope, key: id.Key, kind: r.Kind, command: string(r.Command),
		storedAt: m.logTime, result: result}
	if client != nil {
		client.replies = append(client.replies, modelReply{id.Seq, stored})
	} else if id.Key != "" {
		m.keys = append(m.keys, stored)
	}
	return result
}

// repeat answers a request for which something is stored.
func (m *model) repeat(r rsm.Request, stored *modelKey) rsm.Result {
	if stored.result.Code != "" {
		return m.refuse(r, stored.result.Code)
	}
	if stored.command != string(r.Command) || stored.kind != r.Kind {
		return m.refuse(r, rsm.CodeKeyReused)
	}
	result := stored.result
	result.Replayed, result.Serial = true, r.Serial
	return result
}

// key returns what is stored under a key.
func (m *model) key(scope, key string) *modelKey {
	var stored *modelKey
	for i, k := range m.keys {
		if k.scope == scope && k.key == key && !m.due(k.storedAt) {
			stored = &m.keys[i]
		}
	}
	return stored
}

// promised counts what is stored against the bound.
func (m *model) promised() (bytes uint64) {
	for i := range m.keys {
		bytes += m.keys[i].bytes()
	}
	for _, c := range m.clients {
		for _, r := range c.replies {
			bytes += uint64(len(r.stored.result.Reply)) + 256
		}
	}
	return bytes
}

func (m *model) room(need uint64) bool {
	for m.promised()+need > m.settings.MaxRequestsBytes {
		if len(m.keys) == 0 || !m.due(m.keys[0].storedAt) {
			return false
		}
		m.keys = m.keys[1:]
	}
	return true
}

func (m *model) execute(r rsm.Request) (reply []byte, code rsm.Code) {
	switch r.Kind {
	case rsm.MachineCommand:
		m.op++
		return fmt.Appendf(nil, "%d/%d@%d %s", m.index, m.op, m.logTime, r.Command), ""
	case rsm.SettingsCommand:
		c, err := rsm.DecodeSettings(r.Command)
		if err != nil {
			return nil, rsm.CodeBadCommand
		}
		if !c.IfUnset || !m.settingsSet {
			m.settings, m.settingsSet = c.Settings, true
		}
		m.op++
		return rsm.EncodeSettings(nil, rsm.SettingsChange{Settings: m.settings}), ""
	}
	return m.settle(r)
}
