package client_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"log/slog"
	"net"
	"net/http"
	"os"

	"drystone/client"
	"drystone/httpapi"
	"drystone/node"
	"drystone/rsm"
	"drystone/store"
)

// oneNode runs a whole cluster of one node in this process, and returns its address and what ends
// it.
func oneNode() (address string, stop func()) {
	quiet := slog.New(slog.DiscardHandler)
	dir, err := os.MkdirTemp("", "example")
	must(err)
	peers, err := net.Listen("tcp", "127.0.0.1:0")
	must(err)
	front, err := net.Listen("tcp", "127.0.0.1:0")
	must(err)
	address = front.Addr().String()
	n, err := node.Start(node.Config{
		ID: 1, Cluster: map[uint64]string{1: peers.Addr().String()}, Dir: dir, PeerListener: peers,
		AdvertiseHTTP: address, Machine: func() rsm.Machine { return store.New() }, Logger: quiet,
	})
	must(err)
	server := httpapi.NewServer(httpapi.New(n, httpapi.Config{Logger: quiet}), quiet)
	done := make(chan error)
	go func() { done <- server.Serve(front) }()
	return address, func() {
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		n.Close(ctx)
		server.Close()
		<-done
		os.RemoveAll(dir)
	}
}

func must(err error) {
	if err != nil {
		log.Panic(err)
	}
}

func Example() {
	address, stop := oneNode()
	defer stop()
	c, err := client.New(client.Options{Endpoints: []string{address}})
	must(err)
	defer c.Close()
	ctx := context.Background()

	// The order's number is the key: if this program crashes here and begins again, the order is
	// still pushed once.
	o := client.PushOptions{WriteOptions: client.WriteOptions{Key: "order-17"}}
	for range 2 {
		p, err := c.Push(ctx, "orders", [][]byte{[]byte("17: two stones")}, o)
		must(err)
		fmt.Println("size", p.Size, "replayed", p.Replayed)
	}
	r, err := c.Pop(ctx, "orders", client.PopOptions{})
	must(err)
	fmt.Printf("%s\n", r.Values[0])
	r, err = c.Pop(ctx, "orders", client.PopOptions{})
	must(err)
	fmt.Println("empty", r.Empty)
	// Output:
	// size 1 replayed false
	// size 1 replayed true
	// 17: two stones
	// empty true
}

func ExampleError() {
	address, stop := oneNode()
	c, err := client.New(client.Options{Endpoints: []string{address}})
	must(err)
	defer c.Close()
	ctx, cancel := context.WithCancel(context.Background())

	_, err = c.Pop(ctx, "missing", client.PopOptions{})
	fmt.Println("no such stack:", errors.Is(err, client.ErrNoSuchStack))

	stop()
	cancel()
	_, err = c.Pop(ctx, "orders", client.PopOptions{})
	switch {
	case errors.Is(err, client.ErrUnknown):
		fmt.Println("it may have taken effect")
	case errors.Is(err, client.ErrNotApplied):
		fmt.Println("nothing was done")
	}
	var e *client.Error
	if errors.As(err, &e) {
		fmt.Println(e.Code, e.Outcome, e.RetrySafe)
	}
	// Output:
	// no such stack: true
	// nothing was done
	// cancelled not_applied true
}

func ExampleSession() {
	address, stop := oneNode()
	defer stop()
	c, err := client.New(client.Options{Endpoints: []string{address}})
	must(err)
	defer c.Close()
	ctx := context.Background()

	s, err := c.OpenSession(ctx)
	must(err)
	defer s.Close(ctx)
	o := client.PushOptions{WriteOptions: client.WriteOptions{Session: s}}
	for _, stone := range []string{"granite", "slate", "flint"} {
		_, err := c.Push(ctx, "wall", [][]byte{[]byte(stone)}, o)
		must(err)
	}
	r, err := c.Pop(ctx, "wall", client.PopOptions{Count: 3, WriteOptions: o.WriteOptions})
	must(err)
	fmt.Printf("%s\n", r.Values)
	// Output:
	// [flint slate granite]
}

func ExampleClient_Settle() {
	address, stop := oneNode()
	defer stop()
	lose := &answerLost{}
	c, err := client.New(client.Options{
		Endpoints: []string{address}, HTTP: &http.Client{Transport: lose},
	})
	must(err)
	defer c.Close()
	ctx, cancel := context.WithCancel(context.Background())

	lose.then = cancel // the node executes the push, and the program hears nothing of it
	_, err = c.Push(ctx, "wall", [][]byte{[]byte("basalt")}, client.PushOptions{})
	var e *client.Error
	if !errors.As(err, &e) || !errors.Is(err, client.ErrUnknown) {
		log.Panic(err)
	}
	fmt.Println("unknown")

	fate, err := c.Settle(context.Background(), e.RequestID)
	must(err)
	fmt.Println(fate.Outcome, fate.Final())

	// What never arrived never will.
	fate, err = c.Settle(context.Background(), client.NewKey())
	must(err)
	fmt.Println(fate.Outcome, fate.Final())
	// Output:
	// unknown
	// applied true
	// fenced true
}

// answerLost loses the answer to the next write, and then does something.
type answerLost struct {
	http.Transport
	then func()
}

func (a *answerLost) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := a.Transport.RoundTrip(r)
	if err == nil && r.Method == http.MethodPost && a.then != nil {
		resp.Body.Close()
		a.then()
		a.then = nil
		return nil, errors.New("the cable was pulled")
	}
	return resp, err
}
