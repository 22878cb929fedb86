package torture

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"strconv"
	"sync/atomic"
	"time"

	"drystone/torture/history"
)

// Codes that the caller gives itself; all others are the node's.
const (
	codeUnreachable = "unreachable" // no connection: nothing was sent
	codeNoAnswer    = "no_answer"   // it was sent, and no answer came
	codeStrange     = "strange"     // something came that is no answer
)

// replyMax bounds what is read of an answer.
const replyMax = 16 << 20

// Caller sends single requests to single nodes, and says honestly what it knows then. It repeats
// nothing: that is the business of who uses it, and writes down each attempt. It is safe for use by
// many goroutines.
type Caller struct {
	addresses []string // by node
	http      *http.Client
	now       func() int64
}

// NewCaller calls nodes, the first of which has the number 1, at their HTTP addresses. now is in ns
// since the run began.
func NewCaller(addresses []string, now func() int64) *Caller {
	return &Caller{addresses: addresses, now: now, http: &http.Client{Transport: &http.Transport{
		MaxIdleConnsPerHost: 256, IdleConnTimeout: 10 * time.Second,
	}}}
}

// newCaller calls the nodes of a cluster over their lines.
func newCaller(c *cluster, now func() int64) *Caller {
	var front []string
	behind := map[string]string{} // line to node
	for i, line := range c.front {
		front = append(front, line.Address())
		behind[line.Address()] = c.nodes[i].http
	}
	caller := NewCaller(front, now)
	var d net.Dialer
	dial := func(ctx context.Context, network, address string) (net.Conn, error) {
		// A line takes connections also when its node does not. That nothing listens is known to
		// a client, so it is asked for here.
		probe, err := d.DialContext(ctx, network, behind[address])
		if err != nil {
			return nil, err
		}
		probe.Close()
		return d.DialContext(ctx, network, address)
	}
	caller.http.Transport.(*http.Transport).DialContext = dial
	return caller
}

// Close closes the connections that nothing is under way on.
func (c *Caller) Close() { c.http.CloseIdleConnections() }

// Do sends an operation to a node and fills in what became of it. With a ctx that ends, or after
// patience, it is unknown; the node is given four fifths of that as its deadline.
func (c *Caller) Do(
	ctx context.Context, op history.Op, node int, patience time.Duration,
) history.Op {
	op.Node, op.Outcome, op.Code, op.Result = node, "", "", nil
	var sent atomic.Bool
	trace := &httptrace.ClientTrace{GotConn: func(httptrace.GotConnInfo) { sent.Store(true) }}
	ctx, cancel := context.WithTimeout(httptrace.WithClientTrace(ctx, trace), patience)
	defer cancel()
	// The node is to answer before this side stops to listen.
	r := c.request(ctx, &op, patience-patience/5)
	op.CallNs = c.now()
	reply, err := c.http.Do(r)
	var body []byte
	if err == nil {
		body, err = io.ReadAll(io.LimitReader(reply.Body, replyMax))
		reply.Body.Close()
	}
	op.ReturnNs = c.now()
	switch {
	case err != nil && !sent.Load():
		op.Outcome, op.Code = history.NotApplied, codeUnreachable
	case err != nil:
		op.Outcome, op.Code = history.Unknown, codeNoAnswer
	default:
		understand(&op, reply, body)
	}
	return op
}

func (c *Caller) request(ctx context.Context, op *history.Op, timeout time.Duration) *http.Request {
	url := "http://" + c.addresses[op.Node-1] + "/v1/stacks/" + op.Args.Stack + "/" + op.Op
	method, body := http.MethodGet, any(nil)
	switch op.Op {
	case history.Push:
		method, body = http.MethodPost, struct {
			Values []string `json:"values"`
		}{op.Args.Values}
	case history.Pop:
		method, body = http.MethodPost, struct {
			Count int `json:"count"`
		}{op.Args.Count}
	case history.Items:
		url += "?limit=1000"
	}
	text, err := json.Marshal(body)
	assert(err == nil, "a request can't be written")
	if body == nil {
		text = nil
	}
	r, err := http.NewRequestWithContext(ctx, method, url, bytes.NewReader(text))
	assert(err == nil, "a request can't be made")
	if body != nil {
		r.Header.Set("Content-Type", "application/json")
	}
	if op.Key != "" {
		r.Header.Set("Idempotency-Key", strconv.Quote(op.Key))
	}
	r.Header.Set("Drystone-Timeout", strconv.FormatInt(timeout.Milliseconds(), 10)+"ms")
	return r
}

// understand reads an answer.
func understand(op *history.Op, reply *http.Response, body []byte) {
	if reply.StatusCode == http.StatusOK {
		var in struct {
			Values []string
			Value  *string
			Empty  bool
			Size   *int
		}
		if json.Unmarshal(body, &in) != nil || in.Size == nil || *in.Size < 0 {
			op.Outcome, op.Code = history.Unknown, codeStrange
			return
		}
		if in.Value != nil && !in.Empty {
			in.Values = []string{*in.Value}
		}
		index, _ := strconv.ParseUint(reply.Header.Get("Drystone-Index"), 10, 64)
		op.Outcome = history.Applied
		op.Result = &history.Result{
			Values: in.Values, Empty: in.Empty, Size: *in.Size, Index: index,
			Replayed: reply.Header.Get("Idempotency-Replayed") == "true",
		}
		return
	}
	var problem struct{ Code, Outcome string }
	err := json.Unmarshal(body, &problem)
	op.Outcome, op.Code = problem.Outcome, problem.Code
	write := op.Op == history.Push || op.Op == history.Pop
	switch {
	case err != nil || problem.Code == "":
		op.Outcome, op.Code = history.Unknown, codeStrange
	case problem.Code == history.NoSuchStack && !write:
		op.Outcome = history.Applied // it is an answer
	case problem.Outcome == history.NotApplied || problem.Outcome == history.Unknown:
	case problem.Outcome == history.Applied && problem.Code == history.NoSuchStack:
	default:
		op.Outcome, op.Code = history.Unknown, codeStrange
	}
}

// expected are the problems that a client may meet on a bad day; any other is a fault of the
// program.
var expected = map[string]bool{
	codeUnreachable: true, codeNoAnswer: true, history.NoSuchStack: true,
	"no_leader": true, "outcome_unknown": true, "deadline_passed": true, "draining": true,
	"bootstrapping": true, "overload": true, "body_timeout": true, "behind": true,
}

func assert(ok bool, words string) {
	if !ok {
		panic("torture: " + words)
	}
}
