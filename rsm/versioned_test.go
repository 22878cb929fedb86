package rsm_test

import (
	"testing"

	"drystone/rsm"
)

// ancient is a journal that understands no command at all.
type ancient struct{ *journal }

func (ancient) Understands([]byte) bool { return false }

// What is for the State is none of the machine's: a session's number may begin with the byte of a
// command that only a later machine knows, and no node may stop for that.
func TestTheMachineIsNotAskedAboutCommandsOfTheState(t *testing.T) {
	key := rsm.EncodeRequestID(nil, rsm.RequestID{Key: "k"})
	for _, q := range []rsm.Request{
		{Kind: rsm.OpenSession}, keepSession(999), closeSession(999),
		{Kind: rsm.FenceRequest, Command: key}, {Kind: rsm.FreeRequest, Command: key},
		setting(rsm.SettingsChange{Settings: roomy}),
	} {
		j := &journal{}
		r := &replica{t, j, rsm.New(ancient{j}, rsm.Options{Node: thisNode, Boot: thisBoot})}
		r.do(0, q)
	}
}
