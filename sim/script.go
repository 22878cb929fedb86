package sim

import (
	"fmt"
	"slices"
	"strings"

	"drystone/raft"
	"drystone/replica"
)

// Script runs a world, and writes down what happened to its consensus in the commands of raft's
// golden scripts: each core is given the messages that it got, in the order in which it got them,
// is asked what it was asked, loses what its disk lost. docs/simulator.md says what is left out.
// A run that ends well is told up to its last fault, one that breaks a property to its end.
func Script(o Options) (string, Report) {
	o = o.withDefaults()
	kind := o.Engine
	rec := &recording{nodes: map[raft.NodeID]*recorded{}}
	o.Engine = replica.EngineKind{
		Name: kind.Name,
		New: func(c raft.Config, d raft.Restored) replica.Engine {
			return rec.start(kind.New(c, d), c.ID, &d)
		},
	}
	rec.world = newWorld(o)
	r := rec.world.report()
	r.Options.Engine = kind
	return rec.text(&r), r
}

// recording gathers commands.
type recording struct {
	world   *world
	nodes   map[raft.NodeID]*recorded
	lines   []command
	healed  bool
	stopped string // why nothing more can be told; "" while all can
	final   string // what is expected at the end
}

// command is a line of a script, with what stands before it.
type command struct {
	before string
	text   string
}

// recorded is a node's core and the ear at it.
type recorded struct {
	replica.Engine
	rec  *recording
	id   raft.NodeID
	was  raft.Status
	up   bool
	disk mirror // what is durable
	log  mirror // what was handed to the disk

	writes []write // handed out and not known to be durable
}

// write is one, and the line from which it came.
type write struct {
	raft.Append
	line int
}

// start is told of a core that starts, with what it found on its disk.
func (rec *recording) start(e replica.Engine, id raft.NodeID, d *raft.Restored) replica.Engine {
	n, again := rec.nodes[id]
	if !again {
		n = &recorded{rec: rec, id: id}
		rec.nodes[id] = n
		if int(id) > rec.world.plan.nodes {
			rec.stop(fmt.Sprintf("n%d joins the cluster", id))
		}
	} else {
		n.restart(d)
	}
	n.Engine, n.up, n.writes = e, true, nil
	n.was = e.Status()
	return n
}

func (rec *recording) stop(why string) {
	if rec.stopped == "" {
		rec.settle()
		rec.stopped = why
	}
}

// add writes a command, unless the script has come to its end, behind the crashes since the last.
func (rec *recording) add(format string, args ...any) {
	if !rec.open() {
		return
	}
	for id := raft.NodeID(1); int(id) <= rec.world.plan.nodes; id++ {
		if n := rec.nodes[id]; n != nil && n.up && !n.alive() {
			n.up = false
			rec.lines = append(rec.lines, command{text: fmt.Sprintf("crash n%d", id)})
		}
	}
	rec.lines = append(rec.lines, command{text: fmt.Sprintf(format, args...)})
}

// open says whether the script goes on. A run that ends well is of no interest once its faults are
// over; whether it does shows later, so everything is kept and this point is noted.
func (rec *recording) open() bool {
	if rec.world.healing && !rec.healed && rec.stopped == "" {
		rec.healed = true
		rec.settle()
		rec.lines = append(rec.lines, command{text: endOfFaults})
	}
	return rec.stopped == ""
}

const endOfFaults = "# no more faults"

// settle notes the logs as they are now.
func (rec *recording) settle() {
	var b strings.Builder
	for id := raft.NodeID(1); int(id) <= rec.world.plan.nodes; id++ {
		n := rec.nodes[id]
		if n == nil || !n.alive() {
			continue
		}
		fmt.Fprintf(&b, "# n%d: %s\n", id, logWords(&n.log))
	}
	rec.final = b.String()
}

func (n *recorded) alive() bool {
	for _, h := range n.rec.world.hosts {
		if h.core == replica.Engine(n) {
			return true
		}
	}
	return false
}

// logWords is a log as scripts print it.
func logWords(m *mirror) string {
	var parts []string
	for i := 0; i < len(m.terms); {
		j := i
		for j+1 < len(m.terms) && m.terms[j+1] == m.terms[i] {
			j++
		}
		first, last := int(m.base)+i+1, int(m.base)+j+1
		if first == last {
			parts = append(parts, fmt.Sprintf("%d@%d", first, m.terms[i]))
		} else {
			parts = append(parts, fmt.Sprintf("%d..%d@%d", first, last, m.terms[i]))
		}
		i = j + 1
	}
	if len(parts) == 0 {
		return "empty"
	}
	return strings.Join(parts, " ")
}

// restart tells a crash. Writes that were lost are withheld from the script's disk from the command
// on that made the first of them.
func (n *recorded) restart(d *raft.Restored) {
	kept := 0
	found := n.disk.copy()
	for ; kept < len(n.writes) && !found.is(d); kept++ {
		found.apply(&n.writes[kept].Append)
	}
	lost := n.writes[kept:]
	if !found.is(d) {
		n.rec.stop(fmt.Sprintf("n%d comes back with another disk", n.id))
	}
	if len(lost) > 0 && lost[0].line >= 0 && n.rec.open() {
		n.rec.lines[lost[0].line].before += fmt.Sprintf("disk n%d manual\n", n.id)
	}
	if len(lost) > 0 {
		n.rec.add("disk n%d auto", n.id)
	}
	n.rec.add("restart n%d", n.id)
	n.disk, n.log = found, found.copy()
}

// is says whether a disk was found so.
func (m *mirror) is(d *raft.Restored) bool {
	if m.hard != d.Hard || m.last() != lastOf(d) {
		return false
	}
	for i := range d.Entries {
		term, ok := m.term(d.Entries[i].Index)
		if ok && d.Entries[i].Index > m.base && term != d.Entries[i].Term {
			return false
		}
	}
	return true
}

// moved notes what an input came to, and tells of a candidacy: in scripts a node stands because it
// is told to, at the moment at which it stood in the run.
func (n *recorded) moved(timer bool) (now raft.Status, changed bool) {
	was := n.was
	now = n.Engine.Status()
	n.was = now
	changed = was.Hard != now.Hard || was.Role != now.Role || was.Commit != now.Commit ||
		was.LastIndex != now.LastIndex || was.LastTerm != now.LastTerm
	stands := now.Role == raft.Candidate || now.Role == raft.Leader
	switch {
	case stands && now.Hard.CurrentTerm != was.Hard.CurrentTerm:
		if was.Role == raft.Candidate || was.Role == raft.Leader {
			n.rec.add("(timeout n%d)", n.id)
		}
		n.rec.add("step n%d@%d → n%d TimeoutNow", n.another(), was.Hard.CurrentTerm, n.id)
	case timer && !stands && (was.Role == raft.Candidate || was.Role == raft.Leader):
		n.rec.add("(timeout n%d)", n.id)
	}
	return now, changed
}

func (n *recorded) another() raft.NodeID {
	return n.id%raft.NodeID(max(2, n.rec.world.plan.nodes)) + 1
}

func (n *recorded) Tick() {
	n.Engine.Tick()
	n.moved(true)
}

func (n *recorded) Step(m raft.Message) {
	was := n.was
	if told := m.Body == (raft.TimeoutNow{}); told && was.Role != raft.Leader {
		n.rec.add("%s", stepOf(&m))
		n.Engine.Step(m)
		n.was = n.Engine.Status()
		return
	}
	at := len(n.rec.lines)
	n.Engine.Step(m)
	now, changed := n.moved(false)
	if len(n.rec.lines) > at || !tells(&m, &was, &now, changed) {
		return // it stands because of a pre-vote; or nothing would be missed
	}
	if a, ok := m.Body.(raft.AppendEntries); ok &&
		slices.ContainsFunc(a.Entries, func(e raft.Entry) bool { return e.Kind == raft.EntryConfig }) {
		n.rec.stop("the members change")
	}
	n.rec.add("%s", stepOf(&m))
}

// tells says whether a message matters to a script.
func tells(m *raft.Message, was, now *raft.Status, changed bool) bool {
	switch b := m.Body.(type) {
	case raft.RequestVote:
		// One that was not looked at, because a leader is heard, would be in a script.
		return !b.PreVote && (changed || m.Term <= was.Hard.CurrentTerm)
	case raft.VoteReply:
		return !b.PreVote && (changed || was.Role == raft.Candidate) ||
			now.Hard.CurrentTerm != was.Hard.CurrentTerm
	case raft.AppendEntries:
		return changed || len(b.Entries) > 0
	case raft.Heartbeat, raft.HeartbeatReply:
		return changed
	case raft.AppendReply, raft.SnapshotReply:
		return changed || was.Role == raft.Leader
	}
	return true
}

// stepOf is the command that delivers a message. Votes are asked for as on a leader's word: nobody
// then refuses because it hears one.
func stepOf(m *raft.Message) string {
	words := strings.Join(strings.Fields(m.String()), " ")
	switch b := m.Body.(type) {
	case raft.RequestVote:
		if !b.Transfer {
			words = strings.Replace(words, "RequestVote ", "RequestVote transfer ", 1)
		}
	case raft.AppendEntries: // all of them, where a trace has the first and the last
		head, rest, _ := strings.Cut(words, "[")
		_, tail, _ := strings.Cut(rest, "]")
		var entries []string
		for _, e := range b.Entries {
			entries = append(entries, fmt.Sprintf("%d@%d", e.Index, e.Term))
		}
		words = head + "[" + strings.Join(entries, " ") + "]" + tail
	}
	return "step " + words
}

func (n *recorded) Propose(entry []byte) error {
	err := n.Engine.Propose(entry)
	if err == nil {
		n.rec.add("propose n%d x", n.id)
	}
	n.moved(false)
	return err
}

func (n *recorded) Reconfigure(to raft.Members) error {
	err := n.Engine.Reconfigure(to)
	if err == nil {
		n.rec.stop("the members change")
	}
	n.moved(false)
	return err
}

func (n *recorded) Transfer(to raft.NodeID) error {
	err := n.Engine.Transfer(to)
	if err == nil {
		n.rec.add("transfer n%d n%d", n.id, to)
	}
	n.moved(false)
	return err
}

func (n *recorded) Compact(meta raft.SnapshotMeta) {
	n.rec.add("compact n%d %d@%d", n.id, meta.LastIncludedIndex, meta.LastIncludedTerm)
	n.Engine.Compact(meta)
	n.moved(false)
}

func (n *recorded) Persisted(seq uint64) {
	for len(n.writes) > 0 && n.writes[0].Seq <= seq {
		n.disk.apply(&n.writes[0].Append)
		n.writes = n.writes[1:]
	}
	n.Engine.Persisted(seq)
	n.moved(false)
}

func (n *recorded) Ready() (raft.Ready, bool) {
	rd, more := n.Engine.Ready()
	if rd.Append.Seq != 0 {
		n.writes = append(n.writes, write{rd.Append, n.lastLine()})
		n.log.apply(&rd.Append)
	}
	return rd, more
}

// lastLine is the last command that this node got.
func (n *recorded) lastLine() int {
	name := fmt.Sprintf("n%d", n.id)
	for i := len(n.rec.lines) - 1; i >= 0; i-- {
		words := strings.Fields(n.rec.lines[i].text)
		if words[0] == "step" && words[3] == name || len(words) > 1 && words[1] == name {
			return i
		}
	}
	return -1
}

// text is the whole script.
func (rec *recording) text(r *Report) string {
	lines, why := rec.lines, "its faults are over"
	switch {
	case r.OK():
		if i := slices.IndexFunc(lines, func(c command) bool { return c.text == endOfFaults }); i >= 0 {
			lines = lines[:i]
		}
	default:
		rec.stop("")
		why = "it breaks " + r.Property
	}
	if rec.stopped != "" {
		why = rec.stopped
	}
	var b strings.Builder
	what := fmt.Sprintf("Seed %d", r.Options.Seed)
	if rec.world.story != nil {
		what = rec.world.story.title
	}
	comment(&b, what)
	comment(&b, "A run of the simulator (Figure 2, message by message): each node is given what "+
		"it got then.")
	comment(&b, strings.TrimSuffix(r.Replay(), " --trace")+" --script")
	comment(&b, "It ends where "+why+". The logs then:")
	fmt.Fprintf(&b, "%s\n", rec.final)
	fmt.Fprintf(&b, "cluster nodes=%d trailing=%d\n", rec.world.plan.nodes, 1<<20)
	for _, c := range lines {
		b.WriteString(c.before + c.text + "\n")
	}
	var up []string
	for id := raft.NodeID(1); int(id) <= rec.world.plan.nodes; id++ {
		if strings.Contains(rec.final, fmt.Sprintf("# n%d:", id)) {
			up = append(up, fmt.Sprintf("n%d", id))
		}
	}
	if len(up) > 0 {
		fmt.Fprintf(&b, "log %s\n", strings.Join(up, ","))
	}
	b.WriteString("----\n")
	return b.String()
}

// comment writes a comment of no more columns than scripts have.
func comment(b *strings.Builder, text string) {
	const columns = 98
	line := "#"
	for word := range strings.SplitSeq(text, " ") {
		if len(line)+1+len(word) > columns {
			b.WriteString(line + "\n")
			line = "#"
		}
		line += " " + word
	}
	b.WriteString(line + "\n")
}
