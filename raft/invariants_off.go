//go:build !invariants && !race

package raft

const deepChecks = false
