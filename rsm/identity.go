package rsm

// What is stored under a request's identity: by its key, or by its number in a client session.

// recall decides about a request by what is stored under its identity, if that is enough: a repeat
// gets the reply of its first execution.
func (s *State) recall(r *Request, print fingerprint) (settled Result, found bool) {
	if r.Identity.Session != 0 {
		return s.recallInSession(r, print)
	}
	if r.Identity.Key == "" {
		return Result{}, false
	}
	row := s.keyRow(keyID{r.Identity.Scope, r.Identity.Key})
	if row == nil {
		return Result{}, false
	}
	return s.repeat(r, row.fate(), row.print == print), true
}

func (s *State) recallInSession(r *Request, print fingerprint) (settled Result, found bool) {
	id := &r.Identity
	session := s.useSession(id.Session, id.Scope, id.Ack)
	switch {
	case session == nil:
		return s.refuse(r, CodeSessionExpired), true
	case id.Key != "" || id.Seq == 0 || r.Kind > SettingsCommand:
		return s.refuse(r, CodeBadCommand), true
	case id.Seq <= session.acked:
		return s.refuse(r, CodeReplyForgotten), true
	case session.beyond(id.Seq):
		return s.refuse(r, CodeWindowFull), true
	}
	row := session.find(id.Seq)
	if row == nil {
		return Result{}, false
	}
	return s.repeat(r, row.fate(), row.print == print), true
}

// repeat answers a request whose identity has a fate.
func (s *State) repeat(r *Request, f Fate, sameCommand bool) Result {
	switch {
	case f.State == FateFenced:
		return s.refuse(r, CodeFenced)
	case !sameCommand:
		return s.refuse(r, CodeKeyReused)
	}
	f.Result.Serial = r.Serial
	return f.Result
}

// roomFor says whether the request's reply may be stored.
func (s *State) roomFor(r *Request) bool {
	switch {
	case r.Identity.Session != 0:
		return s.room(rowBytes)
	case r.Identity.Key != "":
		return s.room(keyID{r.Identity.Scope, r.Identity.Key}.bytes() + rowBytes)
	}
	return true
}

// remember stores the reply of the op that was just executed under the request's identity.
func (s *State) remember(r *Request, print fingerprint, reply []byte) {
	id := &r.Identity
	switch {
	case id.Session != 0:
		s.storeInSession(id.Session, &sessionReply{
			seq: id.Seq, print: print, index: s.point.Index, op: s.point.Op, reply: clone(reply),
		})
	case id.Key != "":
		s.keys.store(&keyRow{
			id: keyID{id.Scope, id.Key}, print: print, state: FateApplied, storedAt: s.point.LogTime,
			index: s.point.Index, op: s.point.Op, reply: clone(reply),
		})
	}
}

func (s *State) storeInSession(id uint64, reply *sessionReply) {
	session, found := s.clients.rows.Get(id)
	assert(found, "a reply for a session that is gone")
	s.clients.change(session, s.epoch, func(own *clientSession) { own.add(reply) })
}
