package main

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// byteSize is a flag value such as 64MiB. Units of 1024 end in iB, units of 1000 in B.
type byteSize int64

var sizeUnits = []struct {
	suffix string
	bytes  int64
}{
	{"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30}, {"TiB", 1 << 40},
	{"kB", 1e3}, {"KB", 1e3}, {"MB", 1e6}, {"GB", 1e9}, {"TB", 1e12},
	{"B", 1},
}

func (s *byteSize) Set(text string) error {
	number, unit := strings.TrimSpace(text), int64(1)
	for _, u := range sizeUnits {
		if rest, ok := strings.CutSuffix(number, u.suffix); ok {
			number, unit = strings.TrimSpace(rest), u.bytes
			break
		}
	}
	n, err := strconv.ParseInt(number, 10, 64)
	if err != nil || n < 0 {
		return fmt.Errorf("%q is no size: give bytes, or a whole number with a unit, as in 64MiB",
			text)
	}
	if n > math.MaxInt64/unit {
		return fmt.Errorf("%q is more than this machine can count", text)
	}
	*s = byteSize(n * unit)
	return nil
}

// String prints the largest binary unit that loses nothing.
func (s *byteSize) String() string {
	n := int64(*s)
	for i := 3; i >= 0; i-- {
		if u := sizeUnits[i]; n >= u.bytes && n%u.bytes == 0 {
			return strconv.FormatInt(n/u.bytes, 10) + u.suffix
		}
	}
	return strconv.FormatInt(n, 10)
}

func (s *byteSize) Type() string { return "SIZE" }

// sizeWords is for people: one decimal, binary units.
func sizeWords(n uint64) string {
	for i := 3; i >= 0; i-- {
		if u := sizeUnits[i]; n >= uint64(u.bytes) {
			return fmt.Sprintf("%.1f %s", float64(n)/float64(u.bytes), u.suffix)
		}
	}
	return fmt.Sprintf("%d B", n)
}
