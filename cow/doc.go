// Package cow has the two containers replicated state is made of: an ordered Map and a Deque.
// Both are copy-on-write, so that a snapshot freezes them in constant time and is written on
// another goroutine while the state goes on changing.
//
// Fork is the whole protocol: it returns a container that may be changed, and from then on the
// one it came from may only be read, by any number of goroutines. What the two still share is
// never written again; the fork copies the little it touches. Values are shared too: one that is
// changed through a pointer must be copied by its owner first.
package cow

// assert panics with msg unless ok.
func assert(ok bool, msg string) {
	if !ok {
		panic("cow: " + msg)
	}
}
