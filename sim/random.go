package sim

import "math/bits"

// random is where all chance in a world comes from: splitmix64. It is written out here because
// a seed that failed once must mean the same run on every machine and under every Go release.
type random struct{ state uint64 }

func (r *random) next() uint64 {
	r.state += 0x9e3779b97f4a7c15
	z := r.state
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}

// fork gives a source of its own, so that one part's draws do not shift another's.
func (r *random) fork() random { return random{r.next()} }

// below draws from [0, n).
func (r *random) below(n int) int {
	hi, _ := bits.Mul64(r.next(), uint64(n))
	return int(hi)
}

// between draws from [lo, hi].
func (r *random) between(lo, hi int64) int64 {
	if hi <= lo {
		return lo
	}
	return lo + int64(r.below(int(hi-lo)+1))
}

// chance is true in so many of a million draws.
func (r *random) chance(perMillion int) bool {
	return perMillion > 0 && r.below(1_000_000) < perMillion
}

// spread draws about exponentially around mean, in whole numbers only: floating point is not the
// same on every machine.
func (r *random) spread(mean int64) int64 {
	if mean <= 0 {
		return 0
	}
	x := r.next()
	octave := int64(min(bits.LeadingZeros64(x|1), 12))
	fraction := int64(r.next() & 1023)
	return mean * (octave<<10 | fraction) * 683 >> 20
}

// pick draws one of the values.
func pick[T any](r *random, values ...T) T { return values[r.below(len(values))] }

// mix folds v into a digest.
func mix(digest, v uint64) uint64 {
	digest ^= v
	digest *= 0x9fb21c651e98df25
	return digest ^ digest>>32
}

// digestBytes is a digest of b that depends on nothing but b.
func digestBytes(seed uint64, b []byte) uint64 {
	d := mix(seed, uint64(len(b)))
	for len(b) >= 8 {
		d = mix(d, uint64(b[0])|uint64(b[1])<<8|uint64(b[2])<<16|uint64(b[3])<<24|
			uint64(b[4])<<32|uint64(b[5])<<40|uint64(b[6])<<48|uint64(b[7])<<56)
		b = b[8:]
	}
	if len(b) > 0 {
		var tail uint64
		for i, c := range b {
			tail |= uint64(c) << (8 * i)
		}
		d = mix(d, tail)
	}
	return d
}
