package main

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"time"
)

// The control socket of a running dev cluster speaks HTTP:
//
//	GET  /            what runs (devState)
//	POST /N/ACTION    act on node N
//	POST /down        end everything
//
// An error comes as 409 with a devRefusal.

// devState is what a supervisor tells of itself.
type devState struct {
	PID   int       `json:"pid"`
	Dir   string    `json:"dir"`
	Nodes []devView `json:"nodes"`
}

// devRefusal is a failure on its way through the socket.
type devRefusal struct {
	Text string `json:"text"`
	Next string `json:"next,omitempty"`
}

var devActions = []string{"kill", "stop", "start", "restart", "pause", "resume"}

func (s *supervisor) serveControl(l net.Listener) {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, r *http.Request) {
		state := devState{PID: os.Getpid(), Dir: s.dir}
		for _, n := range s.nodes {
			state.Nodes = append(state.Nodes, n.view())
		}
		replyJSON(w, http.StatusOK, state)
	})
	mux.HandleFunc("POST /{node}/{action}", func(w http.ResponseWriter, r *http.Request) {
		n := s.node(r.PathValue("node"))
		if n == nil {
			refuse(w, failed("there is no node %s here: nodes are 1 to %d", r.PathValue("node"),
				len(s.nodes)))
			return
		}
		if err := n.act(r.Context(), r.PathValue("action")); err != nil {
			refuse(w, err)
			return
		}
		replyJSON(w, http.StatusOK, n.view())
	})
	mux.HandleFunc("POST /down", func(w http.ResponseWriter, r *http.Request) {
		s.once.Do(func() { close(s.down) })
		replyJSON(w, http.StatusOK, struct{}{})
	})
	server := &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second}
	// It ends with the listener, which run closes.
	_ = server.Serve(l)
}

func (s *supervisor) node(id string) *devNode {
	for _, n := range s.nodes {
		if strconv.FormatUint(n.site.ID, 10) == id {
			return n
		}
	}
	return nil
}

func (n *devNode) act(ctx context.Context, action string) error {
	n.action.Lock()
	defer n.action.Unlock()
	switch action {
	case "kill":
		return n.end(syscall.SIGKILL, devKilled)
	case "stop":
		return n.end(syscall.SIGTERM, devStopped)
	case "start":
	case "restart":
		if n.alive() {
			if err := n.end(syscall.SIGTERM, devStopped); err != nil {
				return err
			}
		}
	case "pause":
		return n.pause(true)
	case "resume":
		return n.pause(false)
	default:
		return failed("there is no action %q", action)
	}
	if err := n.start(); err != nil {
		return err
	}
	return n.serves(ctx)
}

func replyJSON(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	// A caller that has gone away needs no answer.
	_ = json.NewEncoder(w).Encode(v)
}

func refuse(w http.ResponseWriter, err error) {
	r := devRefusal{Text: err.Error()}
	var f *failure
	if errors.As(err, &f) {
		r.Next = f.next
	}
	replyJSON(w, http.StatusConflict, r)
}

// devControl is a terminal's way to a running dev cluster.
type devControl struct {
	dir  string
	http *http.Client
}

func dialDev(dir string) (*devControl, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, failed("--dir %s: %s", dir, innermost(err))
	}
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		path, done, err := controlAddress(dir)
		if err != nil {
			return nil, err
		}
		defer done()
		var d net.Dialer
		return d.DialContext(ctx, "unix", path)
	}
	return &devControl{dir: dir, http: &http.Client{
		Transport: &http.Transport{DialContext: dial, DisableKeepAlives: true},
		Timeout:   time.Minute,
	}}, nil
}

// ask calls a route of the control socket.
func (c *devControl) ask(method, route string, answer any) error {
	r, err := http.NewRequest(method, "http://dev"+route, nil)
	if err != nil {
		return err
	}
	reply, err := c.http.Do(r)
	if err != nil {
		if isTimeout(err) {
			return failed("the dev cluster in %s doesn't answer", c.dir)
		}
		return c.notRunning()
	}
	defer reply.Body.Close()
	body, err := io.ReadAll(io.LimitReader(reply.Body, 1<<20))
	if err != nil {
		return failed("the dev cluster in %s ended while it answered", c.dir)
	}
	if reply.StatusCode != http.StatusOK {
		var no devRefusal
		if json.Unmarshal(body, &no) != nil || no.Text == "" {
			return failed("the dev cluster in %s does not know %s", c.dir, route)
		}
		return failed("%s", no.Text).withNext("%s", no.Next)
	}
	if json.Unmarshal(body, answer) != nil {
		return failed("the dev cluster in %s answers what can't be read", c.dir)
	}
	return nil
}

func (c *devControl) notRunning() *failure {
	return failed("no dev cluster runs in %s", c.dir).
		withNext("`drystone dev%s` starts one.", dirFlag(c.dir))
}

func isTimeout(err error) bool {
	var t interface{ Timeout() bool }
	return errors.As(err, &t) && t.Timeout()
}

// down ends the cluster and waits until it has ended.
func (c *devControl) down() error {
	var none struct{}
	if err := c.ask(http.MethodPost, "/down", &none); err != nil {
		return err
	}
	patience := time.NewTimer(stopPatience + 5*time.Second)
	defer patience.Stop()
	look := time.NewTicker(20 * time.Millisecond)
	defer look.Stop()
	for {
		unlock, err := lockDev(c.dir)
		if err == nil {
			unlock()
			return nil
		}
		select {
		case <-look.C:
		case <-patience.C:
			return failed("the dev cluster in %s takes long to end; it still runs", c.dir)
		}
	}
}
