package rsm

// assert panics with msg unless ok.
func assert(ok bool, msg string) {
	if !ok {
		panic("rsm: " + msg)
	}
}
