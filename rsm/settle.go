package rsm

// What became of a request, and how it is settled.

// fate is what is known of a request, as of Point.
func (s *State) fate(id RequestID) Fate {
	switch {
	case id.Session != 0:
		return s.fateInSession(id)
	case id.Node != 0:
		return s.fateAtNode(nodeRequest{id.Node, id.Boot, id.Serial})
	}
	return s.fateOfKey(keyID{id.Scope, id.Key})
}

func (s *State) fateOfKey(id keyID) Fate {
	row := s.keyRow(id)
	if row == nil {
		return Fate{State: FateAbsent}
	}
	return row.fate()
}

func (s *State) fateInSession(id RequestID) Fate {
	session := s.clients.find(id.Session, id.Scope)
	switch {
	case session == nil && id.Session > s.point.Op:
		return Fate{State: FateAbsent} // no session has that id yet
	case session == nil || id.Seq <= session.acked:
		return Fate{State: FateForgotten}
	}
	row := session.find(id.Seq)
	if row == nil {
		return Fate{State: FateAbsent}
	}
	return row.fate()
}

// fateAtNode never says of a request that came out that it is absent: its result is still there, or
// was kept, or it is known that its node's stream has passed it.
func (s *State) fateAtNode(id nodeRequest) Fate {
	session := s.nodes.find(id.node, id.boot)
	if b := s.batch; b != nil && b.Node == id.node && b.Boot == id.boot {
		if result := findResult(s.results, id.serial); result != nil {
			return fateOf(result)
		}
	}
	if session != nil {
		if result := session.find(id.serial); result != nil {
			return fateOf(result)
		}
	}
	row := s.kept.find(id, s.point.LogTime, s.settings.RequestRetentionMs)
	switch {
	case row != nil:
		return row.fate()
	case s.fences.has(id):
		return Fate{State: FateFenced}
	case session == nil && s.nodes.admit(id.node, id.boot, 1) == BatchForgotten:
		return Fate{State: FateForgotten} // the session is gone, or can't come to be any more
	case session != nil && id.serial <= session.serial():
		return Fate{State: FateForgotten}
	}
	return Fate{State: FateAbsent}
}

// fenceRequest executes a FenceRequest: whatever is not known to have been applied is fenced, and
// so can never be.
func (s *State) fenceRequest(r *Request) (reply []byte, code Code) {
	id, err := DecodeRequestID(r.Command)
	// It is executed, so that it can't be fenced; by its key, its reply would take the fence's place.
	itself := id.Key != "" && id.Key == r.Identity.Key && id.Scope == r.Identity.Scope ||
		id.Node == s.batch.Node && id.Boot == s.batch.Boot && id.Serial == r.Serial
	if err != nil || itself {
		return nil, CodeBadCommand
	}
	fate := s.fate(id)
	if fate.State == FateAbsent {
		if code := s.fence(id); code != "" {
			return nil, code
		}
		fate.State = FateFenced
	}
	s.point.Op++
	return EncodeFate(nil, fate), ""
}

// fence stores a fence, for the op that comes next.
func (s *State) fence(id RequestID) (refused Code) {
	switch {
	case id.Session != 0:
		session := s.clients.find(id.Session, id.Scope)
		switch {
		case session == nil:
			return CodeSessionExpired
		case session.beyond(id.Seq):
			return CodeWindowFull
		case !s.room(rowBytes):
			return CodeTableFull
		}
		s.storeInSession(id.Session, &sessionReply{
			seq: id.Seq, fenced: true, index: s.point.Index, op: s.point.Op + 1,
		})
	case id.Node != 0:
		request := nodeRequest{id.Node, id.Boot, id.Serial}
		if !s.fences.add(request, s.point.LogTime, s.fenceOver) {
			return CodeTableFull
		}
	default:
		key := keyID{id.Scope, id.Key}
		if !s.room(key.bytes() + rowBytes) {
			return CodeTableFull
		}
		s.keys.store(&keyRow{
			id: key, state: FateFenced, storedAt: s.point.LogTime,
			index: s.point.Index, op: s.point.Op + 1,
		})
	}
	return ""
}

// freeRequest executes a FreeRequest. A fence stays: what it promised is for the whole retention.
func (s *State) freeRequest(command []byte) (reply []byte, code Code) {
	id, err := DecodeRequestID(command)
	if err != nil || id.Session != 0 {
		return nil, CodeBadCommand
	}
	fate := s.fate(id)
	reply = EncodeFate(nil, fate)
	if id.Key != "" && fate.State == FateApplied {
		s.keys.remove(s.keyRow(keyID{id.Scope, id.Key}))
	}
	if row := s.kept.byID[nodeRequest{id.Node, id.Boot, id.Serial}]; row != nil &&
		row.state != FateFenced {
		s.kept.remove(row)
	}
	s.point.Op++
	return reply, ""
}
