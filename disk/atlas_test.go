package disk

import "testing"

func silent(voter int, first, last uint64) Loss {
	return Loss{Voter: voter, Silent: true, First: first, Last: last}
}

func TestAtlas(t *testing.T) {
	// Records 1 to 3 are on all of three disks, 4 on two, 5 on one.
	three := func() *Atlas {
		a := NewAtlas(3)
		for r, n := range map[uint64]int{1: 3, 2: 3, 3: 3, 4: 2, 5: 1} {
			for v := range n {
				a.Hold(v, r)
			}
		}
		return a
	}
	for _, c := range []struct {
		claim  string
		before []Loss
		loss   Loss
		want   Promise
	}{
		{"one disk may fail to start", nil, Loss{Voter: 0}, Survives},
		{"two may not", []Loss{{Voter: 0}}, Loss{Voter: 1}, Halts},
		{"the same one may fail again", []Loss{{Voter: 0}}, Loss{Voter: 0}, Survives},
		{"what two others hold may go", nil, silent(0, 3, 3), Survives},
		{"what one other holds may not", nil, silent(0, 4, 4), Unprotected},
		{"nor if it is among others", nil, silent(0, 3, 4), Unprotected},
		{"nor what is on no majority: it may be counted", nil, silent(0, 5, 5), Unprotected},
		{"a second copy may not", []Loss{silent(0, 3, 3)}, silent(1, 3, 3), Unprotected},
		{"a vote may not", nil, Loss{Voter: 0, Silent: true, First: 1, Vote: true}, Unprotected},
		{"nothing may go after two", []Loss{{Voter: 0}}, silent(1, 1, 0), Halts},
	} {
		a := three()
		for _, l := range c.before {
			a.Note(l)
		}
		if got := a.Judge(c.loss); got != c.want {
			t.Errorf("%s: %v, want %v", c.claim, got, c.want)
		}
	}
	if p := NewAtlas(1).Judge(Loss{}); p != Halts {
		t.Errorf("a cluster of one %v", p)
	}
}
