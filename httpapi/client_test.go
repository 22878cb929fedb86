package httpapi

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"testing"
	"time"

	"drystone/client"
	"drystone/rsm"
)

// The Go client and the front understand each other: any name, any bytes.
func TestClient(t *testing.T) {
	f := newFront(t)
	c, err := client.New(client.Options{Endpoints: []string{f.address}})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	ctx := context.Background()
	values := [][]byte{[]byte("text"), {}, []byte("\xff\x00"), []byte(`"é😀\`)}
	for _, name := range names {
		created, err := c.CreateStack(ctx, name, client.WriteOptions{})
		if err != nil || !created.Created {
			t.Fatalf("%q: %+v, %v", name, created, err)
		}
		for _, v := range values {
			if _, err := c.Push(ctx, name, [][]byte{v}, client.PushOptions{MustExist: true}); err != nil {
				t.Fatalf("%q: %v", name, err)
			}
		}
		more := client.PushOptions{End: client.Bottom}
		if p, err := c.Push(ctx, name, values, more); err != nil || p.Size != 8 || p.Index == 0 {
			t.Fatalf("%q: %+v, %v", name, p, err)
		}
		s, meta, err := c.GetStack(ctx, name, client.ReadOptions{})
		if err != nil || s.Name != name || s.Size != 8 || meta.Term != 3 {
			t.Errorf("%q: %+v %+v %v", name, s, meta, err)
		}
		items, err := c.Items(ctx, name, 1, 2, client.ReadOptions{})
		if err != nil || !bytes.Equal(items.Values[0], values[2]) || len(items.Values[1]) != 0 {
			t.Errorf("%q: %+v, %v", name, items, err)
		}
		popped, err := c.Pop(ctx, name, client.PopOptions{Count: 4})
		if err != nil || popped.Size != 4 {
			t.Fatalf("%q: %+v, %v", name, popped, err)
		}
		for i, v := range popped.Values {
			if !bytes.Equal(v, values[3-i]) {
				t.Errorf("%q: popped %q", name, popped.Values)
			}
		}
		top, err := c.Top(ctx, name, client.ReadOptions{Stale: true, MaxStale: time.Second})
		if err != nil || !bytes.Equal(top.Value, values[0]) || top.StaleMs != 7 {
			t.Errorf("%q: %+v, %v", name, top, err)
		}
	}
	list, err := c.ListStacks(ctx, client.ListOptions{Limit: 1000})
	if err != nil || len(list.Stacks) != len(names) || list.Next != "" {
		t.Errorf("%d of %d stacks, %v", len(list.Stacks), len(names), err)
	}
	if _, err := c.DeleteStack(ctx, names[0], client.WriteOptions{}); err != nil {
		t.Error(err)
	}
	_, err = c.Pop(ctx, names[0], client.PopOptions{})
	var e *client.Error
	if !errors.As(err, &e) || !errors.Is(err, client.ErrNoSuchStack) || e.Outcome != "applied" {
		t.Errorf("%v", err)
	}
	s, err := c.Status(ctx, client.StatusOptions{})
	if err != nil || s.NodeID != 1 || s.Applied != f.service.Index {
		t.Errorf("%+v, %v", s, err)
	}
}

// What the client says by itself is explained like everything else.
func TestClientCodes(t *testing.T) {
	for _, code := range []string{
		client.CodeUnreachable, client.CodeNoAnswer, client.CodeCancelled, client.CodeNotDrystone,
		client.CodeOtherCluster,
	} {
		if e, ok := Explain(code); !ok || len(e.Statuses) > 0 {
			t.Errorf("%s: %+v", code, e)
		}
	}
}

// The answer is lost again and again, and yet each push takes effect once.
func TestClientOnBadDays(t *testing.T) {
	f := newFront(t)
	c, _ := client.New(client.Options{
		Endpoints: []string{f.address}, HTTP: &http.Client{Transport: &badDays{service: f.service}},
	})
	defer c.Close()
	const pushes = 16
	for i := range pushes {
		v := []byte(fmt.Sprint(i))
		p, err := c.Push(context.Background(), "a", [][]byte{v}, client.PushOptions{})
		if err != nil || p.Size != uint64(i+1) {
			t.Fatalf("push %d: %+v, %v", i, p, err)
		}
	}
	popped, err := c.Pop(context.Background(), "a", client.PopOptions{Count: 2 * pushes})
	if err != nil || len(popped.Values) != pushes {
		t.Fatalf("%d values, %v", len(popped.Values), err)
	}
	for i, v := range popped.Values {
		if string(v) != fmt.Sprint(pushes-1-i) {
			t.Fatalf("values %q", popped.Values)
		}
	}
}

// badDays changes the day before each request: fine, the answer lost by the cluster, the answer
// lost on the way, no leader.
type badDays struct {
	http.Transport
	service *local
	day     int
}

func (b *badDays) RoundTrip(r *http.Request) (*http.Response, error) {
	b.day++
	kind := b.day % 5
	b.service.With(func(s *local) {
		// Rarely what makes the client pause: for as long as it is asked to, a second.
		s.Lose, s.Refuse = b.day%20 == 1, ""
		if b.day%20 == 11 {
			s.Refuse = rsm.CodeNoLeader
		}
	})
	resp, err := b.Transport.RoundTrip(r)
	if err == nil && kind == 2 {
		resp.Body.Close()
		return nil, errors.New("the cable was pulled")
	}
	return resp, err
}
