package rsm_test

import (
	"slices"

	"drystone/rsm"
)

// settled is the part of the model that client sessions, fences and fates are about.
type settled struct {
	clients []*modelClient
	kept    []modelKept
	fences  []modelFence
	doing   modelSession // the results of the batch that is being applied, as one of its own
}

type modelClient struct {
	id, usedAt, acked uint64
	scope             string
	replies           []modelReply
}

type modelReply struct {
	seq    uint64
	stored modelKey // without scope and key
}

type modelKept struct {
	node, boot, storedAt uint64
	result               rsm.Result
}

type modelFence struct{ node, boot, serial, storedAt uint64 }

// expireSettled drops what has expired when an entry begins.
func (m *model) expireSettled() {
	m.kept = slices.DeleteFunc(m.kept, func(k modelKept) bool { return m.due(k.storedAt) })
	m.clients = slices.DeleteFunc(m.clients, func(c *modelClient) bool {
		return m.logTime-c.usedAt >= m.settings.SessionTTLMs
	})
}

// end ends an entry.
func (m *model) end() {
	count := func() uint64 {
		bytes := m.promised()
		for _, k := range m.kept {
			bytes += uint64(len(k.result.Reply)) + 256
		}
		return bytes
	}
	for len(m.kept) > 0 && count() > m.settings.MaxRequestsBytes {
		m.kept = m.kept[1:]
	}
}

func (m *model) client(id uint64, scope string) *modelClient {
	for _, c := range m.clients {
		if c.id == id && c.scope == scope {
			return c
		}
	}
	return nil
}

// use renews a session and takes an acknowledgement.
func (m *model) use(id rsm.Identity) *modelClient {
	c := m.client(id.Session, id.Scope)
	if c == nil {
		return nil
	}
	c.usedAt = m.logTime
	highest := uint64(0)
	for _, r := range c.replies {
		highest = max(highest, r.seq)
	}
	c.acked = max(c.acked, min(id.Ack, highest))
	c.replies = slices.DeleteFunc(c.replies, func(r modelReply) bool { return r.seq <= c.acked })
	return c
}

func (c *modelClient) find(seq uint64) *modelKey {
	for i := range c.replies {
		if c.replies[i].seq == seq {
			return &c.replies[i].stored
		}
	}
	return nil
}

// keep takes a batch's list of results to keep, before the batch itself counts.
func (m *model) keep(s *modelSession, serials []uint64) {
	for _, serial := range serials {
		if r := s.find(serial); r != nil {
			m.kept = append(m.kept, modelKept{s.node, s.boot, m.logTime, *r})
		}
	}
}

func (s *modelSession) find(serial uint64) *rsm.Result {
	for number := s.acked + 1; number <= s.number; number++ {
		for _, r := range s.results[number] {
			if r.Serial == serial {
				return &r
			}
		}
	}
	return nil
}

// passed is the highest serial that came out.
func (s *modelSession) passed() (serial uint64) {
	for _, results := range s.results {
		for _, r := range results {
			serial = max(serial, r.Serial)
		}
	}
	return serial
}

func (m *model) isFenced(node, boot, serial uint64) bool {
	return slices.ContainsFunc(m.fences, func(f modelFence) bool {
		return f.node == node && f.boot == boot && f.serial == serial
	})
}

func (m *model) settle(r rsm.Request) (reply []byte, code rsm.Code) {
	scope := r.Identity.Scope
	switch r.Kind {
	case rsm.OpenSession:
		if uint64(len(m.clients)) >= m.settings.MaxSessions {
			return nil, rsm.CodeTooManySessions
		}
		m.op++
		m.clients = append(m.clients, &modelClient{id: m.op, scope: scope, usedAt: m.logTime})
		return m.info(m.op), ""
	case rsm.KeepSession:
		session := decodeSession(r.Command)
		if m.use(rsm.Identity{Session: session, Scope: scope}) == nil {
			return nil, rsm.CodeSessionExpired
		}
		m.op++
		return m.info(session), ""
	case rsm.CloseSession:
		c := m.client(decodeSession(r.Command), scope)
		if c == nil {
			return nil, rsm.CodeSessionExpired
		}
		m.clients = slices.DeleteFunc(m.clients, func(x *modelClient) bool { return x == c })
		m.op++
		return nil, ""
	}
	id, err := rsm.DecodeRequestID(r.Command)
	if err != nil {
		return nil, rsm.CodeBadCommand
	}
	fate := m.fate(id)
	if r.Kind == rsm.FreeRequest {
		if id.Session != 0 {
			return nil, rsm.CodeBadCommand
		}
		m.free(id, fate)
	} else if id.Key != "" && id.Key == r.Identity.Key && id.Scope == scope ||
		id.Node == m.doing.node && id.Boot == m.doing.boot && id.Serial == r.Serial {
		return nil, rsm.CodeBadCommand
	} else if fate.State == rsm.FateAbsent {
		if code := m.fence(id); code != "" {
			return nil, code
		}
		fate.State = rsm.FateFenced
	}
	m.op++
	return rsm.EncodeFate(nil, fate), ""
}

func (m *model) info(session uint64) []byte {
	return rsm.EncodeSessionInfo(nil, rsm.SessionInfo{Session: session,
		TTLMs: m.settings.SessionTTLMs})
}

func decodeSession(command []byte) uint64 {
	d := rsm.NewDecoder(command)
	return d.Uvarint()
}

func (m *model) fence(id rsm.RequestID) (code rsm.Code) {
	fenced := modelKey{scope: id.Scope, key: id.Key, storedAt: m.logTime,
		result: rsm.Result{Code: rsm.CodeFenced}}
	c := m.client(id.Session, id.Scope)
	switch {
	case id.Node != 0:
		m.fences = slices.DeleteFunc(m.fences, func(f modelFence) bool {
			s := m.session(f.node, f.boot)
			return m.due(f.storedAt) && (s == nil || f.serial <= s.passed())
		})
		m.fences = append(m.fences, modelFence{id.Node, id.Boot, id.Serial, m.logTime})
	case id.Session == 0:
		if !m.room(uint64(len(id.Scope)+len(id.Key)) + 256) {
			return rsm.CodeTableFull
		}
		m.keys = append(m.keys, fenced)
	case c == nil:
		return rsm.CodeSessionExpired
	case id.Seq > c.acked+rsm.SessionWindow:
		return rsm.CodeWindowFull
	case !m.room(256):
		return rsm.CodeTableFull
	default:
		c.replies = append(c.replies, modelReply{id.Seq, fenced})
	}
	return ""
}

func (m *model) free(id rsm.RequestID, fate rsm.Fate) {
	if id.Key != "" && fate.State == rsm.FateApplied {
		stored := m.key(id.Scope, id.Key)
		op := stored.result.Op
		m.keys = slices.DeleteFunc(m.keys, func(k modelKey) bool { return k.result.Op == op })
	}
	m.kept = slices.DeleteFunc(m.kept, func(k modelKept) bool {
		return k.node == id.Node && k.boot == id.Boot && k.result.Serial == id.Serial &&
			k.result.Code != rsm.CodeFenced
	})
}

func fateOf(r rsm.Result) rsm.Fate {
	r.Serial, r.Replayed = 0, r.Outcome == rsm.Applied
	switch {
	case r.Code == rsm.CodeFenced:
		return rsm.Fate{State: rsm.FateFenced}
	case r.Code != "":
		return rsm.Fate{State: rsm.FateRefused, Result: r}
	}
	return rsm.Fate{State: rsm.FateApplied, Result: r}
}

func (m *model) fate(id rsm.RequestID) rsm.Fate {
	var stored *modelKey
	switch {
	case id.Node != 0:
		return m.fateAtNode(id)
	case id.Session != 0:
		c := m.client(id.Session, id.Scope)
		if c == nil && id.Session <= m.op || c != nil && id.Seq <= c.acked {
			return rsm.Fate{State: rsm.FateForgotten}
		} else if c != nil {
			stored = c.find(id.Seq)
		}
	default:
		stored = m.key(id.Scope, id.Key)
	}
	if stored == nil {
		return rsm.Fate{State: rsm.FateAbsent}
	}
	return fateOf(stored.result)
}

func (m *model) fateAtNode(id rsm.RequestID) rsm.Fate {
	s, newest := m.session(id.Node, id.Boot), uint64(0)
	for _, other := range m.sessions {
		if other.node == id.Node {
			newest = max(newest, other.boot)
		}
	}
	if m.doing.node == id.Node && m.doing.boot == id.Boot {
		if r := m.doing.find(id.Serial); r != nil {
			return fateOf(*r)
		}
	}
	if s != nil {
		if r := s.find(id.Serial); r != nil {
			return fateOf(*r)
		}
	}
	for _, k := range m.kept {
		if k.node == id.Node && k.boot == id.Boot && k.result.Serial == id.Serial && !m.due(k.storedAt) {
			return fateOf(k.result)
		}
	}
	switch {
	case m.isFenced(id.Node, id.Boot, id.Serial):
		return rsm.Fate{State: rsm.FateFenced}
	case s == nil && id.Boot < newest, s != nil && id.Serial <= s.passed():
		return rsm.Fate{State: rsm.FateForgotten}
	}
	return rsm.Fate{State: rsm.FateAbsent}
}
