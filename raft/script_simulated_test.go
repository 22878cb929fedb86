package raft

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// simulated has runs of the simulator, written down by `drystone sim --script`.
const simulated = "testdata/simulated"

var (
	loggedThen = regexp.MustCompile(`(?m)^# (n\d+): (.+)$`)
	loggedNow  = regexp.MustCompile(`(?m)^(n\d+)@\d+ log +(?:\((\S+)\) )?(.*)$`)
)

// TestSimulatedLogs: a recorded run leaves the logs in a script that it left in the simulator, but
// for what a snapshot stands for.
func TestSimulatedLogs(t *testing.T) {
	seen := 0
	for _, path := range scriptFiles(t) {
		if !strings.HasPrefix(path, simulated) {
			continue
		}
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		head, out, _ := strings.Cut(string(text), "----\n")
		now := map[string][]string{}
		for _, m := range loggedNow.FindAllStringSubmatch(out, -1) {
			now[m[1]] = m[2:]
		}
		for _, m := range loggedThen.FindAllStringSubmatch(head, -1) {
			seen++
			if now[m[1]] == nil {
				t.Errorf("%s: there is no log of %s", path, m[1])
				continue
			}
			then, errThen := parseLog(strings.ReplaceAll(m[2], " ", ","))
			is, errIs := parseLog(strings.ReplaceAll(now[m[1]][1], " ", ","))
			if errThen != nil || errIs != nil {
				t.Fatalf("%s: %s: %v %v", path, m[1], errThen, errIs)
			}
			if n := len(then) - len(is); n < 0 || n > 0 && now[m[1]][0] == "" ||
				!slices.EqualFunc(then[n:], is, func(a, b Entry) bool {
					return a.position() == b.position()
				}) {
				t.Errorf("%s: %s was %s, and is %s", path, m[1], m[2], now[m[1]][1])
			}
		}
	}
	if seen < 6 {
		t.Errorf("only %d logs were compared", seen)
	}
}
