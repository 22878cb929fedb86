package torture

import (
	"fmt"
	"strings"
	"sync"
	"time"

	"drystone/torture/proxy"
)

func strikeKill(s *storm) (string, func()) {
	return s.away("kill -9", (*node).kill)
}

func strikeRestart(s *storm) (string, func()) {
	return s.away("stop", func(n *node) {
		if !n.stop() {
			s.accuse("node %d did not stop within %v of SIGTERM", n.id, stopPatience)
		}
	})
}

// away ends processes and starts them again later.
func (s *storm) away(verb string, end func(*node)) (string, func()) {
	who, nodes := s.victims()
	if len(nodes) == 0 {
		return "", nil
	}
	var ended sync.WaitGroup
	for _, n := range nodes {
		ended.Go(func() { end(n) })
	}
	return verb + " of " + who, func() {
		ended.Wait()
		for _, n := range nodes {
			s.start(n)
			n.release()
		}
	}
}

func strikePause(s *storm) (string, func()) {
	who, nodes := s.victims()
	if len(nodes) == 0 {
		return "", nil
	}
	for _, n := range nodes {
		n.pause()
	}
	return "pause of " + who, func() {
		for _, n := range nodes {
			n.resume()
			n.release()
		}
	}
}

// impose puts faults on lines, and gives what lifts them.
func impose(lines []*proxy.Line, f proxy.Faults) func() {
	var lifts []func()
	for _, line := range lines {
		lifts = append(lifts, line.Impose(f))
	}
	return func() {
		for _, lift := range lifts {
			lift()
		}
	}
}

// some are about half of the lines between nodes, and sometimes all. front takes those of clients
// with them.
func (s *storm) some(front bool) (words string, lines []*proxy.Line) {
	all := s.cluster.lines()
	if !front {
		all = all[len(s.cluster.front):]
	}
	if s.random.IntN(4) == 0 {
		return "all lines", all
	}
	for _, line := range all {
		if s.random.IntN(2) == 0 {
			lines = append(lines, line)
		}
	}
	return fmt.Sprintf("%d of %d lines", len(lines), len(all)), lines
}

func strikeLoss(s *storm) (string, func()) {
	share := 0.02 + 0.5*s.random.Float64()
	words, lines := s.some(false)
	return fmt.Sprintf("%.0f%% of messages lost on %s", 100*share, words),
		impose(lines, proxy.Faults{Loss: share})
}

func strikeDuplicate(s *storm) (string, func()) {
	share := 0.05 + 0.6*s.random.Float64()
	words, lines := s.some(false)
	return fmt.Sprintf("%.0f%% of messages doubled on %s", 100*share, words),
		impose(lines, proxy.Faults{Duplicate: share})
}

func strikeDelay(s *storm) (string, func()) {
	delay := time.Duration(2+s.random.IntN(150)) * time.Millisecond
	words, lines := s.some(true)
	return fmt.Sprintf("%v to %v late on %s", delay, 2*delay, words),
		impose(lines, proxy.Faults{Delay: delay})
}

// strikeSlow lets little pass, or nothing until it ends and then all at once.
func strikeSlow(s *storm) (string, func()) {
	words, lines := s.some(true)
	if s.random.IntN(2) == 0 {
		return "held back on " + words,
			impose(lines, proxy.Faults{Hold: s.random.IntN(3) > 0, HoldBack: true})
	}
	rate := 1 << (10 + s.random.IntN(6))
	return fmt.Sprintf("%d bytes a second on %s", rate, words),
		impose(lines, proxy.Faults{Rate: rate})
}

// gone is a link that carries nothing. What is said meanwhile is lost, or comes when it ends.
func (s *storm) gone() proxy.Faults {
	if s.random.IntN(2) == 0 {
		return proxy.Faults{Hold: true}
	}
	return proxy.Faults{Loss: 1}
}

// strikeOneway takes the links from some nodes to others, and leaves those back.
func strikeOneway(s *storm) (string, func()) {
	n := len(s.cluster.nodes)
	node := s.random.IntN(n)
	if leader, _, _ := s.watch.leading(); leader > 0 && s.random.IntN(2) == 0 {
		node = leader - 1
	}
	var lines []*proxy.Line
	words := fmt.Sprintf("nothing from node %d", node+1)
	switch s.random.IntN(3) {
	case 0:
		lines = s.links([]int{node}, s.others(node))
	case 1:
		words = fmt.Sprintf("nothing to node %d", node+1)
		lines = s.links(s.others(node), []int{node})
	default:
		if n > 1 {
			to := s.others(node)[s.random.IntN(n-1)]
			words += fmt.Sprintf(" to node %d", to+1)
			lines = s.links([]int{node}, []int{to})
		}
	}
	if len(lines) == 0 {
		return "", nil
	}
	return words, impose(lines, s.gone())
}

// strikePartition parts the nodes in two, with no link between the parts in either direction.
func strikePartition(s *storm) (string, func()) {
	n := len(s.cluster.nodes)
	if n < 2 {
		return "", nil
	}
	order := s.random.Perm(n)
	size := 1 + s.random.IntN(n-1)
	a, b := order[:size], order[size:]
	lines := append(s.links(a, b), s.links(b, a)...)
	return "parted: " + numbers(a) + " | " + numbers(b), impose(lines, s.gone())
}

func (s *storm) others(node int) (all []int) {
	for i := range s.cluster.nodes {
		if i != node {
			all = append(all, i)
		}
	}
	return all
}

func (s *storm) links(from, to []int) (lines []*proxy.Line) {
	for _, i := range from {
		for _, j := range to {
			if line := s.cluster.peers[i][j]; line != nil {
				lines = append(lines, line)
			}
		}
	}
	return lines
}

func numbers(nodes []int) string {
	var all []string
	for _, i := range nodes {
		all = append(all, fmt.Sprint(i+1))
	}
	return strings.Join(all, " ")
}

// strikeCut breaks connections in the midst of a message, when it begins and when it ends.
func strikeCut(s *storm) (string, func()) {
	words, lines := s.some(true)
	cut := func() {
		for _, line := range lines {
			line.Cut()
		}
	}
	cut()
	return "connections broken on " + words, cut
}

func strikeDiskFull(s *storm) (string, func()) {
	var small []*node
	for _, n := range s.cluster.nodes {
		if n.disk != nil && n.claim() {
			small = append(small, n)
		}
	}
	if len(small) == 0 {
		return "", nil
	}
	chosen := small[s.random.IntN(len(small))]
	for _, n := range small {
		if n != chosen {
			n.release()
		}
	}
	s.watch.sawDiskFull(chosen.id) // forget what was
	if err := chosen.disk.fill(); err != nil {
		s.accuse("the disk of node %d can't be filled: %v", chosen.id, err)
	}
	return fmt.Sprintf("the disk of node %d is full", chosen.id), func() {
		if err := chosen.disk.free(); err != nil {
			s.accuse("the disk of node %d can't be freed: %v", chosen.id, err)
		}
		if s.watch.sawDiskFull(chosen.id) {
			s.noticeDiskFull()
		}
		chosen.release()
	}
}
