package rsm

// Point is how far a state has come.
type Point struct {
	Index, Term uint64 // of the last entry applied
	Op          uint64
	LogTime     uint64 // ms
}

// EntryKind mirrors raft's: who interprets an entry.
type EntryKind uint8

// The kinds of raft.
const (
	EntryCommand EntryKind = iota
	EntryNoop
	EntryConfig
)

// Options is what a State is made with. Node and Boot name the caller of Apply, for EntryDone;
// nothing replicated depends on them.
type Options struct {
	Node, Boot uint64
	Config     []byte // the encoded membership the cluster begins with; opaque here
}

// State is everything that is replicated: the machine, and around it the stored replies, the node
// sessions, the client sessions, the fences, the settings, the clock and the configuration. All
// methods are called from one goroutine. Only what Snapshot returned may be written from another.
type State struct {
	machine   Machine
	hasher    Hasher    // the machine, or nil
	versioned Versioned // the machine, or nil
	options   Options

	point       Point
	settings    Settings // the defaults until some are set
	settingsSet bool
	config      []byte // never changed in place: snapshots share it
	keys        replyTable[keyID]
	nodes       nodeSessions
	kept        replyTable[nodeRequest]
	fences      nodeFences
	clients     clientSessions
	epoch       uint64 // counts snapshots: rows of earlier epochs are shared with one

	context   Context
	inMachine bool     // the machine is executing a command
	batch     *Batch   // that is being applied
	results   []Result // of its requests so far: their session has them only when it is done
	scratch   scratch
	replies   replyArena
}

// New returns the state of a cluster that has applied nothing. m must be in its initial state.
func New(m Machine, o Options) *State {
	assert(m != nil, "a State needs a Machine")
	s := &State{machine: m, options: o, settings: DefaultSettings(), config: clone(o.Config)}
	s.hasher, _ = m.(Hasher)
	s.versioned, _ = m.(Versioned)
	s.keys, s.kept = newReplyTable[keyID](), newReplyTable[nodeRequest]()
	s.clients = newClientSessions()
	return s
}

// Answer answers a query of either kind, as of Point.
func (s *State) Answer(kind QueryKind, q []byte) []byte {
	if kind == MachineQuery {
		return s.Query(q)
	}
	id, err := DecodeRequestID(q)
	if err != nil {
		return nil
	}
	return EncodeFate(nil, s.fate(id))
}

// Query asks the machine, as of Point.
func (s *State) Query(q []byte) []byte {
	return clone(s.machine.Query(s.context.enter(s.point, &s.settings), q))
}

// Point returns how far the state has come.
func (s *State) Point() Point { return s.point }

// Settings returns the settings in force, and whether the cluster has set them: until then they
// are the defaults.
func (s *State) Settings() (Settings, bool) { return s.settings, s.settingsSet }

// Config returns the encoded membership as of Point. It must not be changed.
func (s *State) Config() []byte { return s.config }

// Requests counts the requests whose replies are stored: under their keys or in client sessions, or
// kept for whoever asks later; and those that are fenced. Some may be due: they are evicted a
// thousand with each entry, oldest first, and are not found any more.
func (s *State) Requests() uint64 {
	return uint64(s.keys.byAge.Len()+s.kept.byAge.Len()+len(s.fences.rows)) + s.clients.replies
}

// RequestsBytes is what the stored replies count against Settings.MaxRequestsBytes: scope, key
// and reply, and 256 bytes for each. Kept replies count nothing: they give way.
func (s *State) RequestsBytes() uint64 { return s.keys.bytes + s.clients.bytes }

// Sessions counts open client sessions.
func (s *State) Sessions() uint64 { return uint64(s.clients.rows.Len()) }

// Lookup returns the results of a node's batch: from when it is applied until the node has
// acknowledged them with Batch.Ack, or its session is gone. They must not be changed.
func (s *State) Lookup(node, boot, number uint64) ([]Result, bool) {
	session := s.nodes.find(node, boot)
	if session == nil {
		return nil, false
	}
	return session.lookup(number)
}

// Batches returns the results of all of a node's batches that Lookup finds, and the number of the
// first. They may be kept while the state goes on, and must not be changed.
func (s *State) Batches(node, boot uint64) (first uint64, results [][]Result) {
	session := s.nodes.find(node, boot)
	if session == nil {
		return 0, nil
	}
	for number := session.acked + 1; number <= session.number; number++ {
		r, _ := session.lookup(number)
		results = append(results, r)
	}
	return session.acked + 1, results
}

// LookupKey returns what a repeat of the request with this key would be answered now, unless it
// would be executed or is fenced.
func (s *State) LookupKey(scope, key string) (Result, bool) {
	fate := s.fateOfKey(keyID{scope, key})
	return fate.Result, fate.State == FateApplied
}

// Hash returns the hash of everything replicated, in constant time. Equal states have equal
// hashes; the machine's own part is covered when it is a Hasher.
func (s *State) Hash() uint64 {
	return s.tablesHash(s.machineHash())
}

func (s *State) machineHash() uint64 {
	if s.hasher == nil {
		return 0
	}
	return s.hasher.Hash()
}

// tablesHash hashes everything but the machine onto the hash of the machine.
func (s *State) tablesHash(machine uint64) uint64 {
	h := Mix(Mix(machine, s.point.Index), s.point.Term)
	h = Mix(Mix(h, s.point.Op), s.point.LogTime)
	h = HashBytes(Mix(h, s.settingsHash()), s.config)
	h = Mix(Mix(h, s.keys.hash), s.nodes.hash)
	if s.version() == 1 {
		return h // as it was before there was more
	}
	return Mix(Mix(Mix(h, s.kept.hash), s.fences.hash), s.clients.hash)
}

// version is the lowest version of the snapshot that can hold the state: version 1 has no client
// sessions, no fences and no kept results.
func (s *State) version() byte {
	if s.keys.others+s.kept.byAge.Len()+len(s.fences.rows)+s.clients.rows.Len() > 0 {
		return 2
	}
	return 1
}
