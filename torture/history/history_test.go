package history

import (
	"bytes"
	"errors"
	"reflect"
	"strings"
	"testing"
)

// small is a history with a line of each kind.
func small() *History {
	return &History{
		Header: Header{Type: "header", Format: Version, Version: "v", Seed: 7, Nodes: 5, Clients: 2,
			Engine: "native", Began: "2026-01-02T03:04:05Z", Flags: map[string]string{"for": "5s"}},
		Ops: []Op{
			{Type: "op", Client: 1, Op: Push, Args: Args{Stack: "s", Values: []string{"a", "<b>"}},
				CallNs: 1, ReturnNs: 5, Outcome: Applied, Key: "k", Node: 2,
				Result: &Result{Size: 2, Index: 9}},
			{Type: "op", Op: Pop, Args: Args{Stack: "s", Count: 1}, CallNs: 2, ReturnNs: 2,
				Outcome: Unknown, Code: "no_answer", Node: 1},
			{Type: "op", Op: Size, Args: Args{Stack: "t"}, CallNs: 3, ReturnNs: 4, Outcome: Applied,
				Code: NoSuchStack, Node: 1},
		},
		Faults: []Fault{{Type: "fault", Class: "kill", Detail: "node 1", FromNs: 2, ToNs: 4}},
		End:    End{Type: "end", Ops: 3, Faults: 1, AtNs: 10},
	}
}

func written(t testing.TB, h *History) []byte {
	var b bytes.Buffer
	w := NewWriter(&b, h.Header)
	for _, op := range h.Ops {
		w.Op(op)
	}
	for _, f := range h.Faults {
		w.Fault(f)
	}
	if err := w.End(h.End.AtNs, h.End.Interrupted); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestReadsWhatIsWritten(t *testing.T) {
	want := small()
	got, err := Read(bytes.NewReader(written(t, want)))
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%+v, want %+v", got, want)
	}
}

// TestEveryCutIsSeen: no beginning of a history is a history.
func TestEveryCutIsSeen(t *testing.T) {
	whole := bytes.TrimSuffix(written(t, small()), []byte("\n"))
	for n := range whole {
		var bad *Error
		if _, err := Read(bytes.NewReader(whole[:n])); !errors.As(err, &bad) {
			t.Fatalf("the first %d bytes: %v", n, err)
		}
	}
}

func TestNamesTheLine(t *testing.T) {
	text := string(written(t, small()))
	for _, x := range []struct {
		old, new string
		line     int
		words    string
	}{
		{`"format":1`, `"format":2`, 1, "format 2"},
		{`{"type":"header"`, `{"type":"op"`, 1, "no header"},
		{`"op":"push"`, `"op":"shove"`, 2, `no operation "shove"`},
		{`"outcome":"applied"`, `"outcome":"perhaps"`, 2, `no outcome "perhaps"`},
		{`"call_ns":1,`, `"call_ns":6,`, 2, "returns at 5"},
		{`"values":["a","<b>"]`, `"values":[]`, 2, "no values"},
		{`,"result":{"size":2,"index":9}`, ``, 2, "has a result: false"},
		{`"key":"k"`, `"kee":"k"`, 2, `unknown field "kee"`},
		{`"count":1`, `"count":0`, 3, "takes 0 items"},
		{`"outcome":"unknown"`, `garbage`, 3, "not an object of JSON"},
		{`"stack":"t"`, `"stack":""`, 4, "names no stack"},
		{`"to_ns":4`, `"to_ns":1`, 5, "lasts from 2 to 1"},
		{`"type":"fault"`, `"type":"fate"`, 5, `type "fate"`},
		{`"ops":3`, `"ops":4`, 6, "lines are missing"},
		{`"at_ns":10}`, `"at_ns":10}` + "\n{}", 7, "follows the last line"},
	} {
		damaged := strings.Replace(text, x.old, x.new, 1)
		if damaged == text {
			t.Fatalf("%s is not in the history:\n%s", x.old, text)
		}
		var bad *Error
		_, err := Read(strings.NewReader(damaged))
		if !errors.As(err, &bad) || bad.Line != x.line || !strings.Contains(bad.Text, x.words) {
			t.Errorf("%s for %s: %v; want line %d: …%s…", x.new, x.old, err, x.line, x.words)
		}
	}
}

// FuzzRead: no bytes stop the reader, and what it takes it takes again when written anew.
func FuzzRead(f *testing.F) {
	whole := written(f, small())
	f.Add(whole)
	f.Add(whole[:len(whole)/2])
	for _, line := range bytes.SplitAfter(whole, []byte("\n")) {
		f.Add(line)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		h, err := Read(bytes.NewReader(b))
		if err != nil {
			return
		}
		again, err := Read(bytes.NewReader(written(t, h)))
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(written(t, h), written(t, again)) {
			t.Errorf("%+v becomes %+v", h, again)
		}
	})
}
