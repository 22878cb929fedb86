package client_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"log/slog"
	"net"
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
