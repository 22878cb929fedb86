package rsm

import (
	"encoding/binary"
	"fmt"
)

// FateState is what is known of a request.
type FateState uint8

const (
	// FateAbsent: nothing is known. It has not been applied within the retention, and may yet be,
	// until it is fenced or its deadline has passed.
	FateAbsent FateState = iota + 1
	// FatePending: it waits at the node that was asked. Best effort, and never in the log.
	FatePending
	// FateApplied: it was executed; Fate.Result is its stored result.
	FateApplied
	// FateRefused: it was refused in the log, and this request can never apply; the code is that of
	// Fate.Result. Only requests named by their node are known so: a refusal under a key, or in a
	// session, is not stored.
	FateRefused
	// FateFenced: it can never apply.
	FateFenced
	// FateForgotten: it can never apply from now on. What became of it is known no more: its reply
	// was acknowledged, or its session is gone.
	FateForgotten

	lastFate = FateForgotten
)

// String returns the state's word.
func (s FateState) String() string {
	words := [...]string{"", "absent", "pending", "applied", "refused", "fenced", "forgotten"}
	assert(s >= FateAbsent && s <= lastFate, "a state without a word")
	return words[s]
}

// Fate is what became of a request.
type Fate struct {
	State FateState
	// Result is that of the request with FateApplied, marked as Replayed, and with FateRefused;
	// otherwise zero. Its Serial is not told.
	Result Result
}

// EncodeFate appends the encoding of f to dst.
func EncodeFate(dst []byte, f Fate) []byte {
	dst = append(dst, byte(f.State))
	if f.State != FateApplied && f.State != FateRefused {
		return dst
	}
	dst = AppendString(dst, string(f.Result.Code))
	dst = binary.AppendUvarint(dst, f.Result.Index)
	dst = binary.AppendUvarint(dst, f.Result.Op)
	return AppendBytes(dst, f.Result.Reply)
}

// DecodeFate decodes what EncodeFate made. The reply aliases the input.
func DecodeFate(encoded []byte) (Fate, error) {
	d := NewDecoder(encoded)
	f := Fate{State: FateState(d.Byte())}
	switch {
	case f.State < FateAbsent || f.State > lastFate:
		d.Fail(ErrMalformed)
	case f.State == FateApplied || f.State == FateRefused:
		r := &f.Result
		r.Outcome, r.Replayed = Applied, true
		if r.Code = Code(d.String()); r.Code != "" {
			r.Outcome, r.Replayed = NotApplied, false
		}
		r.Index, r.Op, r.Reply = d.Uvarint(), d.Uvarint(), d.Bytes()
		if (r.Outcome == Applied) != (f.State == FateApplied) {
			d.Fail(ErrMalformed)
		}
	}
	if err := d.End(); err != nil {
		return Fate{}, fmt.Errorf("decode fate: %w", err)
	}
	return f, nil
}
