package sim

import (
	"fmt"

	"drystone/rsm"
	"drystone/store"
)

const equalDraws = "Equal Draws" // a request draws the same everywhere, and no other does

// machine is the store, with a draw from the request's generator before each command: leases and
// tokens would be made of such.
type machine struct {
	*store.Store
	draws *draws
}

func newMachine(w *world) rsm.Machine { return &machine{store.New(), &w.draws} }

// Apply implements rsm.Machine.
func (m *machine) Apply(ctx *rsm.Context, cmd []byte) []byte {
	m.draws.drew(ctx.Op, ctx.Rand().Uint64())
	return m.Store.Apply(ctx, cmd)
}

// draws are the numbers that requests drew on whatever replica.
type draws struct {
	world *world
	of    map[uint64]uint64 // a request's, by Op
	by    map[uint64]uint64 // the request of a number
	wrong string
}

func newDraws(w *world) draws {
	return draws{world: w, of: map[uint64]uint64{}, by: map[uint64]uint64{}}
}

func (d *draws) drew(op, number uint64) {
	if was, ok := d.of[op]; ok && was != number {
		d.wrong = fmt.Sprintf("op %d draws %016x, and %016x on another replica", op, number, was)
	}
	if other, ok := d.by[number]; ok && other != op {
		d.wrong = fmt.Sprintf("op %d draws %016x, which op %d has drawn", op, number, other)
	}
	d.of[op], d.by[number] = number, op
}

// check fails if anything was drawn that must not be: outside the machine, because a machine that
// panics is the machine's fault.
func (d *draws) check() {
	if d.wrong != "" {
		d.world.fail(equalDraws, "%s", d.wrong)
	}
}
