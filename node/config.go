package node

import (
	"crypto/rand"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"hash/fnv"
	"log/slog"
	"net"
	"time"

	"drystone/members"
	"drystone/raft"
	"drystone/replica"
	"drystone/rsm"
	"drystone/storage"
)

// What is sent to a peer travels in frames, and no entry may be larger than one: it could never
// be replicated, and neither could anything behind it. An entry is of about maxEntryBytes at most,
// unless single requests are larger; it may then hold two, its leader's and a forwarded one.
const (
	maxFrameBytes   = 64 << 20
	maxEntryBytes   = 4 << 20
	maxRequestBytes = 24 << 20

	// What is under way to one peer. It shares a connection, and in the end a disk, with what must
	// not wait, so a message is small, and all are no more than a fast disk syncs in a heartbeat.
	maxAppendBytes   = 256 << 10
	maxAppends       = 64
	maxInflightBytes = 2 * maxEntryBytes
)

// Config is what a node is started with. Zero durations, sizes and counts take the defaults of
// the command line.
type Config struct {
	ID      uint64            // this node's number, at least 1
	Cluster map[uint64]string // peer addresses h:p by node number; own entry included
	Join    []string          // with an empty directory: ask the nodes here to be let in
	Dir     string            // data directory; created, and locked while in use

	PeerListen    string       // where peers connect to
	PeerListener  net.Listener // used, and closed, instead of PeerListen when not nil
	HTTPListen    string       // told to others when AdvertiseHTTP is empty; served by the caller
	AdvertisePeer string       // what others are told; the listen address when empty
	AdvertiseHTTP string
	AdvertiseRESP string
	Heartbeat     time.Duration // a leader speaks at least this often
	Election      time.Duration // the election timeout is drawn from [Election, 2·Election)
	DiskTimeout   time.Duration // a leader whose write hangs longer gives up leadership
	UnsafeNoFsync bool          // acknowledges what a power cut may take back
	SegmentBytes  int64
	TrailingBytes int64        // log kept behind a snapshot, so that a short absence needs none
	SnapshotBytes int64        // snapshot after so many bytes of log …
	MaxInflight   int64        // bytes of waiting requests; more is refused before the log
	SnapshotCount uint64       // … or so many entries, and only if the log outweighs the snapshot
	Settings      rsm.Settings // of a new cluster; afterwards they are replicated
	Machine       func() rsm.Machine
	Engine        replica.EngineKind // the consensus; zero: replica.Native
	Version       string
	Flags         map[string]string // shown in the status
	Logger        *slog.Logger
}

func (c *Config) setDefaults() error {
	if c.ID == 0 {
		return fmt.Errorf("node number 0: numbers begin at 1")
	}
	if _, ok := c.Cluster[c.ID]; !ok && len(c.Cluster) > 0 && len(c.Join) == 0 {
		return fmt.Errorf("node %d is not among the %d nodes of the cluster list",
			c.ID, len(c.Cluster))
	}
	if c.Machine == nil {
		return fmt.Errorf("no machine to replicate")
	}
	fill(&c.Heartbeat, 50*time.Millisecond)
	fill(&c.Election, 300*time.Millisecond)
	fill(&c.DiskTimeout, 2*time.Second)
	fill(&c.SegmentBytes, 64<<20)
	fill(&c.TrailingBytes, 16<<20)
	fill(&c.SnapshotBytes, 64<<20)
	fill(&c.SnapshotCount, 100_000)
	fill(&c.MaxInflight, 64<<20)
	fill(&c.Settings, rsm.DefaultSettings())
	if c.PeerListener != nil {
		c.PeerListen = c.PeerListener.Addr().String()
	}
	c.Engine = c.Engine.OrNative()
	fill(&c.AdvertisePeer, c.PeerListen)
	fill(&c.AdvertiseHTTP, c.HTTPListen)
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.Election < 2*c.Heartbeat {
		return fmt.Errorf("election timeout %v is less than two heartbeats of %v: followers would "+
			"stand against a healthy leader", c.Election, c.Heartbeat)
	}
	if c.Settings.MaxValueBytes > maxRequestBytes {
		return fmt.Errorf("values of %d bytes: a request may have %d", c.Settings.MaxValueBytes,
			maxRequestBytes)
	}
	return nil
}

func fill[T comparable](v *T, d T) {
	var zero T
	if *v == zero {
		*v = d
	}
}

// tick is the unit of the core's clock.
func (c *Config) tick() time.Duration { return max(c.Heartbeat/5, time.Millisecond) }

func (c *Config) ticks(d time.Duration) int { return max(1, int(d/c.tick())) }

// clock is what a leader measures its members with.
func (c *Config) clock() members.Clock {
	return members.Clock{Election: uint64(c.Election.Milliseconds()), Quiet: c.ticks(c.Election)}
}

func (c *Config) raftConfig(id storage.Identity) raft.Config {
	return raft.Config{
		ID:             raft.NodeID(c.ID),
		Seed:           seed(id.Incarnation, id.Boot),
		Admitted:       raft.Index(id.Admitted),
		HeartbeatTicks: c.ticks(c.Heartbeat),
		ElectionTicks:  c.ticks(c.Election),
		DiskTicks:      c.ticks(c.DiskTimeout),
		MaxAppendBytes: maxAppendBytes,
		MaxInflight:    maxAppends,
		InflightBytes:  maxInflightBytes,
		TrailingBytes:  int(c.TrailingBytes),
		MaxApplyBytes:  16 << 20,
	}
}

// seed differs between nodes and between boots of one, so that no two draw the same election
// timeouts for long (§5.2).
func seed(incarnation string, boot uint64) uint64 {
	h := fnv.New64a()
	h.Write([]byte(incarnation))
	var b [8]byte
	binary.LittleEndian.PutUint64(b[:], boot)
	h.Write(b[:])
	return h.Sum64()
}

// salt makes the checksums of this life's log unlike those of any other.
func salt() uint64 {
	var b [8]byte
	rand.Read(b[:])
	return binary.LittleEndian.Uint64(b[:])
}

func newIncarnation() string {
	var b [16]byte
	rand.Read(b[:])
	return hex.EncodeToString(b[:])
}
