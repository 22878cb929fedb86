package main

import (
	"reflect"
	"strings"
	"testing"
)

// written is a mutant as a file has it.
func (m *mutant) written() string {
	var b strings.Builder
	b.WriteString("id: " + m.id + "\ntitle: " + m.title + "\nsource: " + m.source + "\nbreaks: " +
		m.breaks + "\ncaught by: " + m.caught + "\n")
	for _, h := range m.hunks {
		b.WriteString("\n--- " + h.file + "\n" + h.old + "+++\n" + h.new)
	}
	return b.String()
}

// FuzzParse: a mutant that is taken has all its fields and changes something, and is the same when
// written anew.
func FuzzParse(f *testing.F) {
	const head = "id: A1\ntitle: t\nsource: s\nbreaks: b\ncaught by: c: d\n"
	for _, text := range []string{
		head + "\n--- raft/a.go\nold\n+++\nnew\n\n--- raft/b.go\nold\n+++\n", head,
		head + "\n--- raft/a.go\n+++\nnew\n", head + "id: A2\n\n--- f\na\n+++\n", "\n--- f\na\n+++\n",
		head + "\n--- f\na\n+++\n+++\nb\n\n\n",
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		m, err := parse(text)
		if err != nil {
			return
		}
		if m.id == "" || m.caught == "" || len(m.hunks) == 0 || m.hunks[0].old == "" {
			t.Errorf("%q is read as %+v", text, m)
		}
		for _, h := range m.hunks {
			if !strings.Contains(text, h.old+"+++\n"+strings.TrimRight(h.new, "\n")) {
				t.Errorf("%q does not say %+v", text, h)
			}
		}
		again, err := parse(m.written())
		if err != nil || !reflect.DeepEqual(again, m) {
			t.Errorf("%+v is written as %q, and read as %+v, %v", m, m.written(), again, err)
		}
	})
}
