//go:build race

package sim

// raceEnabled thins out what is too slow under the race detector.
const raceEnabled = true
