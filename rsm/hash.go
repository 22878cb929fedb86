package rsm

import "math/bits"

// The state hash tells replicas that differ from replicas that agree. It is a sum of the hashes
// of rows, so that a change costs the rows it touches. It finds accidents, not forgeries.

// Odd constants with about as many ones as zeroes, well apart: the fractional parts of the
// square roots of 2, 3, 5, and 7.
const (
	mixA = 0x6a09e667f3bcc909
	mixB = 0xbb67ae8584caa73b
	mixC = 0x3c6ef372fe94f82b
	mixD = 0xa54ff53a5f1d36f1
)

// fold multiplies to 128 bits and adds the halves without carry: every bit of the result depends
// on every bit of both.
func fold(a, b uint64) uint64 {
	hi, lo := bits.Mul64(a, b)
	return hi ^ lo
}

// Mix adds a word to a hash. The order of words matters. The second fold spreads what the first
// one, of a hash that stays the same, would leave in place; hash and word enter it again, for a
// factor of zero in the first loses the other.
func Mix(hash, word uint64) uint64 {
	first := fold(hash^mixA, word^mixB)
	return fold(first^bits.RotateLeft64(hash, 23)^word, mixD)
}

// HashBytes hashes b, starting from seed. Equal on every machine and in every version.
func HashBytes(seed uint64, b []byte) uint64 { return hash(seed, b) }

// HashString hashes s as HashBytes does its bytes.
func HashString(seed uint64, s string) uint64 { return hash(seed, s) }

func hash[T ~string | ~[]byte](seed uint64, s T) uint64 {
	h := Mix(seed, uint64(len(s)))
	i := 0
	for ; len(s)-i >= 16; i += 16 {
		h = fold(word(s[i:i+8])^mixA^h, word(s[i+8:i+16])^mixB) ^ bits.RotateLeft64(h, 29)
	}
	if len(s)-i >= 8 {
		h = Mix(h, word(s[i:i+8]))
		i += 8
	}
	var tail uint64
	for shift := 0; i < len(s); i, shift = i+1, shift+8 {
		tail |= uint64(s[i]) << shift
	}
	return Mix(h^mixC, tail)
}

// word reads the eight bytes of s, little endian.
func word[T ~string | ~[]byte](s T) uint64 {
	_ = s[7]
	return uint64(s[0]) | uint64(s[1])<<8 | uint64(s[2])<<16 | uint64(s[3])<<24 |
		uint64(s[4])<<32 | uint64(s[5])<<40 | uint64(s[6])<<48 | uint64(s[7])<<56
}
