// Package storage is a node's directory: its identity, its log and its snapshots, joined so that
// what one of them says always holds for the others. It starts no goroutine; the real node and the
// simulator run the same code.
package storage

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"slices"
	"syscall"

	"drystone/disk"
	"drystone/snap"
	"drystone/wal"
)

const (
	identityName    = "identity"
	identityTemp    = "identity.tmp"
	identityVersion = 1
	identityMax     = 1 << 20 // bytes; a cluster of thousands of nodes fits
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Identity says whose a directory is. A wiped one gets another incarnation, so that nobody takes it
// for the node that once promised its votes.
type Identity struct {
	Version     int            `json:"version"` // of the format; 0 stands for the current
	Node        uint64         `json:"node"`
	Incarnation string         `json:"incarnation"` // 32 hexadecimal digits, drawn once
	Engine      string         `json:"engine"`
	Cluster     string         `json:"cluster"` // 32 hexadecimal digits; "" until it is formed
	Boot        uint64         `json:"boot"`    // starts so far, this one included
	Peers       []PeerIdentity `json:"peers"`   // the cluster's first members

	// Admitted is the index of the configuration that let this directory in, if it was not among
	// the first: one before it may name a directory that had the number earlier.
	Admitted uint64 `json:"admitted,omitempty"`
	Removed  string `json:"removed,omitempty"` // why it is no member any more; "": it is
}

// PeerIdentity is one incarnation of a node.
type PeerIdentity struct {
	Node        uint64 `json:"node"`
	Incarnation string `json:"incarnation"`
}

// ForeignError says that a directory is not the one that was meant.
type ForeignError struct{ Detail string }

func (e *ForeignError) Error() string { return "the data directory " + e.Detail }

// Form is the identity as a member of the cluster of exactly these peers. The cluster's id follows
// from their incarnations, so nodes that met the same ones agree on it without a word.
func (id Identity) Form(peers []PeerIdentity) Identity {
	id.Peers = slices.Clone(peers)
	slices.SortFunc(id.Peers, func(a, b PeerIdentity) int {
		switch {
		case a.Node < b.Node:
			return -1
		case a.Node > b.Node:
			return 1
		}
		return 0
	})
	h := sha256.New()
	for _, p := range id.Peers {
		var b [16]byte
		binary.BigEndian.PutUint64(b[:], p.Node)
		binary.BigEndian.PutUint64(b[8:], uint64(len(p.Incarnation)))
		h.Write(b[:])
		io.WriteString(h, p.Incarnation)
	}
	id.Cluster = hex.EncodeToString(h.Sum(nil)[:16])
	return id
}

// encode is one line of JSON and one with its checksum.
func (id Identity) encode() ([]byte, error) {
	id.Version = identityVersion
	b, err := json.Marshal(id)
	if err != nil {
		return nil, fmt.Errorf("encode identity: %w", err)
	}
	b = append(b, '\n')
	b = fmt.Appendf(b, "%08x\n", crc32.Checksum(b, castagnoli))
	if len(b) > identityMax {
		return nil, fmt.Errorf("encode identity: %d bytes are too many", len(b))
	}
	return b, nil
}

func decodeIdentity(b []byte) (Identity, error) {
	line, sum, found := bytes.Cut(b, []byte("\n"))
	want := fmt.Sprintf("%08x\n", crc32.Checksum(b[:min(len(b), len(line)+1)], castagnoli))
	if !found || string(sum) != want {
		return Identity{}, damaged(0, "it fails its checksum")
	}
	var v struct{ Version int }
	if err := json.Unmarshal(line, &v); err != nil {
		return Identity{}, damaged(0, err.Error())
	}
	if v.Version != identityVersion {
		return Identity{}, damaged(0, fmt.Sprintf("format version %d is not known to this program",
			v.Version))
	}
	var id Identity
	d := json.NewDecoder(bytes.NewReader(line))
	d.DisallowUnknownFields()
	if err := d.Decode(&id); err != nil {
		return Identity{}, damaged(d.InputOffset(), err.Error())
	}
	return id, nil
}

func damaged(off int64, detail string) error {
	return &disk.DamageError{File: identityName, Offset: off, Detail: detail}
}

// SaveIdentity replaces the directory's identity. When it returns nil the new one is durable; after
// a crash one of the two is there, whole.
func SaveIdentity(dir disk.Dir, id Identity) error {
	b, err := id.encode()
	if err != nil {
		return err
	}
	if err := dir.Remove(identityTemp); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("save identity: %w", err)
	}
	file, err := dir.Create(identityTemp)
	if err != nil {
		return fmt.Errorf("save identity: %w", err)
	}
	if _, err = file.WriteAt(b, 0); err == nil {
		err = file.Datasync()
	}
	if closeErr := file.Close(); err == nil {
		err = closeErr
	}
	if err == nil {
		err = dir.Rename(identityTemp, identityName)
	}
	if err == nil {
		err = dir.Sync()
	}
	if err != nil {
		return fmt.Errorf("save identity: %w", err)
	}
	return nil
}

// LoadIdentity reads a directory's identity and changes nothing. The error is fs.ErrNotExist if it
// has none, and a *disk.DamageError if it can't be trusted.
func LoadIdentity(dir disk.Dir) (Identity, error) {
	file, err := dir.OpenRead(identityName)
	if err != nil {
		return Identity{}, fmt.Errorf("open identity: %w", err)
	}
	defer file.Close()
	size, err := file.Size()
	if err != nil {
		return Identity{}, fmt.Errorf("open identity: %w", err)
	}
	if size > identityMax {
		return Identity{}, damaged(identityMax, "it is too long")
	}
	b := make([]byte, size)
	if n, err := file.ReadAt(b, 0); n < len(b) {
		return Identity{}, fmt.Errorf("read identity: byte %d: %w", n, err)
	}
	return decodeIdentity(b)
}

// OpenIdentity begins a start of a node. An empty directory becomes want's; any other must be of
// want's node and engine and, if want says one, cluster, or the error is a *ForeignError. What it
// returns is durable, and its Boot is greater than that of every start before.
func OpenIdentity(dir disk.Dir, want Identity) (Identity, error) {
	id, err := LoadIdentity(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		if err := mustBeEmpty(dir); err != nil {
			return Identity{}, err
		}
		id = want
		id.Boot = 0
	case err != nil:
		return Identity{}, err
	default:
		if err := id.mustServe(want); err != nil {
			return Identity{}, err
		}
	}
	id.Version = identityVersion
	id.Boot++
	err = SaveIdentity(dir, id)
	if errors.Is(err, syscall.ENOSPC) {
		// A start must not need more space than a stop left: the spare segment is the ballast.
		if err = wal.RemoveSpare(dir); err == nil {
			err = SaveIdentity(dir, id)
		}
	}
	if err != nil {
		return Identity{}, err
	}
	return id, nil
}

func (id Identity) mustServe(want Identity) error {
	switch {
	case id.Node != want.Node:
		return &ForeignError{fmt.Sprintf("belongs to node %d, not to node %d", id.Node, want.Node)}
	case id.Engine != want.Engine:
		return &ForeignError{fmt.Sprintf("was written with the engine %s, not with %s",
			id.Engine, want.Engine)}
	case id.Cluster != want.Cluster && id.Cluster != "" && want.Cluster != "":
		return &ForeignError{fmt.Sprintf("belongs to cluster %s, not to cluster %s",
			id.Cluster, want.Cluster)}
	}
	return nil
}

// mustBeEmpty refuses a directory that lost its identity: its promises are unknown.
func mustBeEmpty(dir disk.Dir) error {
	names, err := dir.List()
	if err != nil {
		return fmt.Errorf("list data directory: %w", err)
	}
	for _, name := range names {
		if wal.IsFile(name) || snap.IsFile(name) {
			return damaged(0, "it is missing, while "+name+" is there")
		}
	}
	return nil
}
