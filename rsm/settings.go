package rsm

import (
	"encoding/binary"
	"fmt"
)

const settingsVersion = 1

// SettingsChange is the command of a SettingsCommand.
type SettingsChange struct {
	IfUnset  bool // change nothing when the cluster has settings
	Settings Settings
}

// EncodeSettings appends the encoding of c to dst.
func EncodeSettings(dst []byte, c SettingsChange) []byte {
	dst = append(dst, settingsVersion)
	dst = AppendBool(dst, c.IfUnset)
	for _, field := range c.Settings.fields() {
		dst = binary.AppendUvarint(dst, *field)
	}
	return dst
}

// DecodeSettings decodes what EncodeSettings made: the command of a SettingsCommand, or its
// reply, which holds the settings that are in force after it.
func DecodeSettings(encoded []byte) (SettingsChange, error) {
	d := NewDecoder(encoded)
	if err := decodeVersion(&d, settingsVersion); err != nil {
		return SettingsChange{}, err
	}
	c := SettingsChange{IfUnset: d.Bool()}
	for _, field := range c.Settings.fields() {
		*field = d.Uvarint()
	}
	if err := d.End(); err != nil {
		return SettingsChange{}, fmt.Errorf("decode settings: %w", err)
	}
	return c, nil
}

// fields lists all settings in the order of their encoding.
func (s *Settings) fields() [5]*uint64 {
	return [...]*uint64{&s.MaxValueBytes, &s.MaxSessions, &s.SessionTTLMs,
		&s.MaxRequestsBytes, &s.RequestRetentionMs}
}

// applySettings executes a SettingsCommand and returns its reply.
func (s *State) applySettings(change SettingsChange) []byte {
	if !change.IfUnset || !s.settingsSet {
		s.settings, s.settingsSet = change.Settings, true
	}
	return EncodeSettings(nil, SettingsChange{Settings: s.settings})
}

func (s *State) settingsHash() uint64 {
	h := uint64(mixC)
	if s.settingsSet {
		h = mixD
	}
	for _, field := range s.settings.fields() {
		h = Mix(h, *field)
	}
	return h
}
