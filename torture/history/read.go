package history

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
)

// lineMax bounds a line: it is read from anybody.
const lineMax = 16 << 20

// Error is why a file is no history.
type Error struct {
	Line int    // from 1
	Text string // a sentence without a full stop
}

func (e *Error) Error() string { return fmt.Sprintf("line %d: %s", e.Line, e.Text) }

// Read reads a whole history. An *Error says what is wrong with it; any other error is of in.
func Read(in io.Reader) (*History, error) {
	lines := bufio.NewScanner(in)
	lines.Buffer(nil, lineMax)
	h := &History{}
	n := 0
	for lines.Scan() {
		n++
		if h.End.Type != "" {
			return nil, &Error{n, "something follows the last line"}
		}
		if text := h.add(lines.Bytes(), n == 1); text != "" {
			return nil, &Error{n, text}
		}
	}
	switch err := lines.Err(); {
	case errors.Is(err, bufio.ErrTooLong):
		return nil, &Error{n + 1, fmt.Sprintf("is longer than %d MiB", lineMax>>20)}
	case err != nil:
		return nil, err
	case n == 0:
		return nil, &Error{1, "the file is empty"}
	case h.End.Type == "":
		return nil, &Error{n, "is the last, and the line that ends a history is missing: the run " +
			"was cut off, or the file is cut short"}
	}
	return h, nil
}

// add reads a line, and says what is wrong with it; "" if nothing is.
func (h *History) add(line []byte, first bool) string {
	var head struct {
		Type string `json:"type"`
	}
	if err := json.Unmarshal(line, &head); err != nil {
		return "is not an object of JSON: " + lineWords(line)
	}
	if first != (head.Type == "header") {
		if first {
			return "is no header: this is not the beginning of a history"
		}
		return "is a second header"
	}
	switch head.Type {
	case "header":
		return h.addHeader(line)
	case "op":
		var op Op
		if text := strictly(line, &op); text != "" {
			return text
		}
		if text := op.wrong(); text != "" {
			return text
		}
		h.Ops = append(h.Ops, op)
	case "fault":
		var f Fault
		if text := strictly(line, &f); text != "" {
			return text
		}
		if f.FromNs < 0 || f.ToNs < f.FromNs {
			return fmt.Sprintf("a fault lasts from %d to %d", f.FromNs, f.ToNs)
		}
		h.Faults = append(h.Faults, f)
	case "end":
		if text := strictly(line, &h.End); text != "" {
			return text
		}
		if h.End.Ops != len(h.Ops) || h.End.Faults != len(h.Faults) {
			return fmt.Sprintf("counts %d operations and %d faults, and %d and %d are there: lines "+
				"are missing or were added", h.End.Ops, h.End.Faults, len(h.Ops), len(h.Faults))
		}
	default:
		return fmt.Sprintf("is of the type %q, which there is not", head.Type)
	}
	return ""
}

func (h *History) addHeader(line []byte) string {
	var head struct {
		Format int `json:"format"`
	}
	if err := json.Unmarshal(line, &head); err == nil && head.Format != Version {
		return fmt.Sprintf("is of format %d; this version reads %d", head.Format, Version)
	}
	return strictly(line, &h.Header)
}

// strictly reads one object, with no field that is not known.
func strictly(line []byte, into any) string {
	d := json.NewDecoder(bytes.NewReader(line))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		return "cannot be read: " + strings.TrimPrefix(err.Error(), "json: ")
	}
	return ""
}

// wrong says what no client can have seen.
func (op *Op) wrong() string {
	write := op.Op == Push || op.Op == Pop
	switch op.Op {
	case Push, Pop, Top, Size, Items:
	default:
		return fmt.Sprintf("there is no operation %q", op.Op)
	}
	switch op.Outcome {
	case Applied, NotApplied, Unknown:
	default:
		return fmt.Sprintf("there is no outcome %q", op.Outcome)
	}
	answered := op.Outcome == Applied && op.Code != NoSuchStack
	switch {
	case op.CallNs < 0 || op.ReturnNs < op.CallNs:
		return fmt.Sprintf("an operation is called at %d and returns at %d", op.CallNs, op.ReturnNs)
	case op.Args.Stack == "":
		return "an operation names no stack"
	case op.Op == Push && len(op.Args.Values) == 0:
		return "a push has no values"
	case op.Op == Pop && op.Args.Count < 1:
		return fmt.Sprintf("a pop takes %d items", op.Args.Count)
	case op.Key != "" && !write:
		return "a read has a key"
	case answered && op.Code != "":
		return fmt.Sprintf("an operation was applied with the code %q", op.Code)
	case answered != (op.Result != nil):
		return fmt.Sprintf("an operation is %s, code %q, and has a result: %t", op.Outcome, op.Code,
			op.Result != nil)
	case answered && op.Result.Size < 0:
		return fmt.Sprintf("a stack holds %d items", op.Result.Size)
	}
	return ""
}

// lineWords is the beginning of a line, to recognise it by.
func lineWords(line []byte) string {
	const most = 60
	if len(line) > most {
		return fmt.Sprintf("%q…", line[:most])
	}
	return fmt.Sprintf("%q", line)
}
