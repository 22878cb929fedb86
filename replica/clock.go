package replica

// logClock reads log time: the last stamp, and the monotonic time since this node had it. Wall
// clocks never enter, and time in which no node runs does not count.
type logClock struct {
	stamp uint64 // ms of log time
	at    uint64 // monotonic ms at which this node had it
}

// read is the log time at now.
func (c logClock) read(now uint64) uint64 {
	assert(now >= c.at, "the monotonic clock went back")
	return c.stamp + (now - c.at)
}

// learn takes the log time that an applied entry left behind. What a node extrapolated from an
// older stamp is dropped, so that a fast clock cannot run ahead by more than one stamp's age.
func (c *logClock) learn(stamp, now uint64) {
	if stamp > c.stamp {
		*c = logClock{stamp: stamp, at: now}
	}
}

// issue is a leader's stamp for its next entry. Its own stamps come back when they are applied,
// a commit later; learning them only then would slow log time by that much with every entry. So
// the clock is set here, and learn finds nothing newer.
func (c *logClock) issue(now uint64) uint64 {
	// reliability: log time never goes back (a regressing clock expires everything, or nothing).
	stamp := c.read(now)
	assert(stamp >= c.stamp, "log time would go back")
	*c = logClock{stamp: stamp, at: now}
	return stamp
}
