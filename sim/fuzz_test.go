package sim

import (
	"slices"
	"testing"
)

// FuzzOrdinals: what is taken is numbers from 1 on, and in order they print as what reads the same.
func FuzzOrdinals(f *testing.F) {
	for _, list := range []string{"3,7-9", "none", "1-1", "9-8", "0", "1,", "+5-07", "1--2",
		"1000001"} {
		f.Add(list)
	}
	f.Fuzz(func(t *testing.T, list string) {
		if len(list) > 16 {
			return // a million numbers for each span
		}
		numbers, err := parseOrdinals(list)
		if err != nil || len(numbers) == 0 {
			return
		}
		slices.Sort(numbers)
		numbers = slices.Compact(numbers)
		again, err := parseOrdinals(ranges(numbers))
		if err != nil || !slices.Equal(again, numbers) || numbers[0] < 1 {
			t.Errorf("%q prints as %q: %v", list, ranges(numbers), err)
		}
	})
}
