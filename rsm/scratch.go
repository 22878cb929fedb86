package rsm

// scratchRequests is how many requests a State keeps memory for between entries.
const scratchRequests = 1 << 14

// scratch is memory for the decoded entry, used again for the next one.
type scratch struct {
	encoded [][]byte
	batches []Batch
}

// decode decodes an entry of kind Command into the scratch, down to its requests. It refuses what
// this version must not decide about.
func (s *State) decode(data []byte) (stamp uint64, err error) {
	entry, err := decodeEntry(data, s.scratch.encoded[:0])
	if err != nil {
		return 0, err
	}
	s.scratch.encoded = entry.Batches
	s.scratch.batches = s.scratch.batches[:0]
	for _, encoded := range entry.Batches {
		b, err := decodeBatch(encoded, s.scratch.spare())
		if err != nil {
			return 0, err
		}
		for i := range b.Requests {
			if err := s.understand(&b.Requests[i]); err != nil {
				return 0, err
			}
		}
		s.scratch.batches = append(s.scratch.batches, b)
	}
	return entry.Stamp, nil
}

// understand returns ErrNeedsUpgrade for a request whose command is of a later version. One that
// no version understands is answered with a refusal when its turn comes.
func (s *State) understand(r *Request) error {
	switch r.Kind {
	case SettingsCommand:
		d := NewDecoder(r.Command)
		if d.Byte() > settingsVersion {
			return ErrNeedsUpgrade
		}
	case MachineCommand:
		if s.versioned != nil && !s.versioned.Understands(r.Command) {
			return ErrNeedsUpgrade
		}
	}
	return nil
}

// spare returns the memory that the requests of the next batch had in an earlier entry.
func (c *scratch) spare() []Request {
	if n := len(c.batches); n < cap(c.batches) {
		return c.batches[:n+1][n].Requests[:0]
	}
	return nil
}

// release lets go of what the scratch refers to, and of memory that only a giant needed.
func (c *scratch) release() {
	requests := 0
	for i := range c.batches {
		clear(c.batches[i].Requests)
		requests += cap(c.batches[i].Requests)
	}
	clear(c.encoded)
	if requests > scratchRequests {
		*c = scratch{}
	}
}

// replyChunk is how much memory small replies share. Results live until their node acknowledges
// them, so that no reply keeps its chunk for long.
const replyChunk = 4096

// replyArena copies the machine's replies: they may lie in a buffer that is used again.
type replyArena struct{ chunk []byte }

// keep returns a copy of reply, nil when it is empty.
func (a *replyArena) keep(reply []byte) []byte {
	if len(reply) > replyChunk/4 {
		return clone(reply)
	}
	if len(reply) == 0 {
		return nil
	}
	if cap(a.chunk)-len(a.chunk) < len(reply) {
		a.chunk = make([]byte, 0, replyChunk)
	}
	start := len(a.chunk)
	a.chunk = append(a.chunk, reply...)
	return a.chunk[start:len(a.chunk):len(a.chunk)]
}

// clone copies b; an empty one becomes nil, as it does in a snapshot.
func clone(b []byte) []byte { return append([]byte(nil), b...) }
