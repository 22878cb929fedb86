package explore

import (
	"fmt"
	"slices"

	"drystone/raft"
)

// kind is what can happen to a node.
type kind uint8

const (
	deliver  kind = iota // arg: the message
	timeout              // its timer fires
	write                // the oldest write is done
	crash                // and restart; arg: how many of the writes under way are on disk
	propose              // a command
	add                  // arg: a voter
	remove               // arg: a voter
	replace              // arg: a voter to remove, and maxNodes+1 times one to add
	snapshot             // of all that is applied
)

// input is what one node is given.
type input struct {
	kind kind
	arg  int
}

// action is an input at a node. With hold the write that follows from it is late; with again the
// message delivered stays under way.
type action struct {
	node int
	input
	hold, again bool
}

// costs is what an action uses up of the bounds.
func (a action) costs(u used) used {
	switch a.kind {
	case timeout:
		u[elections]++
	case crash:
		u[crashes]++
	case propose:
		u[entries]++
	case add:
		u[adds]++
	case remove:
		u[removes]++
	case replace:
		u[adds]++
		u[removes]++
	case snapshot:
		u[snapshots]++
	}
	if a.hold {
		u[stalls]++
	}
	if a.again {
		u[duplicates]++
	}
	return u
}

func (u used) within(limits used) bool {
	for i := range u {
		if u[i] > limits[i] {
			return false
		}
	}
	return true
}

// wanted is the voters that a change of members asks for.
func (in input) wanted(voters []raft.NodeID) (wanted []raft.NodeID) {
	arg := raft.NodeID(in.arg)
	for _, id := range voters {
		if !(in.kind == remove && id == arg || in.kind == replace && id == arg%(maxNodes+1)) {
			wanted = append(wanted, id)
		}
	}
	switch in.kind {
	case add:
		wanted = append(wanted, arg)
	case replace:
		wanted = append(wanted, arg/(maxNodes+1))
	}
	slices.Sort(wanted)
	return wanted
}

// actions are all that may be tried in a world, in a fixed order.
func (e *explorer) actions(w *world, all []action) []action {
	all = all[:0]
	try := func(a action) {
		if !a.costs(w.used).within(e.limits) {
			return
		}
		all = append(all, a)
		if a.hold = true; !e.nodes[w.nodes[a.node]].late && a.costs(w.used).within(e.limits) {
			all = append(all, a)
		}
	}
	for i, id := range w.bag {
		if i > 0 && w.bag[i-1] == id {
			continue // one of several equal ones
		}
		to := int(e.messages[id].To) - 1
		try(action{node: to, input: input{deliver, int(id)}})
		try(action{node: to, input: input{deliver, int(id)}, again: true})
	}
	for i := range e.bounds.nodes() {
		n := e.nodes[w.nodes[i]]
		if n.late {
			all = append(all, action{node: i, input: input{kind: write}})
		}
		try(action{node: i, input: input{kind: timeout}})
		for keep := range len(n.writes) + 1 {
			if a := (action{node: i, input: input{crash, keep}}); a.costs(w.used).within(e.limits) {
				all = append(all, a)
			}
		}
		try(action{node: i, input: input{kind: snapshot}})
		if !n.leads() {
			continue
		}
		try(action{node: i, input: input{kind: propose}})
		for j := range e.bounds.nodes() {
			in := raft.NodeID(j + 1)
			if n.status.Members.IsVoter(in) {
				try(action{node: i, input: input{remove, j + 1}})
				continue
			}
			try(action{node: i, input: input{add, j + 1}})
			for _, out := range n.status.Members.Voters {
				try(action{node: i, input: input{replace, int(in)*(maxNodes+1) + int(out)}})
			}
		}
	}
	return all
}

// describe says what an action is, in a line.
func (e *explorer) describe(a action) string {
	text := ""
	switch a.kind {
	case deliver:
		text = "arrives: " + oneLine(e.messages[a.arg].String())
		if a.again {
			text += ", and again later"
		}
	case timeout:
		text = "stands: its timer has fired"
	case write:
		text = "its disk has done the oldest write"
	case crash:
		text = "crashes, and starts again"
		if a.arg > 0 {
			text = fmt.Sprintf("crashes with %d of its writes done, and starts again", a.arg)
		}
	case propose:
		text = "is given a command"
	case add:
		text = fmt.Sprintf("is asked to add n%d", a.arg)
	case remove:
		text = fmt.Sprintf("is asked to remove n%d", a.arg)
	case replace:
		text = fmt.Sprintf("is asked to replace n%d by n%d", a.arg%(maxNodes+1),
			a.arg/(maxNodes+1))
	case snapshot:
		text = "takes a snapshot"
	}
	if a.hold {
		text += "; from here on its disk is late"
	}
	return fmt.Sprintf("n%d %s", a.node+1, text)
}
