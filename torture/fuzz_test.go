package torture

import (
	"bytes"
	"net/http"
	"testing"

	"drystone/torture/history"
)

// FuzzUnderstand takes anything for an answer: what is noted of it can be read back as it was
// noted.
func FuzzUnderstand(f *testing.F) {
	f.Add(uint8(0), uint16(200), "7", `{"size":1,"index":7}`)
	f.Add(uint8(1), uint16(200), "7", `{"values":["a"],"empty":false,"size":0}`)
	f.Add(uint8(2), uint16(200), "x", `{"value":null,"empty":true,"size":-1}`)
	f.Add(uint8(3), uint16(404), "", `{"code":"no_such_stack","outcome":"not_applied"}`)
	f.Add(uint8(0), uint16(504), "", `{"code":"outcome_unknown","outcome":"unknown"}`)
	f.Add(uint8(0), uint16(400), "", `{"code":"later","outcome":"perhaps"}`)
	f.Add(uint8(1), uint16(502), "", `<html>`)
	ops := []history.Op{
		{Op: history.Push, Args: history.Args{Stack: "s", Values: []string{"a"}}, Key: "k"},
		{Op: history.Pop, Args: history.Args{Stack: "s", Count: 1}, Key: "k"},
		{Op: history.Top, Args: history.Args{Stack: "s"}},
		{Op: history.Size, Args: history.Args{Stack: "s"}},
	}
	f.Fuzz(func(t *testing.T, kind uint8, status uint16, index, body string) {
		op := ops[int(kind)%len(ops)]
		reply := &http.Response{StatusCode: int(status), Header: http.Header{}}
		reply.Header.Set("Drystone-Index", index)
		understand(&op, reply, []byte(body))
		var b bytes.Buffer
		w := history.NewWriter(&b, history.Header{})
		w.Op(op)
		if err := w.End(1, false); err != nil {
			t.Fatal(err)
		}
		h, err := history.Read(&b)
		if err != nil || len(h.Ops) != 1 || h.Ops[0].Outcome != op.Outcome {
			t.Errorf("%d %q is noted as %+v, and read as %v", status, body, op, err)
		}
	})
}
