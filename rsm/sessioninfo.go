package rsm

import (
	"encoding/binary"
	"fmt"
)

// SessionWindow is how far beyond its acknowledgement a client session may number its requests.
// Within it they may arrive in any order, and each is executed once.
const SessionWindow = 1024

// SessionInfo is what a client is told of its session.
type SessionInfo struct {
	Session uint64 // names it: the op of its opening
	TTLMs   uint64 // log time after its last request at which it expires
}

// EncodeSessionInfo appends the encoding of i to dst.
func EncodeSessionInfo(dst []byte, i SessionInfo) []byte {
	return binary.AppendUvarint(binary.AppendUvarint(dst, i.Session), i.TTLMs)
}

// DecodeSessionInfo decodes what EncodeSessionInfo made.
func DecodeSessionInfo(encoded []byte) (SessionInfo, error) {
	d := NewDecoder(encoded)
	i := SessionInfo{Session: d.Uvarint(), TTLMs: d.Uvarint()}
	if err := d.End(); err != nil {
		return SessionInfo{}, fmt.Errorf("decode session: %w", err)
	}
	return i, nil
}

// EncodeSession appends the command of KeepSession and CloseSession to dst.
func EncodeSession(dst []byte, session uint64) []byte {
	return binary.AppendUvarint(dst, session)
}

// decodeSession decodes what EncodeSession made.
func decodeSession(encoded []byte) (session uint64, err error) {
	d := NewDecoder(encoded)
	session = d.Uvarint()
	return session, d.End()
}
