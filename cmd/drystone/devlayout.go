package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strconv"
)

// devRecord is what dev keeps in its directory (dev.json): which nodes there are, so that the
// next run resumes them and the client commands find them.
type devRecord struct {
	PID    int       `json:"pid"` // of the supervisor; 0 once it has ended
	Base   int       `json:"base_port"`
	Engine string    `json:"engine,omitempty"` // "": the first of engines
	Nodes  []devSite `json:"nodes"`
}

// devSite is where one node of a dev cluster lives.
type devSite struct {
	ID   uint64 `json:"id"`
	Peer string `json:"peer"`
	HTTP string `json:"http"`
	Dir  string `json:"dir"` // its data directory
	Log  string `json:"log"`
}

const (
	defaultDevDir   = "drystone-data"
	defaultDevNodes = 3
	defaultDevBase  = 12379
	devRecordName   = "dev.json"
)

// devSites lays out n nodes from a base port: the seed's ports, 10,000 apart, for up to five
// nodes where they fit, otherwise ten apart. Each node has HTTP one above its peer port, and RESP
// two above.
func devSites(dir string, n, base int) ([]devSite, error) {
	if n < 1 {
		return nil, misused("--nodes %d: at least 1", n)
	}
	if base < 1 {
		return nil, misused("--base-port %d: at least 1", base)
	}
	const portMax, perNode = 65535, 2
	step := 10_000
	if n > 5 || base+step*(n-1)+perNode > portMax {
		step = 10
	}
	if base+step*(n-1)+perNode > portMax {
		return nil, misused("--base-port %d with --nodes %d: ports end at %d", base, n, portMax)
	}
	var sites []devSite
	for i := range n {
		port := base + step*i
		home := filepath.Join(dir, fmt.Sprintf("node-%d", i+1))
		sites = append(sites, devSite{
			ID:   uint64(i + 1),
			Peer: loopback(port),
			HTTP: loopback(port + 1),
			Dir:  filepath.Join(home, "data"),
			Log:  filepath.Join(home, "log"),
		})
	}
	return sites, nil
}

func loopback(port int) string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(port)) }

// planDev decides which nodes a run has: those of the run before, if it left data.
func planDev(dir string, nodes, base int, old *devRecord) (*devRecord, error) {
	if old != nil && len(old.Nodes) > 0 {
		switch {
		case nodes == 0:
			nodes = len(old.Nodes)
		case nodes != len(old.Nodes):
			return nil, failed("%s holds a cluster of %d, and a cluster keeps the nodes it began with",
				dir, len(old.Nodes)).withNext("Leave --nodes out to resume it, --reset to begin anew, " +
				"or choose another --dir.")
		}
		if base == 0 {
			base = old.Base
		}
	}
	if nodes == 0 {
		nodes = defaultDevNodes
	}
	if base == 0 {
		base = defaultDevBase
	}
	sites, err := devSites(dir, nodes, base)
	if err != nil {
		return nil, err
	}
	return &devRecord{Base: base, Nodes: sites}, nil
}

// chooseEngine decides which engine a run has: that of the run before, if it left data.
func (r *devRecord) chooseEngine(dir, asked string, old *devRecord) error {
	r.Engine = asked
	if old != nil && len(old.Nodes) > 0 {
		r.Engine = old.Engine
	}
	if r.Engine == "" {
		r.Engine = engines[0].Name
	}
	if asked != "" && asked != r.Engine {
		return failed("%s holds a cluster of the engine %s, and its directories stay with it", dir,
			r.Engine).withNext("Leave --engine out to resume it, --reset to begin anew, or choose " +
			"another --dir.")
	}
	return nil
}

// readDevRecord reads what an earlier run left, nil if nothing.
func readDevRecord(dir string) (*devRecord, error) {
	path := filepath.Join(dir, devRecordName)
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, failed("%s: %s", path, fileWords(err))
	}
	r := &devRecord{}
	if json.Unmarshal(text, r) != nil {
		return nil, failed("%s is not as drystone dev wrote it", path).
			withNext("Remove it if the cluster is not needed, or begin anew with --reset.")
	}
	return r, nil
}

func (r *devRecord) write(dir string) error {
	text, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	path := filepath.Join(dir, devRecordName)
	if err := os.WriteFile(path+".new", append(text, '\n'), 0o600); err != nil {
		return failed("%s: %s", path, fileWords(err))
	}
	if err := os.Rename(path+".new", path); err != nil {
		return failed("%s: %s", path, fileWords(err))
	}
	return nil
}

// members is the --cluster list of these nodes.
func (r *devRecord) members() memberList {
	list := memberList{}
	for _, s := range r.Nodes {
		list[s.ID] = s.Peer
	}
	return list
}

// resetDev removes what dev has made in a directory, and nothing else.
func resetDev(dir string) error {
	homes, err := filepath.Glob(filepath.Join(dir, "node-[0-9]*"))
	if err != nil {
		return err
	}
	for _, path := range append(homes, filepath.Join(dir, devRecordName)) {
		if err := os.RemoveAll(path); err != nil {
			return failed("%s can't be removed: %s", path, fileWords(err))
		}
	}
	return nil
}
