package explore

import (
	"fmt"
	"strings"

	"drystone/raft"
)

// script writes down a path in the commands of raft's golden scripts, to be kept as one.
type script struct {
	strings.Builder
}

func newScript(b Bounds) *script {
	s := &script{}
	var voters []string
	for i := range b.Voters {
		voters = append(voters, fmt.Sprint(i+1))
	}
	s.line("cluster nodes=%d members=(%s)", b.nodes(), strings.Join(voters, " "))
	return s
}

func (s *script) line(format string, args ...any) { fmt.Fprintf(s, format+"\n", args...) }

// add writes an action that is about to happen in a world.
func (s *script) add(e *explorer, w *world, a action) {
	n, id := e.nodes[w.nodes[a.node]], a.node+1
	if a.hold {
		s.line("disk n%d manual", id)
	}
	switch a.kind {
	case deliver:
		m := e.messages[a.arg]
		words := fmt.Sprintf("n%d→n%d %s first", m.From, m.To, selecting(m))
		if a.again {
			s.line("dup %s", strings.TrimSuffix(words, " first"))
		}
		s.line("deliver %s", words)
	case timeout:
		if n.leads() || n.status.Role == raft.Candidate {
			// What it says while its time passes is lost, before anything else is sent.
			s.line("hold n%d→", id)
			s.line("timeout n%d", id)
			s.line("drop n%d→", id)
			s.line("release n%d→", id)
		}
		s.line("step n%d@%d → n%d TimeoutNow", id%maxNodes+1, n.term(), id)
	case write:
		s.line("persist n%d %d", id, n.writes[0].Seq)
		if len(n.writes) == 1 {
			s.line("disk n%d auto", id)
		}
	case crash:
		if a.arg > 0 {
			s.line("write n%d %d", id, n.writes[a.arg-1].Seq)
		}
		s.line("crash n%d", id)
		if n.late {
			s.line("disk n%d auto", id)
		}
		s.line("restart n%d", id)
	case propose:
		s.line("propose n%d x", id)
	case add, remove, replace:
		s.line("members n%d %v", id, raft.Members{Voters: a.wanted(n.status.Members.Voters)})
	case snapshot:
		s.line("compact n%d", id)
	}
}

// selecting is a message's body in the words by which a script selects it.
func selecting(m raft.Message) string {
	_, words, _ := strings.Cut(oneLine(m.String()), fmt.Sprintf("→ n%d ", m.To))
	return strings.Join(strings.FieldsFunc(words, func(c rune) bool {
		return strings.ContainsRune(" []{}", c)
	}), " ")
}
