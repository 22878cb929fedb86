package main

import (
	"context"
	"log/slog"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"drystone/httpapi"
	"drystone/node"
	"drystone/replica"
	"drystone/rsm"
	"drystone/store"
)

// stopPatience bounds a graceful stop: requests under way are answered within it.
const stopPatience = 10 * time.Second

func newServeCommand() *cobra.Command {
	var f serveFlags
	c := &cobra.Command{
		Use:   "serve",
		Short: "Run one node",
		Long: `Run one node of a cluster until SIGTERM or Ctrl-C ends it; a second one ends it at once.

Every flag is also a variable in the environment (--log-level is DRYSTONE_LOG_LEVEL) and a key of
the TOML file that --config names (log-level = "debug"). Flags win over the environment, which
wins over the file.`,
		Example: `  drystone serve
  drystone serve --id 1 --cluster http://127.0.0.1:12379 --port 12380
  drystone serve --id 2 --cluster 10.0.0.1:12379,10.0.0.2:12379,10.0.0.3:12379 \
    --http 10.0.0.2:12380 --insecure-bind`,
		Args: noArguments,
		RunE: func(c *cobra.Command, _ []string) error {
			from, strange, err := fill(c.LocalNonPersistentFlags(), os.Environ())
			if err != nil {
				return err
			}
			engine, err := engineNamed(f.engine)
			if err != nil {
				return err
			}
			plan, err := f.plan(from)
			if err != nil {
				return err
			}
			logger, err := newLogger(c.ErrOrStderr(), f.logFormat, f.logLevel)
			if err != nil {
				return err
			}
			for _, name := range strange {
				logger.Warn("this environment variable is no setting of drystone", "name", name)
			}
			s := &server{
				flags: &f, plan: plan, engine: engine, from: from, log: logger,
				given: shown(c.LocalNonPersistentFlags(), from),
			}
			return s.run()
		},
	}
	f.register(c.Flags())
	return c
}

// server is one node with its HTTP front.
type server struct {
	flags  *serveFlags
	plan   *servePlan
	engine replica.EngineKind
	from   sources
	given  map[string]string
	log    *slog.Logger

	node  *node.Node
	front *httpapi.API
	http  *http.Server
}

func (s *server) run() error {
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, syscall.SIGTERM, os.Interrupt)
	defer signal.Stop(signals)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()

	// Ports first: a busy one is reported before anything of the directory is touched.
	listener, err := listen(ctx, "HTTP", s.plan.httpListen)
	if err != nil {
		return err
	}
	defer listener.Close()
	peers, err := listen(ctx, "peers", s.plan.peerListen)
	if err != nil {
		return err
	}
	defer peers.Close()

	if s.plan.advertiseHTTP == "" {
		s.plan.advertiseHTTP = listener.Addr().String()
	}
	config := s.config(listener.Addr().String())
	config.PeerListener = peers
	s.node, err = node.Start(config)
	if err != nil {
		return startWords(s.plan, err)
	}
	s.front = httpapi.New(s.node, httpapi.Config{
		Hosts:  []string{s.plan.httpListen, s.plan.advertiseHTTP},
		Logger: s.log, Version: version,
	})
	s.http = httpapi.NewServer(s.front, s.log)
	served := make(chan error, 1)
	go func() { served <- s.http.Serve(listener) }()
	s.log.Info("listening", "node", s.flags.id, "http", "http://"+listener.Addr().String(),
		"peers", s.plan.peerListen, "dir", s.plan.dir)
	s.warn()
	go s.compareSettings(ctx)

	select {
	case sig := <-signals:
		s.log.Info("stopping: no new requests, those under way are answered", "signal", sig.String())
		s.front.Drain()
		return s.stop(signals)
	case <-s.node.Done():
		cause := s.node.Err()
		s.http.Close()
		s.close()
		return fatalWords(s.plan, cause)
	case err := <-served:
		s.close()
		return failed("the HTTP port %s gave up: %s", listener.Addr(), innermost(err))
	}
}

// stop ends gracefully within a bound; another signal ends it at once.
func (s *server) stop(signals <-chan os.Signal) error {
	ctx, cancel := context.WithTimeout(context.Background(), stopPatience)
	defer cancel()
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		// The node first: it refuses what is new and answers what is under way, which the HTTP
		// server then has nothing left to wait for.
		if err := s.node.Close(ctx); err != nil {
			s.log.Warn("requests under way were cut off: they took too long", "bound", stopPatience)
		}
		if s.http.Shutdown(ctx) != nil {
			s.http.Close()
		}
	}()
	select {
	case <-stopped:
		s.log.Info("stopped")
		return nil
	case sig := <-signals:
		return failed("ended at once by a second signal (%s); the log on disk is whole", sig)
	}
}

// close ends a node that has failed already: there is nothing to wait for.
func (s *server) close() {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	// The cause is already known; this is only to let go of the directory.
	_ = s.node.Close(ctx)
}

func (s *server) config(httpAddress string) node.Config {
	f, p := s.flags, s.plan
	return node.Config{
		ID: f.id, Engine: s.engine, Cluster: p.members, Join: p.join, Dir: p.dir,
		PeerListen: p.peerListen, HTTPListen: httpAddress,
		AdvertisePeer: p.advertisePeer, AdvertiseHTTP: p.advertiseHTTP,
		Heartbeat: f.heartbeat, Election: f.election, DiskTimeout: f.diskTimeout,
		SnapshotCount: f.snapshotEntries, SnapshotBytes: int64(f.snapshotBytes),
		SegmentBytes: int64(f.segmentBytes), TrailingBytes: int64(f.trailingBytes),
		MaxInflight: int64(f.maxInflightBytes), UnsafeNoFsync: f.unsafeNoFsync,
		Settings: f.settings(), Version: version, Flags: s.given,
		Machine: func() rsm.Machine { return store.New() },
		Logger:  s.log,
	}
}

// warn says what is allowed but rarely meant.
func (s *server) warn() {
	if n := len(s.plan.members); n%2 == 0 && !s.flags.join {
		s.log.Warn(evenWords(n))
	}
	if s.flags.unsafeNoFsync {
		s.log.Warn("--unsafe-no-fsync: a power cut can take back what was acknowledged")
	}
	if s.flags.insecureBind {
		s.log.Warn("--insecure-bind: anyone who reaches these addresses can read and write")
	}
}

// compareSettings warns, once the cluster's settings are known, of flags that differ from them:
// the cluster's count.
func (s *server) compareSettings(ctx context.Context) {
	look := time.NewTicker(100 * time.Millisecond)
	defer look.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-look.C:
		}
		status, err := s.node.Status(ctx, 0)
		if err != nil {
			return
		}
		// Some entry of this term is applied: the settings are in the log before any request.
		if status.LeaderID == 0 || status.Op == 0 {
			continue
		}
		for _, d := range settingDifferences(s.flags.settings(), status.Settings) {
			if s.from[d.flag] != fromDefault {
				s.log.Warn("a flag differs from the cluster's setting, which counts", "flag", "--"+d.flag,
					"here", d.here, "cluster", d.cluster)
			}
		}
		return
	}
}
