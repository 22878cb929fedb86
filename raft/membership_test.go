package raft

import (
	"bytes"
	"testing"
)

func someMembers() []Members {
	return []Members{
		{}, {Voters: []NodeID{1}}, {Voters: []NodeID{1, 2, 3}},
		{Voters: []NodeID{1, 2, 3}, Next: []NodeID{2, 3, 9}, Learners: []NodeID{1, 1 << 60}},
		{Voters: []NodeID{4}, Learners: []NodeID{5}},
		{Voters: []NodeID{4}, Learners: []NodeID{5}, Directory: []byte("who and where")},
		{Directory: []byte{0}},
	}
}

func TestMembersRoundTrip(t *testing.T) {
	for _, m := range someMembers() {
		b := EncodeMembers(nil, m)
		got, err := DecodeMembers(b)
		if err != nil || !got.Equal(m) {
			t.Errorf("%v came back as %v, %v", m, got, err)
		}
		for i := range len(b) - max(0, len(m.Directory)-1) {
			if _, err := DecodeMembers(b[:i]); err == nil {
				t.Errorf("%v cut at %d is still read", m, i)
			}
		}
		if _, err := DecodeMembers(append(b, 0)); err == nil && len(m.Directory) == 0 {
			t.Errorf("%v with something behind it is read", m)
		}
	}
}

func TestMembersThatMakeNoSense(t *testing.T) {
	for _, m := range []Members{
		{Next: []NodeID{1}}, {Learners: []NodeID{1}}, {Voters: []NodeID{2, 1}},
		{Voters: []NodeID{1, 1}}, {Voters: []NodeID{0, 1}},
		{Voters: []NodeID{1, 2}, Learners: []NodeID{2}},
		{Voters: []NodeID{1}, Next: []NodeID{2}, Learners: []NodeID{2}},
	} {
		if got, err := DecodeMembers(EncodeMembers(nil, m)); err == nil {
			t.Errorf("%v is read as %v", m, got)
		}
	}
}

func FuzzDecodeMembers(f *testing.F) {
	for _, m := range someMembers() {
		f.Add(EncodeMembers(nil, m))
	}
	f.Add([]byte{})
	f.Add([]byte{1, 255, 255, 255, 255})
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := DecodeMembers(b)
		if err != nil {
			return
		}
		if 8*(cap(m.Voters)+cap(m.Next)+cap(m.Learners))+cap(m.Directory) > 4*len(b)+64 {
			t.Errorf("%d bytes become %d, %d and %d members", len(b), cap(m.Voters), cap(m.Next),
				cap(m.Learners))
		}
		if again := EncodeMembers(nil, m); !bytes.Equal(again, b) {
			t.Errorf("%x becomes %x", b, again)
		}
	})
}

func TestAllIsAscendingAndWhole(t *testing.T) {
	m := Members{Voters: []NodeID{2, 5}, Next: []NodeID{1, 5}, Learners: []NodeID{2, 9}}
	want := []NodeID{1, 2, 5, 9}
	got := m.All()
	if len(got) != len(want) {
		t.Fatalf("All() = %v", got)
	}
	for i := range want {
		if got[i] != want[i] {
			t.Fatalf("All() = %v", got)
		}
	}
	if !m.IsVoter(1) || !m.IsVoter(2) || m.IsVoter(9) {
		t.Error("voters of either configuration vote, learners do not")
	}
}
