package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"

	"github.com/spf13/cobra"

	"drystone/disk"
	"drystone/snap"
	"drystone/storage"
	"drystone/wal"
)

func newInspectCommand(g *globals) *cobra.Command {
	return &cobra.Command{
		Use:   "inspect DIR",
		Short: "Check a data directory, without changing it",
		Long: `Read a data directory and say what it holds and whether it is whole. Nothing is changed.
Under a node that runs, the last write may look torn.

Exit status: 0 clean; 6 a torn tail, which the next start cuts (the last write was not finished
and never acknowledged); 5 corrupt, with the first bad file and offset.`,
		Example: `  drystone inspect drystone-1
  drystone inspect drystone-1 --json    a line for every record`,
		Args: exactly("DIR"),
		RunE: func(c *cobra.Command, args []string) error {
			dir, err := dataDir(args[0])
			if err != nil {
				return err
			}
			i := &inspection{dir: dir, json: g.json, out: c.OutOrStdout()}
			return i.run()
		},
	}
}

// dataDir finds the data of a node: the directory itself, or the one that dev keeps it in.
func dataDir(path string) (string, error) {
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return "", failed("%s: %s", path, fileWords(err))
	case !info.IsDir():
		return "", failed("%s is a file; a node's data directory is needed", path)
	}
	for _, dir := range []string{path, filepath.Join(path, "data")} {
		entries, err := os.ReadDir(dir)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return "", failed("%s: %s", dir, fileWords(err))
		}
		for _, e := range entries {
			if e.Name() == "identity" || wal.IsFile(e.Name()) || snap.IsFile(e.Name()) {
				return dir, nil
			}
		}
	}
	return "", failed("%s is no data directory of a node: it has neither log nor identity", path)
}

// inspection reads one directory.
type inspection struct {
	dir  string
	json bool
	out  io.Writer

	identity  storage.Identity
	unknown   *disk.DamageError // whose it is can't be read
	files     []*fileView       // log files, in order
	records   int
	hard      uint64 // term of the last hard state
	snapshots []snapshotView
	err       error // of writing
}

type snapshotView struct {
	snap.Info
	damage *snap.DamageError // nil: it is whole
}

// fileView is what is told of one log file.
type fileView struct {
	name        string
	records     int
	bytes       int64
	first, last uint64 // entries
}

// recordJSON is a line of --json.
type recordJSON struct {
	File   string `json:"file"`
	Offset int64  `json:"offset"`
	Length int64  `json:"length"`
	Kind   string `json:"kind"`
	Index  uint64 `json:"index"`
	Term   uint64 `json:"term"`
	OK     bool   `json:"ok"`
}

func (i *inspection) run() error {
	dir, err := disk.OS(i.dir)
	if err != nil {
		return failed("%s: %s", i.dir, fileWords(err))
	}
	if err := i.readIdentity(dir); err != nil {
		return err
	}
	v, err := wal.Scan(dir, i.visit)
	if err != nil {
		return failed("%s can't be read: %s", i.dir, fileWords(err))
	}
	if err := i.checkSnapshots(dir); err != nil {
		return err
	}
	v = i.verdict(v)
	if d := i.unknown; d != nil && i.json {
		i.line(recordJSON{File: d.File, Offset: d.Offset, Kind: "identity"})
	}
	if !i.json {
		i.print(v)
	}
	if i.err != nil {
		return i.err
	}
	return i.conclude(v)
}

func (i *inspection) readIdentity(dir disk.Dir) (err error) {
	i.identity, err = storage.LoadIdentity(dir)
	switch {
	case err == nil, errors.As(err, &i.unknown):
		return nil
	case errors.Is(err, fs.ErrNotExist):
		i.unknown = &disk.DamageError{File: "identity", Detail: "it is missing"}
		return nil
	}
	return failed("%s can't be read: %s", filepath.Join(i.dir, "identity"), fileWords(err))
}

func (i *inspection) visit(r wal.Record) {
	i.records++
	if i.json {
		i.line(recordJSON{r.File, r.Offset, r.Length, r.Kind, uint64(r.Index), uint64(r.Term), r.OK})
		return
	}
	if len(i.files) == 0 || i.files[len(i.files)-1].name != r.File {
		i.files = append(i.files, &fileView{name: r.File})
	}
	f := i.files[len(i.files)-1]
	f.records++
	f.bytes = max(f.bytes, r.Offset+r.Length)
	switch {
	case r.Kind == "hard":
		i.hard = uint64(r.Term)
	case r.Kind == "entry":
		if f.first == 0 {
			f.first = uint64(r.Index)
		}
		f.last = uint64(r.Index)
	}
}

func (i *inspection) line(v any) {
	if i.err == nil {
		i.err = printJSON(i.out, v)
	}
}

// checkSnapshots reads every snapshot file.
func (i *inspection) checkSnapshots(dir disk.Dir) error {
	all, err := snap.List(dir)
	if err != nil {
		return failed("%s can't be read: %s", i.dir, fileWords(err))
	}
	for _, s := range all {
		err := snap.Verify(dir, s)
		var damage *snap.DamageError
		if err != nil && !errors.As(err, &damage) {
			return failed("%s can't be read: %s", filepath.Join(i.dir, s.Name), fileWords(err))
		}
		i.snapshots = append(i.snapshots, snapshotView{s, damage})
		if i.json {
			i.line(recordJSON{
				File: s.Name, Length: s.Bytes, Kind: "snapshot_file", Index: uint64(s.Index),
				Term: uint64(s.Term), OK: damage == nil,
			})
		}
	}
	return nil
}

// verdict joins what the parts came to: a bad snapshot or identity is corruption too.
func (i *inspection) verdict(v wal.Verdict) wal.Verdict {
	damages := []*disk.DamageError{i.unknown}
	for _, s := range i.snapshots {
		damages = append(damages, s.damage)
	}
	for _, d := range damages {
		if d != nil && v.Class != wal.Corrupt {
			v = wal.Verdict{Class: wal.Corrupt, File: d.File, Offset: d.Offset, Detail: d.Detail}
		}
	}
	return v
}

func (i *inspection) print(v wal.Verdict) {
	if id := i.identity; i.unknown == nil {
		fmt.Fprintf(i.out, "node %d of cluster %s, engine %s, started %s\n\n", id.Node,
			dash(id.Cluster), id.Engine, plural(int(id.Boot), "time"))
	}
	t := table{header: []string{"LOG FILE", "RECORDS", "BYTES", "ENTRIES"}}
	for _, f := range i.files {
		entries := "-"
		if f.first > 0 {
			entries = fmt.Sprintf("%d to %d", f.first, f.last)
		}
		t.add(f.name, strconv.Itoa(f.records), strconv.FormatInt(f.bytes, 10), entries)
	}
	t.print(i.out)
	fmt.Fprintln(i.out)
	if len(i.snapshots) > 0 {
		t = table{header: []string{"SNAPSHOT", "ENTRY", "TERM", "BYTES", ""}}
		for _, s := range i.snapshots {
			state := "whole"
			if s.damage != nil {
				state = fmt.Sprintf("bad at %d: %s", s.damage.Offset, s.damage.Detail)
			}
			t.add(s.Name, fmt.Sprint(s.Index), fmt.Sprint(s.Term), fmt.Sprint(s.Bytes), state)
		}
		t.print(i.out)
		fmt.Fprintln(i.out)
	}
	fmt.Fprintf(i.out, "term %d; %s\n", i.hard, plural(i.records, "record"))
	fmt.Fprintf(i.out, "%s\n", v.Class)
	if v.Class != wal.Clean {
		fmt.Fprintf(i.out, "first bad: %s, offset %d: %s\n", v.File, v.Offset, v.Detail)
	}
}

// conclude gives the verdict as words and exit status.
func (i *inspection) conclude(v wal.Verdict) error {
	at := fmt.Sprintf("%s, offset %d", filepath.Join(i.dir, v.File), v.Offset)
	switch v.Class {
	case wal.Clean:
		return nil
	case wal.TornTail:
		f := &failure{status: exitTorn, text: "torn_tail at " + at}
		return f.withNext("The last write was not finished. It was never acknowledged, and the next " +
			"start cuts it.")
	}
	f := &failure{status: exitCorrupt, text: fmt.Sprintf("corrupt at %s: %s", at, v.Detail)}
	return f.withNext("What was durable there can't be read, so a node doesn't start on it. The " +
		"other nodes\nhold the same data; keep this directory until the cluster has a replacement.")
}
