package raft

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// What scripts say in the words of format.go: nodes n1, positions 2@1, logs 1..3@1,4@2, messages.

// fields splits at spaces, but not within parentheses, and leaves those of a value out.
func fields(line string) (words []string, err error) {
	depth, word := 0, ""
	for _, c := range line + " " {
		switch {
		case c == '(' && depth == 0, c == ')' && depth == 1:
			depth = 1 - depth
		case c == ' ' && depth == 0:
			if word != "" {
				words = append(words, word)
			}
			word = ""
		default:
			word += string(c)
		}
	}
	if depth != 0 || len(words) == 0 {
		return nil, fmt.Errorf("cannot read %q", line)
	}
	return words, nil
}

func parseNumber(s string) (uint64, error) { return strconv.ParseUint(s, 10, 64) }

func parseNode(s string) (NodeID, error) {
	digits, ok := strings.CutPrefix(s, "n")
	n, err := parseNumber(digits)
	if !ok || err != nil {
		return 0, fmt.Errorf("%q is not a node, like n1", s)
	}
	return NodeID(n), nil
}

func parseNodes(s string) (ids []NodeID, err error) {
	for part := range strings.SplitSeq(s, ",") {
		id, err := parseNode(part)
		if err != nil {
			return nil, err
		}
		ids = append(ids, id)
	}
	return ids, nil
}

func parsePosition(s string) (p Position, err error) {
	i, t, ok := strings.Cut(s, "@")
	index, errI := parseNumber(i)
	term, errT := parseNumber(t)
	if !ok || errI != nil || errT != nil {
		return p, fmt.Errorf("%q is not a position, like 2@1", s)
	}
	return Position{Index(index), Term(term)}, nil
}

// parseLog reads entries: positions, and runs of them like 1..3@1, with commas between.
func parseLog(s string) (entries []Entry, err error) {
	for part := range strings.SplitSeq(s, ",") {
		first, rest, run := strings.Cut(part, "..")
		if !run {
			rest = first
		}
		index, _, _ := strings.Cut(first, "@")
		from, err := parseNumber(index)
		if err != nil {
			return nil, err
		}
		last, err := parsePosition(rest)
		if err != nil {
			return nil, err
		}
		for i := Index(from); i <= last.Index; i++ {
			entries = append(entries, Entry{Index: i, Term: last.Term})
		}
	}
	return entries, nil
}

// formatLog is parseLog's inverse, with spaces between.
func formatLog(entries []Entry) string {
	var parts []string
	for i := 0; i < len(entries); {
		j := i
		for j+1 < len(entries) && entries[j+1].Term == entries[i].Term {
			j++
		}
		if i == j {
			parts = append(parts, entries[i].position().String())
		} else {
			parts = append(parts, fmt.Sprintf("%d..%v", entries[i].Index, entries[j].position()))
		}
		i = j + 1
	}
	return strings.Join(parts, " ")
}

func parseMembers(s string) (m Members, err error) {
	list := func(s string) (ids []NodeID) {
		for _, f := range strings.Fields(s) {
			n, e := parseNumber(f)
			ids, err = append(ids, NodeID(n)), errors.Join(err, e)
		}
		return ids
	}
	s, learners, _ := strings.Cut(strings.Trim(s, "{}"), "+")
	voters, next, _ := strings.Cut(s, "→")
	m = Members{Voters: list(voters), Next: list(next), Learners: list(learners)}
	return m, err
}

// parseMessage reads a message as format.go writes it: n1@4 → n2 AppendEntries prev=1@1 [2@2] ….
func parseMessage(line string) (m Message, err error) {
	words := strings.Fields(line)
	if len(words) < 4 || words[1] != "→" {
		return m, fmt.Errorf("%q is not a message, like n1@4 → n2 TimeoutNow", line)
	}
	from, term, _ := strings.Cut(words[0], "@")
	t, errT := parseNumber(term)
	m.Term = Term(t)
	var errF, errTo, errB error
	m.From, errF = parseNode(from)
	m.To, errTo = parseNode(words[2])
	m.Body, errB = parseBody(words[3], words[4:])
	return m, errors.Join(errT, errF, errTo, errB)
}

// bodyWords are the words of a body: marks that stand alone, values behind =, and what is left.
type bodyWords struct {
	marks  []string
	values map[string]string
	rest   []string
	err    error
}

func (w *bodyWords) number(key string) uint64 {
	if w.values[key] == "" {
		return 0
	}
	n, err := parseNumber(w.values[key])
	w.err = errors.Join(w.err, err)
	return n
}

func (w *bodyWords) index(key string) Index { return Index(w.number(key)) }

func (w *bodyWords) position(key string) Position {
	p, err := parsePosition(w.values[key])
	w.err = errors.Join(w.err, err)
	return p
}

func (w *bodyWords) marked(mark string) bool { return slices.Contains(w.marks, mark) }

func (w *bodyWords) log() []Entry {
	list := strings.Trim(strings.Join(w.rest, ","), "[]")
	if list == "" {
		return nil
	}
	entries, err := parseLog(list)
	w.err = errors.Join(w.err, err)
	return entries
}

func (w *bodyWords) meta() SnapshotMeta {
	if len(w.rest) < 2 {
		w.err = errors.Join(w.err, errors.New("a snapshot is like 5@2 {1 2 3}"))
		return SnapshotMeta{}
	}
	p, errP := parsePosition(w.rest[0])
	m, errM := parseMembers(strings.Join(w.rest[1:], " "))
	w.err = errors.Join(w.err, errP, errM)
	return SnapshotMeta{p.Index, p.Term, m}
}

func parseBody(kind string, words []string) (Body, error) {
	w := &bodyWords{values: map[string]string{}}
	for _, word := range words {
		if key, value, ok := strings.Cut(word, "="); ok {
			w.values[key] = value
		} else if slices.Contains([]string{"granted", "refused", "transfer"}, word) {
			w.marks = append(w.marks, word)
		} else {
			w.rest = append(w.rest, word)
		}
	}
	body := w.body(kind)
	if body == nil {
		w.err = errors.Join(w.err, fmt.Errorf("there is no message %q", kind))
	}
	return body, w.err
}

func (w *bodyWords) body(kind string) Body {
	switch kind {
	case "RequestVote", "PreVote":
		p := w.position("last")
		return RequestVote{p.Index, p.Term, kind == "PreVote", w.marked("transfer")}
	case "VoteReply", "PreVoteReply":
		return VoteReply{Granted: w.marked("granted"), PreVote: kind == "PreVoteReply"}
	case "AppendEntries":
		p := w.position("prev")
		return AppendEntries{p.Index, p.Term, w.log(), w.index("commit")}
	case "AppendReply":
		if w.marked("refused") {
			h := w.position("hint")
			return AppendReply{PrevLogIndex: w.index("prev"), HintIndex: h.Index, HintTerm: h.Term}
		}
		return AppendReply{Success: true, MatchIndex: w.index("match")}
	case "Heartbeat":
		return Heartbeat{Commit: w.index("commit"), Read: w.number("read")}
	case "HeartbeatReply":
		return HeartbeatReply{w.number("read")}
	case "InstallSnapshot":
		return InstallSnapshot{w.meta()}
	case "SnapshotReply":
		return SnapshotReply{w.index("match")}
	case "TimeoutNow":
		return TimeoutNow{}
	}
	return nil
}

// TestMessagesReadBack checks that a trace loses nothing of a message but data: what format.go
// writes, parseMessage reads.
func TestMessagesReadBack(t *testing.T) {
	for _, line := range []string{
		"n1@4 → n2 RequestVote last=3@2", "n1@4 → n2 RequestVote transfer last=3@2",
		"n1@4 → n2 PreVote last=0@0", "n2@4 → n1 VoteReply granted", "n2@4 → n1 VoteReply refused",
		"n2@4 → n1 PreVoteReply granted", "n2@4 → n1 PreVoteReply refused",
		"n1@4 → n2 AppendEntries prev=1@1 [2@2 3@4] commit=1",
		"n1@4 → n2 AppendEntries prev=1@1 [] commit=0",
		"n1@4 → n2 AppendEntries prev=1@1 [2@2..9@2] commit=1",
		"n2@4 → n1 AppendReply match=7", "n2@4 → n1 AppendReply refused prev=7 hint=3@2",
		"n1@4 → n2 Heartbeat commit=3", "n1@4 → n2 Heartbeat commit=3 read=9",
		"n2@4 → n1 HeartbeatReply", "n2@4 → n1 HeartbeatReply read=9",
		"n1@4 → n2 InstallSnapshot 5@2 {1 2 3}", "n1@4 → n2 InstallSnapshot 5@2 {1 2 → 1 3 + 4 5}",
		"n2@4 → n1 SnapshotReply match=5", "n1@4 → n2 TimeoutNow",
	} {
		m, err := parseMessage(line)
		if err != nil {
			t.Errorf("%s: %v", line, err)
			continue
		}
		if got := strings.Join(strings.Fields(m.String()), " "); got != line {
			t.Errorf("%s\nis read as\n%s", line, got)
		}
	}
}
