//go:build race

package rafttest

// RaceEnabled thins out what is too slow under the race detector.
const RaceEnabled = true
