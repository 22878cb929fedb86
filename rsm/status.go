package rsm

// Health is a node's own verdict.
type Health string

// All verdicts a node can reach.
const (
	HealthOK            Health = "ok"
	HealthBootstrapping Health = "bootstrapping"
	HealthNoLeader      Health = "no_leader"
	HealthDegraded      Health = "degraded"
	HealthDiskFull      Health = "disk_full"
	HealthDiskStalled   Health = "disk_stalled"
	HealthQuarantined   Health = "quarantined"
	HealthNeedsUpgrade  Health = "needs_upgrade"
)

// Status is what a node says of itself and of the cluster as it sees it.
type Status struct {
	Version       string            `json:"version"`
	Engine        string            `json:"engine"`
	ClusterID     string            `json:"cluster_id"` // 32 hex digits; "" while bootstrapping
	NodeID        uint64            `json:"node_id"`
	Incarnation   string            `json:"incarnation"`
	Role          string            `json:"role"` // follower pre_candidate candidate leader learner
	Term          uint64            `json:"term"`
	LeaderID      uint64            `json:"leader_id"` // 0: not known
	Commit        uint64            `json:"commit"`
	Applied       uint64            `json:"applied"`
	Op            uint64            `json:"op"`
	Durable       uint64            `json:"durable"`
	FirstIndex    uint64            `json:"first_index"`
	LastIndex     uint64            `json:"last_index"`
	SnapshotIndex uint64            `json:"snapshot_index"`
	LogTimeMs     uint64            `json:"log_time_ms"`
	StateHash     string            `json:"state_hash"` // 16 hex digits, at Applied
	WALBytes      uint64            `json:"wal_bytes"`
	Sessions      uint64            `json:"sessions"`
	Requests      uint64            `json:"requests"` // stored replies
	Members       []MemberStatus    `json:"members"`
	Joint         bool              `json:"joint"`
	Settings      Settings          `json:"settings"`
	Health        Health            `json:"health"`
	Reason        string            `json:"reason"` // a sentence
	Flags         map[string]string `json:"flags"`
	UptimeMs      uint64            `json:"uptime_ms"`
}

// MemberStatus is one member as the answering node sees it. Match and Lag are the leader's
// knowledge and absent elsewhere.
type MemberStatus struct {
	ID        uint64  `json:"id"`
	Peer      string  `json:"peer"`
	HTTP      string  `json:"http"`
	RESP      string  `json:"resp"`
	Voter     bool    `json:"voter"`
	Match     *uint64 `json:"match"`
	Lag       *uint64 `json:"lag"`
	ContactMs *uint64 `json:"contact_ms"` // since it was heard; nil: never, or not connected
}

// Consistency says how fresh a read is.
type Consistency uint8

// What a reader may ask for.
const (
	// Linearizable sees every write acknowledged before the read began.
	Linearizable Consistency = iota
	// Stale answers from this node at once.
	Stale
)

// QueryKind says who answers a read.
type QueryKind uint8

const (
	// MachineQuery is for the machine.
	MachineQuery QueryKind = iota
	// RequestQuery asks what became of a request. The query is an encoded RequestID, the reply an
	// encoded Fate, or empty if the query can't be decoded.
	RequestQuery
)

// ReadOptions are what a reader asks for.
type ReadOptions struct {
	Kind        QueryKind
	Consistency Consistency
	MaxStaleMs  uint64 // with Stale: refuse when the node has not heard a leader for longer; 0: any
	MinIndex    uint64 // wait until the node has applied this
}

// ReadResult is a read's answer, or why there is none (Code).
type ReadResult struct {
	Code    Code
	Reply   []byte
	Index   uint64 // applied when it was read
	Term    uint64
	StaleMs uint64 // with Stale: since a leader was heard
}
