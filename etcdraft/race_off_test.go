//go:build !race

package etcdraft

// raceEnabled thins out what is too slow under the race detector.
const raceEnabled = false
