package rsm

import "crypto/sha256"

// keyID is a key as one caller knows it.
type keyID struct{ scope, key string }

func (id keyID) bytes() uint64 { return uint64(len(id.scope) + len(id.key)) }

func (id keyID) hash() uint64 { return HashString(HashString(mixB, id.scope), id.key) }

// keyRow is the stored reply of a request with a key, or the fence of that key.
type keyRow = replyRow[keyID]

// fingerprint tells whether two commands under one identity are the same.
type fingerprint [16]byte

func fingerprintOf(kind RequestKind, command []byte) fingerprint {
	h := sha256.New()
	h.Write([]byte{byte(kind)})
	h.Write(command)
	var sum [sha256.Size]byte
	return fingerprint(h.Sum(sum[:0])[:16])
}

// keyRow returns the row of a key, or nil.
func (s *State) keyRow(id keyID) *keyRow {
	return s.keys.find(id, s.point.LogTime, s.settings.RequestRetentionMs)
}

// room says whether so many bytes more may be stored, besides a reply: what that is is not known
// before it is executed, so the bound may be passed by one; then nothing more is stored.
func (s *State) room(need uint64) bool {
	limit := s.settings.MaxRequestsBytes
	for {
		if s.RequestsBytes()+need <= limit {
			return true
		}
		// Rows that are due must never take the room of new ones.
		if !s.keys.evictOne(s.point.LogTime, s.settings.RequestRetentionMs) {
			return false
		}
	}
}

// giveWay drops kept results, oldest first, that take the room of what is promised to be stored.
func (s *State) giveWay() {
	s.kept.shrink(s.settings.MaxRequestsBytes - min(s.settings.MaxRequestsBytes, s.RequestsBytes()))
}
