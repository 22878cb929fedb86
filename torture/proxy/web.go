package proxy

import (
	"bytes"
	"context"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"sync"
	"time"
)

// WebFaults are the shares, from 0 to 1, of requests and of answers that fare badly on a Web. No
// request meets two of Lose, Cut and Repeat, and no answer both of LoseReply and CutReply. Whoever
// waits for what is lost sees the connection break.
type WebFaults struct {
	Lose      float64 // the request does not arrive
	Cut       float64 // a part of the request arrives
	Repeat    float64 // the request arrives twice, at the same time
	LoseReply float64 // the request arrives, its answer does not come back
	CutReply  float64 // a part of the answer comes back
}

// Web passes HTTP requests on to a target and badly. An answer never comes twice: over TCP there
// is no such thing. It is safe for use by many goroutines.
type Web struct {
	target   string
	faults   WebFaults
	listener net.Listener
	server   *http.Server
	upstream *http.Transport
	ctx      context.Context
	close    context.CancelFunc
	running  sync.WaitGroup
}

// ListenWeb opens a web line to a target, on a loopback port.
func ListenWeb(target string, f WebFaults) (*Web, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	w := &Web{
		target: target, faults: f, listener: l,
		upstream: &http.Transport{DisableCompression: true, MaxIdleConnsPerHost: 64},
	}
	w.ctx, w.close = context.WithCancel(context.Background())
	w.server = &http.Server{Handler: http.HandlerFunc(w.pass)}
	w.running.Go(func() { w.server.Serve(l) })
	return w, nil
}

// Address is where the line listens.
func (w *Web) Address() string { return w.listener.Addr().String() }

// Close ends the line and all its connections, and returns when nothing of it runs.
func (w *Web) Close() {
	w.close()
	patience, end := context.WithTimeout(context.Background(), time.Second)
	defer end()
	if w.server.Shutdown(patience) != nil {
		w.server.Close() // connections that were opened and never used
	}
	w.upstream.CloseIdleConnections()
	w.running.Wait()
}

// pass is one request, from its first byte to the end of its answer.
func (w *Web) pass(out http.ResponseWriter, in *http.Request) {
	body, err := io.ReadAll(in.Body)
	if err != nil {
		return
	}
	f, n := &w.faults, rand.Float64()
	switch {
	case n < f.Lose:
		breakOff(out, nil)
		return
	case n < f.Lose+f.Cut:
		w.half(w.request(in, body))
		breakOff(out, nil)
		return
	case n < f.Lose+f.Cut+f.Repeat:
		w.running.Go(func() { w.ask(in, body) })
	}
	reply, answer := w.ask(in, body)
	n = rand.Float64()
	switch {
	case reply == nil || n < f.LoseReply:
		breakOff(out, nil)
	case n < f.LoseReply+f.CutReply:
		var text bytes.Buffer
		reply.Body = io.NopCloser(bytes.NewReader(answer))
		reply.Write(&text)
		breakOff(out, text.Bytes()[:rand.IntN(text.Len())])
	default:
		for name, values := range reply.Header {
			out.Header()[name] = values
		}
		out.WriteHeader(reply.StatusCode)
		out.Write(answer)
	}
}

func (w *Web) request(in *http.Request, body []byte) *http.Request {
	r, err := http.NewRequestWithContext(w.ctx, in.Method, "http://"+w.target+in.RequestURI,
		bytes.NewReader(body))
	if err != nil {
		panic("proxy: a request that was read can't be made: " + err.Error())
	}
	r.Header = in.Header.Clone()
	return r
}

// ask sends a request on and reads the whole answer; nil if there is none.
func (w *Web) ask(in *http.Request, body []byte) (*http.Response, []byte) {
	reply, err := w.upstream.RoundTrip(w.request(in, body))
	if err != nil {
		return nil, nil
	}
	defer reply.Body.Close()
	answer, err := io.ReadAll(reply.Body)
	if err != nil {
		return nil, nil
	}
	return reply, answer
}

// half sends the beginning of a request on, and no more.
func (w *Web) half(r *http.Request) {
	d := net.Dialer{Timeout: dialTimeout}
	up, err := d.DialContext(w.ctx, "tcp", w.target)
	if err != nil {
		return
	}
	defer up.Close()
	var text bytes.Buffer
	r.Write(&text)
	up.Write(text.Bytes()[:rand.IntN(text.Len())])
}

// breakOff ends a connection after a part of an answer, or before any.
func breakOff(out http.ResponseWriter, part []byte) {
	c, _, err := http.NewResponseController(out).Hijack()
	if err != nil {
		return // it is broken already
	}
	c.Write(part)
	c.Close()
}
