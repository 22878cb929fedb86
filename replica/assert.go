package replica

// assert stops the node on a mistake of ours: going on could answer a caller wrongly.
func assert(ok bool, msg string) {
	if !ok {
		panic("replica: " + msg)
	}
}
