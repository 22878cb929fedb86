package main

import "testing"

func TestByteSize(t *testing.T) {
	for text, want := range map[string]int64{
		"0": 0, "17": 17, "17B": 17, "1KiB": 1024, "64MiB": 64 << 20, "2 GiB": 2 << 30,
		"1kB": 1000, "3MB": 3_000_000, " 5MiB ": 5 << 20,
	} {
		var s byteSize
		if err := s.Set(text); err != nil || int64(s) != want {
			t.Errorf("%q is %d (%v), want %d", text, s, err, want)
		}
	}
	for _, text := range []string{"", "x", "-1", "1.5MiB", "MiB", "9223372036854775807KiB", "1 2"} {
		var s byteSize
		if err := s.Set(text); err == nil {
			t.Errorf("%q is taken for %d", text, s)
		}
	}
}

func TestByteSizePrintsWhatItReads(t *testing.T) {
	for _, n := range []int64{0, 1, 1023, 1024, 1 << 20, 1<<20 + 1, 64 << 20, 1 << 40, 1 << 62} {
		s := byteSize(n)
		var again byteSize
		if err := again.Set(s.String()); err != nil || again != s {
			t.Errorf("%d prints as %q, which is %d (%v)", n, s.String(), again, err)
		}
	}
}
