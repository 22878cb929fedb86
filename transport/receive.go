package transport

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"math"
	"sync"
	"time"

	"drystone/wire"
)

// Incoming is where a snapshot goes that a peer ships. What has been written stays for the next
// try of the same snapshot. One is used by one goroutine.
type Incoming interface {
	Have() (bytes int64, sum uint32, err error) // from an earlier try, and its CRC32C
	Restart() error                             // what there is was of another file
	Write(piece []byte) error
	Commit(sum uint32) error // durable, whole and checked; sum is the CRC32C of the whole file
	Close() error
}

// refusedLinger is how long a refused sender may take to read why.
const refusedLinger = 2 * time.Second

// receiving lets one snapshot in at a time. A newer offer ends the older one: its sender has lost
// the connection, or the lead.
type receiving struct {
	mu   sync.Mutex
	link *link
	done chan struct{} // closed when link's receiver has ended
}

// turn waits until the one before has ended. The function given ends this turn.
func (r *receiving) turn(l *link) (end func()) {
	done := make(chan struct{})
	r.mu.Lock()
	before, ended := r.link, r.done
	r.link, r.done = l, done
	r.mu.Unlock()
	if before != nil {
		before.close()
		<-ended
	}
	return func() {
		r.mu.Lock()
		if r.link == l {
			r.link, r.done = nil, nil
		}
		r.mu.Unlock()
		close(done)
	}
}

// receiveShip is one accepted connection that carries a snapshot.
func (p *peer) receiveShip(l *link, r *bufio.Reader) {
	defer l.close()
	if !p.track(l) {
		return
	}
	defer p.untrack(l)
	b := newBulk(l.conn, r, p.t.config.ShipTimeout)
	m, err := b.hear()
	if err != nil {
		p.t.countBad(err)
		return
	}
	offer, ok := m.(wire.ShipOffer)
	if !ok || offer.Bytes == 0 || offer.Bytes > math.MaxInt64 ||
		offer.Meta.LastIncludedIndex == 0 {
		p.t.counters.badFrames.Add(1)
		return
	}
	end := p.t.inbound.turn(l)
	err = p.take(b, offer)
	end()
	var broken *brokenError
	if errors.As(err, &broken) {
		p.t.log.Info("a snapshot ends half-way", "peer", p.id, "cause", broken.error)
		return
	}
	verdict := wire.ShipVerdict{}
	if err != nil {
		verdict = refusal(err)
	}
	if b.say(verdict) != nil || verdict.Code == wire.ShipOK {
		return
	}
	// A close with the sender's bytes unread would be a reset, which overtakes the verdict.
	if half, ok := l.conn.(interface{ CloseWrite() error }); ok {
		half.CloseWrite()
	}
	l.conn.SetReadDeadline(time.Now().Add(refusedLinger))
	io.Copy(io.Discard, r)
}

func refusal(err error) wire.ShipVerdict {
	var known *ShipError
	if errors.As(err, &known) {
		return wire.ShipVerdict{Code: known.Code, Detail: known.Detail}
	}
	return wire.ShipVerdict{Code: wire.ShipDiskError, Detail: err.Error()}
}

// brokenError is the end of a connection: there is nobody to tell a verdict to.
type brokenError struct{ error }

func (e *brokenError) Unwrap() error { return e.error }

// take is the receiver's side of a shipment.
func (p *peer) take(b *bulk, offer wire.ShipOffer) error {
	in, err := p.t.config.Accept(p.id, offer.Meta, int64(offer.Bytes))
	if err != nil || in == nil {
		return err
	}
	err = p.takeInto(in, b, offer)
	return errors.Join(err, in.Close())
}

func (p *peer) takeInto(in Incoming, b *bulk, offer wire.ShipOffer) error {
	have, sum := int64(0), uint32(0)
	err := b.busy(func() (err error) {
		have, sum, err = in.Have()
		return err
	})
	if err != nil {
		return err
	}
	// Fig13/4: reply, and wait for more pieces until the last.
	// DIFFERS(10): one reply, of what is there from earlier tries, is for all pieces.
	if err := b.say(wire.ShipHave{Bytes: uint64(have), Sum: sum}); err != nil {
		return &brokenError{err}
	}
	for first := true; ; first = false {
		m, err := b.hear()
		if err != nil {
			p.t.countBad(err)
			if errors.Is(err, wire.ErrChecksum) {
				return &ShipError{wire.ShipDamaged, "a piece was altered on its way"}
			}
			return &brokenError{err}
		}
		switch m := m.(type) {
		case wire.ShipEnd:
			return b.busy(func() error { return in.Commit(m.Sum) })
		case wire.ShipChunk:
			if m.Offset == 0 && first && have > 0 {
				if err := in.Restart(); err != nil {
					return err
				}
				have = 0
			}
			if m.Offset != uint64(have) {
				p.t.counters.badFrames.Add(1)
				return &ShipError{wire.ShipDamaged, fmt.Sprintf(
					"a piece for offset %d came where %d is next", m.Offset, have)}
			}
			if err := in.Write(m.Data); err != nil {
				return err
			}
			have += int64(len(m.Data))
		default:
			return &brokenError{unexpected(m)}
		}
	}
}

// track notes a connection beside the two for messages, so that it ends with the peer.
func (p *peer) track(l *link) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.t.ctx.Err() != nil || p.staleLocked(l.hello) {
		return false
	}
	if p.bulks == nil {
		p.bulks = make(map[*link]struct{})
	}
	p.bulks[l] = struct{}{}
	return true
}

func (p *peer) untrack(l *link) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.bulks, l)
}

// closeBulks ends connections that carry snapshots, of other processes of the peer than the one
// that said hello, or all. Called with mu held.
func (p *peer) closeBulks(but *wire.Hello) {
	for l := range p.bulks {
		if but == nil || l.hello.Boot != but.Boot || l.hello.Incarnation != but.Incarnation {
			l.close()
		}
	}
}
