package wal

import (
	"fmt"
	"strings"
)

// A segment's name carries what must not rot: its generation, which orders the segments and is
// never used twice, and the salt of its checksums. The directory entry is durable before the first
// byte.
const (
	segmentPrefix = "wal-"
	spareName     = "spare"
	spareTemp     = "spare.tmp"
)

func segmentName(gen, salt uint64) string {
	return fmt.Sprintf("%s%016x-%016x", segmentPrefix, gen, salt)
}

func parseSegmentName(name string) (gen, salt uint64, ok bool) {
	if !strings.HasPrefix(name, segmentPrefix) {
		return 0, 0, false
	}
	if _, err := fmt.Sscanf(name, segmentPrefix+"%16x-%16x", &gen, &salt); err != nil {
		return 0, 0, false
	}
	return gen, salt, segmentName(gen, salt) == name
}

// IsFile says whether a file of that name belongs to a log.
func IsFile(name string) bool {
	return strings.HasPrefix(name, segmentPrefix) || name == spareName || name == spareTemp
}

// mix spreads one salt over the generations (splitmix64).
func mix(salt, gen uint64) uint64 {
	z := salt + gen*0x9e3779b97f4a7c15
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}
