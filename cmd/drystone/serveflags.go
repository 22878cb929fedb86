package main

import (
	"fmt"
	"maps"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"drystone/rsm"
)

// serveFlags are the settings of one node as given, before they are checked.
type serveFlags struct {
	id            uint64
	cluster       string
	port          uint16
	join          bool
	dir           string
	peer          string
	http          string
	advertisePeer string
	advertiseHTTP string

	heartbeat   time.Duration
	election    time.Duration
	diskTimeout time.Duration

	snapshotEntries  uint64
	snapshotBytes    byteSize
	segmentBytes     byteSize
	trailingBytes    byteSize
	maxInflightBytes byteSize

	engine        string
	insecureBind  bool
	logFormat     string
	logLevel      string
	unsafeNoFsync bool
	config        string

	maxValueBytes    byteSize
	maxSessions      uint64
	sessionTTL       time.Duration
	maxRequestsBytes byteSize
	requestRetention time.Duration
}

const defaultPort = 12380

func (f *serveFlags) register(fs *pflag.FlagSet) {
	settings := rsm.DefaultSettings()
	f.snapshotBytes, f.segmentBytes = 64<<20, 64<<20
	f.trailingBytes, f.maxInflightBytes = 16<<20, 64<<20
	f.maxValueBytes = byteSize(settings.MaxValueBytes)
	f.maxRequestsBytes = byteSize(settings.MaxRequestsBytes)

	fs.Uint64Var(&f.id, "id", 1, "number of this node; never reused after removal")
	fs.StringVar(&f.cluster, "cluster", "", "peer addresses of all nodes, by comma: "+
		"http://h:p or h:p in order, or id=h:p (default this node alone)")
	fs.Uint16Var(&f.port, "port", defaultPort, "HTTP on 127.0.0.1 at this port; short for --http")
	fs.BoolVar(&f.join, "join", false, "join the running cluster named in --cluster")
	fs.StringVar(&f.dir, "dir", "", "data directory, locked while in use (default drystone-N)")
	fs.StringVar(&f.peer, "peer", "", "address to listen on for peers "+
		"(default this node's entry of --cluster)")
	fs.StringVar(&f.http, "http", "", "address to listen on for HTTP (default 127.0.0.1:PORT)")
	fs.StringVar(&f.advertisePeer, "advertise-peer", "", "peer address that others are told "+
		"(default this node's entry of --cluster)")
	fs.StringVar(&f.advertiseHTTP, "advertise-http", "", "HTTP address that others are told "+
		"(default the one listened on)")

	fs.DurationVar(&f.heartbeat, "heartbeat", 50*time.Millisecond,
		"a leader speaks at least this often")
	fs.DurationVar(&f.election, "election", 300*time.Millisecond,
		"election timeout T, drawn from [T, 2T)")
	fs.DurationVar(&f.diskTimeout, "disk-timeout", 2*time.Second,
		"a leader whose write hangs longer gives up leadership")
	fs.Uint64Var(&f.snapshotEntries, "snapshot-entries", 100_000, "snapshot after so many entries")
	fs.Var(&f.snapshotBytes, "snapshot-bytes", "snapshot after so many bytes of log")
	fs.Var(&f.segmentBytes, "segment-bytes", "size of a log file")
	fs.Var(&f.trailingBytes, "trailing-bytes", "log kept behind a snapshot, "+
		"so that a short absence needs none")
	fs.Var(&f.maxInflightBytes, "max-inflight-bytes", "waiting requests; more is refused as "+
		"overload, before the log")

	fs.StringVar(&f.engine, "engine", engines[0].Name, "which Raft, "+engineWords()+
		"; fixed at a directory's first start")
	fs.BoolVar(&f.insecureBind, "insecure-bind", false,
		"allow an address that other machines can reach, without TLS and tokens")
	fs.StringVar(&f.logFormat, "log-format", "text", "text or json")
	fs.StringVar(&f.logLevel, "log-level", "info", "debug, info, warn or error")
	fs.BoolVar(&f.unsafeNoFsync, "unsafe-no-fsync", false,
		"acknowledge writes that a power cut may take back")
	fs.StringVar(&f.config, "config", "", "TOML file with any of these as keys")

	fs.Var(&f.maxValueBytes, "max-value-bytes", "cluster setting: largest value")
	fs.Uint64Var(&f.maxSessions, "max-sessions", settings.MaxSessions,
		"cluster setting: client sessions at a time")
	fs.DurationVar(&f.sessionTTL, "session-ttl", millis(settings.SessionTTLMs),
		"cluster setting: log time after which an idle session ends")
	fs.Var(&f.maxRequestsBytes, "max-requests-bytes", "cluster setting: room for stored replies")
	fs.DurationVar(&f.requestRetention, "request-retention", millis(settings.RequestRetentionMs),
		"cluster setting: log time for which an idempotency key is remembered")
}

func millis(n uint64) time.Duration { return time.Duration(n) * time.Millisecond }

// settingFlags are the flags of the cluster settings: replicated, so that a node's own flag
// counts only while the cluster has none.
var settingFlags = []string{"max-value-bytes", "max-sessions", "session-ttl",
	"max-requests-bytes", "request-retention"}

func (f *serveFlags) settings() rsm.Settings {
	return rsm.Settings{
		MaxValueBytes:      uint64(f.maxValueBytes),
		MaxSessions:        f.maxSessions,
		SessionTTLMs:       uint64(f.sessionTTL.Milliseconds()),
		MaxRequestsBytes:   uint64(f.maxRequestsBytes),
		RequestRetentionMs: uint64(f.requestRetention.Milliseconds()),
	}
}

// servePlan is what the flags come to.
type servePlan struct {
	members       memberList // without this node only if it joins
	join          []string   // peer addresses of nodes to ask; nil without --join
	dir           string
	peerListen    string
	httpListen    string
	advertisePeer string
	advertiseHTTP string
}

// plan checks the flags. from tells which of them were given, and where.
func (f *serveFlags) plan(from sources) (*servePlan, error) {
	if f.id == 0 {
		return nil, misused("--id 0: nodes are numbered from 1")
	}
	if err := f.checkBounds(); err != nil {
		return nil, err
	}
	p := &servePlan{dir: f.dir}
	if p.dir == "" {
		p.dir = fmt.Sprintf("drystone-%d", f.id)
	}
	if err := p.setAddresses(f, from); err != nil {
		return nil, err
	}
	if f.insecureBind {
		return p, nil
	}
	for _, a := range []struct{ flag, address string }{
		{"--peer", p.peerListen}, {"--http", p.httpListen},
	} {
		if err := checkLoopback(a.flag, a.address); err != nil {
			return nil, err
		}
	}
	return p, nil
}

func (p *servePlan) setAddresses(f *serveFlags, from sources) error {
	var err error
	p.httpListen = net.JoinHostPort("127.0.0.1", strconv.Itoa(int(f.port)))
	switch rank := from.rank("http") - from.rank("port"); {
	case f.http == "" || rank < 0:
	case rank == 0:
		return misused("--port %d and --http %s name the same thing twice; give one", f.port, f.http)
	default:
		if p.httpListen, err = checkAddress(f.http); err != nil {
			return misused("--http %v", err)
		}
	}
	if p.members, err = parseMembers(f.cluster); err != nil {
		return misused("--cluster: %v", err)
	}
	own, listed := p.members[f.id]
	switch {
	case f.join:
		if own, err = p.joinAddress(f, own); err != nil {
			return err
		}
	case len(p.members) == 0:
		own = peerBeside(p.httpListen)
		if f.peer != "" {
			own = f.peer
		}
		p.members = memberList{f.id: own}
	case !listed:
		return misused("--id %d is not in --cluster, which names %s", f.id, nodeWords(p.members.ids()))
	}
	p.peerListen, p.advertisePeer, p.advertiseHTTP = own, own, f.advertiseHTTP
	if f.peer != "" {
		p.peerListen = f.peer
	}
	if f.advertisePeer != "" {
		p.advertisePeer = f.advertisePeer
	}
	for _, a := range []struct {
		flag    string
		address *string
	}{
		{"--peer", &p.peerListen},
		{"--advertise-peer", &p.advertisePeer},
		{"--advertise-http", &p.advertiseHTTP},
	} {
		if *a.address == "" {
			continue
		}
		if *a.address, err = peerAddress(*a.address); err != nil {
			return misused("%s %v", a.flag, err)
		}
	}
	return nil
}

// joinAddress is the peer address of a node that joins: its own entry of --cluster if it has one.
// The other entries are those that it asks.
func (p *servePlan) joinAddress(f *serveFlags, own string) (string, error) {
	if own == "" {
		own = peerBeside(p.httpListen)
		if f.peer != "" {
			own = f.peer
		}
	}
	for _, id := range p.members.ids() {
		if address := p.members[id]; id != f.id && address != own {
			p.join = append(p.join, address)
		}
	}
	if len(p.join) == 0 {
		return "", misused("--join needs --cluster with the peer address of a node to join, other " +
			"than this one's")
	}
	return own, nil
}

// peerBeside is the peer address of a node that names none: the port below HTTP's, so that a
// lone node with the default ports is one of the seed's.
func peerBeside(httpListen string) string {
	host, port, _ := net.SplitHostPort(httpListen)
	n, _ := strconv.Atoi(port)
	return net.JoinHostPort(host, strconv.Itoa(max(n-1, 0)))
}

func (f *serveFlags) checkBounds() error {
	for _, d := range []struct {
		name  string
		value time.Duration
	}{
		{"heartbeat", f.heartbeat}, {"election", f.election}, {"disk-timeout", f.diskTimeout},
		{"session-ttl", f.sessionTTL}, {"request-retention", f.requestRetention},
	} {
		if d.value < time.Millisecond {
			return misused("--%s %v is too short: at least 1ms", d.name, d.value)
		}
	}
	if f.heartbeat < 5*time.Millisecond {
		return misused("--heartbeat %v is too short: at least 5ms", f.heartbeat)
	}
	if f.election < 2*f.heartbeat {
		return misused("--election %v is shorter than two heartbeats of %v: followers would stand "+
			"against a healthy leader", f.election, f.heartbeat)
	}
	if f.snapshotEntries == 0 {
		return misused("--snapshot-entries 0: at least 1")
	}
	for _, s := range []struct {
		name     string
		n, least byteSize
	}{
		{"snapshot-bytes", f.snapshotBytes, 1},
		{"segment-bytes", f.segmentBytes, 64 << 10},
		{"max-inflight-bytes", f.maxInflightBytes, 64 << 10},
		{"max-value-bytes", f.maxValueBytes, 1},
		{"max-requests-bytes", f.maxRequestsBytes, 1},
	} {
		if s.n < s.least {
			return misused("--%s %s is too small: at least %s", s.name, s.n.String(), s.least.String())
		}
	}
	if f.maxValueBytes > f.maxInflightBytes {
		return misused("--max-value-bytes %s is more than --max-inflight-bytes %s: the largest value "+
			"would always be refused", f.maxValueBytes.String(), f.maxInflightBytes.String())
	}
	return nil
}

// checkLoopback refuses an address that other machines can reach.
func checkLoopback(flag, address string) error {
	host, _, _ := net.SplitHostPort(address)
	reach := failure{status: exitUsage, next: "Nothing here asks who is calling yet. Use 127.0.0.1, " +
		"or say --insecure-bind if the network itself is trusted."}
	if host == "" {
		reach.text = fmt.Sprintf("%s %s listens on every interface of this machine", flag, address)
		return &reach
	}
	ips := []net.IP{net.ParseIP(host)}
	if ips[0] == nil {
		var err error
		if ips, err = net.LookupIP(host); err != nil || len(ips) == 0 {
			return failed("%s %s: the name %s has no address here", flag, address, host)
		}
	}
	if slices.ContainsFunc(ips, func(ip net.IP) bool { return !ip.IsLoopback() }) {
		reach.text = fmt.Sprintf("%s %s can be reached from other machines", flag, address)
		return &reach
	}
	return nil
}

// shown is what the status says of the flags: those given, with their values.
func shown(fs *pflag.FlagSet, from sources) map[string]string {
	values := map[string]string{}
	for _, name := range slices.Sorted(maps.Keys(from)) {
		if f := fs.Lookup(name); f != nil {
			values[name] = strings.TrimSpace(f.Value.String())
		}
	}
	return values
}
