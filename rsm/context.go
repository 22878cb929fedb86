package rsm

import "math/rand/v2"

// Context is where a command runs.
type Context struct {
	Index    uint64 // of the log entry
	Op       uint64 // of this request; on a query, of the last one applied
	LogTime  uint64 // ms since the cluster began
	Settings Settings

	seed   uint64 // of random; 0 until it is asked for
	source rand.PCG
	random *rand.Rand // of source
}

// seedOfRand sets the generators of this package apart from others seeded with a counter.
const seedOfRand = mixA ^ mixC

// Rand returns the request's generator. It is seeded by Op alone: the same numbers on every
// replica, and no secret to anybody.
func (c *Context) Rand() *rand.Rand {
	if c.seed == 0 {
		c.seed = Mix(seedOfRand, c.Op) | 1
		c.source.Seed(c.seed, c.Op)
		if c.random == nil {
			c.random = rand.New(&c.source)
		}
	}
	return c.random
}

// enter prepares the context for the next call of the machine.
func (c *Context) enter(p Point, settings *Settings) *Context {
	c.Index, c.Op, c.LogTime, c.Settings = p.Index, p.Op, p.LogTime, *settings
	c.seed = 0
	return c
}
