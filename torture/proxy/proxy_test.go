package proxy

import (
	"bufio"
	"errors"
	"io"
	"net"
	"os"
	"testing"
	"time"

	"go.uber.org/goleak"

	"drystone/raft"
	"drystone/wire"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const patience = 10 * time.Second

// link is a line with the dialer's end and the target's end of one connection.
func link(t *testing.T, framed bool) (line *Line, dialer, target net.Conn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if line, err = Listen(l.Addr().String(), framed); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(line.Close)
	if dialer, err = net.Dial("tcp", line.Address()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { dialer.Close() })
	if target, err = l.Accept(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { target.Close() })
	for _, c := range []net.Conn{dialer, target} {
		c.SetDeadline(time.Now().Add(patience))
	}
	return line, dialer, target
}

// message is a frame that may be lost; greeting is one that may not.
func message(n int) []byte {
	return wire.AppendFrame(nil, wire.Message{
		Raft: &raft.Message{To: 2, From: 1, Term: raft.Term(n), Body: raft.Heartbeat{}},
	})
}

func greeting() []byte {
	return wire.AppendHelloFrame(nil, wire.Hello{Protocol: 1, Node: 1, To: 2})
}

func say(t *testing.T, c net.Conn, bytes []byte) {
	t.Helper()
	if _, err := c.Write(bytes); err != nil {
		t.Fatal(err)
	}
}

// termsUntil reads messages until one of a term arrives, and returns how often each came.
func termsUntil(t *testing.T, r *bufio.Reader, last int) map[int]int {
	t.Helper()
	seen := map[int]int{}
	for before := 0; seen[last] == 0; {
		body, err := wire.ReadFrame(r, frameMax, nil)
		if err != nil {
			t.Fatalf("after %v: %v", seen, err)
		}
		m, err := wire.DecodeMessage(body)
		if err != nil {
			t.Fatal(err)
		}
		term := int(m.Raft.Term)
		if term < before {
			t.Fatalf("message %d came after %d", term, before)
		}
		seen[term]++
		before = term
	}
	return seen
}

func TestPassesBothWays(t *testing.T) {
	for _, framed := range []bool{false, true} {
		_, dialer, target := link(t, framed)
		say(t, dialer, greeting())
		if _, err := wire.ReadFrame(bufio.NewReader(target), frameMax, nil); err != nil {
			t.Fatal(err)
		}
		say(t, target, []byte("answer"))
		b := make([]byte, 6)
		if _, err := io.ReadFull(dialer, b); err != nil || string(b) != "answer" {
			t.Fatalf("%q, %v", b, err)
		}
		target.Close()
		if _, err := dialer.Read(b); !errors.Is(err, io.EOF) {
			t.Errorf("framed=%v: the end comes as %v", framed, err)
		}
	}
}

func TestLosesAndDoubles(t *testing.T) {
	line, dialer, target := link(t, true)
	r := bufio.NewReader(target)
	lift := line.Impose(Faults{Loss: 0.5, Duplicate: 0.5})
	const many = 200
	for n := 1; n <= many; n++ {
		say(t, dialer, message(n))
	}
	// What was said under the fault has to be read before the fault is lifted.
	say(t, dialer, greeting())
	lost, doubled := 0, 0
	seen := map[int]int{}
	for {
		body, err := wire.ReadFrame(r, frameMax, nil)
		if err != nil {
			t.Fatal(err)
		}
		m, err := wire.DecodeMessage(body)
		if err != nil {
			break // the greeting, which is never lost
		}
		seen[int(m.Raft.Term)]++
	}
	lift()
	for n := 1; n <= many; n++ {
		switch seen[n] {
		case 0:
			lost++
		case 2:
			doubled++
		}
	}
	if lost < many/4 || lost > 3*many/4 || doubled < many/10 || doubled > many/2 {
		t.Errorf("of %d messages %d were lost and %d came twice", many, lost, doubled)
	}
	for n := many + 1; n <= many+20; n++ {
		say(t, dialer, message(n))
	}
	if seen := termsUntil(t, r, many+20); len(seen) != 20 {
		t.Errorf("after the fault %d of 20 arrive", len(seen))
	}
}

// TestLosesAll: messages are gone, a greeting waits, and so does the end of the connection.
func TestLosesAll(t *testing.T) {
	line, dialer, target := link(t, true)
	lift := line.Impose(Faults{Loss: 1})
	say(t, dialer, message(1))
	say(t, dialer, greeting())
	dialer.Close()
	mustBeSilent(t, target)
	lift()
	r := bufio.NewReader(target)
	body, err := wire.ReadFrame(r, frameMax, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := wire.DecodeHello(body); err != nil {
		t.Errorf("the first that arrives is not the greeting: %v", err)
	}
	if _, err := r.ReadByte(); !errors.Is(err, io.EOF) {
		t.Errorf("then comes %v", err)
	}
}

func mustBeSilent(t *testing.T, c net.Conn) {
	t.Helper()
	c.SetReadDeadline(time.Now().Add(50 * time.Millisecond))
	if n, err := c.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatalf("%d bytes, %v: where nothing should arrive", n, err)
	}
	c.SetReadDeadline(time.Now().Add(patience))
}

// TestHolds: each direction alone, and what was held comes when it ends.
func TestHolds(t *testing.T) {
	line, dialer, target := link(t, false)
	for _, x := range []struct {
		fault     Faults
		from, to  net.Conn
		direction string
	}{
		{Faults{Hold: true}, dialer, target, "forward"},
		{Faults{HoldBack: true}, target, dialer, "back"},
	} {
		lift := line.Impose(x.fault)
		say(t, x.from, []byte("late"))
		mustBeSilent(t, x.to)
		say(t, x.to, []byte("soon"))
		b := make([]byte, 4)
		if _, err := io.ReadFull(x.from, b); err != nil || string(b) != "soon" {
			t.Errorf("%s: the other direction gives %q, %v", x.direction, b, err)
		}
		lift()
		if _, err := io.ReadFull(x.to, b); err != nil || string(b) != "late" {
			t.Errorf("%s: then comes %q, %v", x.direction, b, err)
		}
	}
}

func TestDelayKeepsOrder(t *testing.T) {
	line, dialer, target := link(t, true)
	const delay = 30 * time.Millisecond
	line.Impose(Faults{Delay: delay})
	began := time.Now()
	for n := 1; n <= 20; n++ {
		say(t, dialer, message(n))
	}
	if seen := termsUntil(t, bufio.NewReader(target), 20); len(seen) != 20 {
		t.Errorf("%d of 20 arrive", len(seen))
	}
	if took := time.Since(began); took < delay {
		t.Errorf("it took %v", took)
	}
}

func TestRate(t *testing.T) {
	line, dialer, target := link(t, false)
	line.Impose(Faults{Rate: 1 << 20})
	began := time.Now()
	const many = 200 << 10
	go dialer.Write(make([]byte, many))
	if _, err := io.ReadFull(target, make([]byte, many)); err != nil {
		t.Fatal(err)
	}
	// The last piece, of 16 KiB at most, is paid for after it has passed.
	if took, least := time.Since(began), 170*time.Millisecond; took < least {
		t.Errorf("200 KiB at 1 MiB/s took %v, less than %v", took, least)
	}
}

// TestCut: half of a message, and then the connection is broken on both sides.
func TestCut(t *testing.T) {
	line, dialer, target := link(t, true)
	r := bufio.NewReader(target)
	say(t, dialer, message(1))
	termsUntil(t, r, 1)
	line.Cut()
	say(t, dialer, message(2))
	got, err := io.ReadAll(r)
	if err == nil && len(got) >= len(message(2)) {
		t.Errorf("%d bytes of %d arrived", len(got), len(message(2)))
	}
	if _, err := dialer.Read(make([]byte, 1)); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("the dialer sees %v", err)
	}
}

// TestBreaks: half of a message that is chosen, and what came before it is whole.
func TestBreaks(t *testing.T) {
	line, dialer, target := link(t, true)
	line.Impose(Faults{Break: 1})
	say(t, dialer, greeting())
	say(t, dialer, message(1))
	got, err := io.ReadAll(target)
	if err == nil && len(got) >= len(greeting())+len(message(1)) {
		t.Errorf("%d bytes of %d arrived", len(got), len(greeting())+len(message(1)))
	}
	if _, err := dialer.Read(make([]byte, 1)); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("the dialer sees %v", err)
	}
}

// TestNobodyThere: a dialer learns at once that the target does not take connections.
func TestNobodyThere(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	line, err := Listen(l.Addr().String(), true)
	if err != nil {
		t.Fatal(err)
	}
	defer line.Close()
	c, err := net.Dial("tcp", line.Address())
	if err != nil {
		return // the reset overtook the connection
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(patience))
	if _, err := c.Read(make([]byte, 1)); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("it sees %v", err)
	}
}

// TestFaultsAddUp: the worst of all that are imposed is in force, and lifting one leaves the rest.
func TestFaultsAddUp(t *testing.T) {
	line, _, _ := link(t, true)
	a := line.Impose(Faults{Loss: 0.1, Delay: time.Second, Rate: 100})
	b := line.Impose(Faults{Loss: 0.5, Delay: time.Second, Hold: true})
	c := line.Impose(Faults{Rate: 10})
	check := func(want Faults) {
		t.Helper()
		if got, _ := line.faults(); got != want {
			t.Errorf("%+v, want %+v", got, want)
		}
	}
	check(Faults{Loss: 0.5, Delay: 2 * time.Second, Rate: 10, Hold: true})
	c()
	check(Faults{Loss: 0.5, Delay: 2 * time.Second, Rate: 100, Hold: true})
	b()
	check(Faults{Loss: 0.1, Delay: time.Second, Rate: 100})
	a()
	check(Faults{})
}
