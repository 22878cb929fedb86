package sim

import (
	"drystone/rsm"
	"drystone/store"
)

const equalDraws = "Equal Draws" // a request draws the same numbers everywhere, and no other does

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
}

func newDraws(w *world) draws {
	return draws{world: w, of: map[uint64]uint64{}, by: map[uint64]uint64{}}
}

func (d *draws) drew(op, number uint64) {
	if was, ok := d.of[op]; ok && was != number {
		d.world.fail(equalDraws, "op %d draws %016x, and %016x on another replica", op, number, was)
	}
	if other, ok := d.by[number]; ok && other != op {
		d.world.fail(equalDraws, "op %d draws %016x, which op %d has drawn", op, number, other)
	}
	d.of[op], d.by[number] = number, op
}
