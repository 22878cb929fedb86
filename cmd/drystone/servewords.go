package main

import (
	"errors"
	"fmt"
	"syscall"

	"drystone/disk"
	"drystone/rsm"
	"drystone/storage"
	"drystone/wal"
)

// startWords says why a node does not start, and what to do.
func startWords(p *servePlan, err error) error {
	var (
		foreign *storage.ForeignError
		log     *wal.ForeignError
		locked  *disk.LockedError
		damage  *wal.DamageError
	)
	switch {
	case errors.As(err, &foreign):
		return foreignWords(p, foreign)
	case errors.As(err, &log):
		return foreignWords(p, log)
	case errors.As(err, &locked):
		holder := "another process"
		if locked.PID != 0 {
			holder = fmt.Sprintf("process %d", locked.PID)
		}
		return failed("directory %s is in use by %s", p.dir, holder).
			withNext("One process at a time. End that one, or choose another --dir.")
	case errors.As(err, &damage):
		return damaged(p, damage)
	case errors.Is(err, syscall.EADDRINUSE), errors.Is(err, syscall.EADDRNOTAVAIL):
		return bindWords("peers", p.peerListen, err)
	case errors.Is(err, syscall.ENOSPC):
		return failed("no space left for %s", p.dir)
	case errors.Is(err, syscall.EACCES), errors.Is(err, syscall.EROFS):
		return failed("%s can't be written: %s", p.dir, innermost(err))
	}
	return failed("node can't start: %v", err)
}

func foreignWords(p *servePlan, err error) error {
	return failed("%s: %v", p.dir, err).withNext("Give this node its own directory with --dir, or " +
		"start the node that this one belongs to.\nNothing was changed.")
}

func damaged(p *servePlan, d *wal.DamageError) error {
	return failed("%s is damaged: file %s, offset %d: %s", p.dir, d.File, d.Offset, d.Detail).
		withNext("Acknowledged data may be lost there, so this node takes no part.\n"+
			"`drystone inspect %s` shows what is left. The other nodes hold the same data;\n"+
			"don't empty the directory: an empty one never votes in the old one's place.", p.dir)
}

// fatalWords says why a node that ran has ended.
func fatalWords(p *servePlan, err error) error {
	var damage *wal.DamageError
	switch {
	case errors.As(err, &damage):
		return damaged(p, damage)
	case errors.Is(err, syscall.ENOSPC):
		return failed("no space left for %s: the node has ended, so that nothing is acknowledged "+
			"that is not durable", p.dir).withNext("Make room and start it again.")
	case errors.Is(err, syscall.EIO):
		return failed("the disk under %s failed: %v", p.dir, err).withNext("What it holds of the last " +
			"write is unknown, so the node has ended. Check the disk and start it again:\n" +
			"it reads back what is there.")
	}
	return failed("the node has ended: %v", err)
}

// evenWords warns of a cluster that gains nothing from its last node.
func evenWords(n int) string {
	if n == 2 {
		return "2 nodes tolerate no failure: both are needed for a majority; 1 or 3 serve better"
	}
	return fmt.Sprintf("%d nodes tolerate no more failures than %d: a majority is %d of them", n, n-1,
		n/2+1)
}

type settingDifference struct {
	flag          string
	here, cluster any
}

// settingDifferences lists the cluster settings that a node's flags give otherwise.
func settingDifferences(here, cluster rsm.Settings) (out []settingDifference) {
	for i, v := range []struct{ here, cluster uint64 }{
		{here.MaxValueBytes, cluster.MaxValueBytes},
		{here.MaxSessions, cluster.MaxSessions},
		{here.SessionTTLMs, cluster.SessionTTLMs},
		{here.MaxRequestsBytes, cluster.MaxRequestsBytes},
		{here.RequestRetentionMs, cluster.RequestRetentionMs},
	} {
		if v.here == v.cluster {
			continue
		}
		d := settingDifference{settingFlags[i], v.here, v.cluster}
		switch d.flag {
		case "session-ttl", "request-retention":
			d.here, d.cluster = millis(v.here), millis(v.cluster)
		case "max-value-bytes", "max-requests-bytes":
			a, b := byteSize(v.here), byteSize(v.cluster)
			d.here, d.cluster = a.String(), b.String()
		}
		out = append(out, d)
	}
	return out
}
