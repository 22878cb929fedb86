package node

import (
	"context"

	"drystone/replica"
	"drystone/rsm"
)

// waitsHere says whether the request that an encoded RequestID names waits at this node. Best
// effort: false when the loop can't tell in time.
func waitsHere(ctx context.Context, c *core, query []byte) (waits bool) {
	id, err := rsm.DecodeRequestID(query)
	if err != nil {
		return false
	}
	told := false
	refusal := c.inLoop(ctx, func(r *replica.Replica) { told = r.Waits(id) })
	return refusal == nil && told
}

// pending turns the fate of a request that the log knows nothing of, and that waits here, into
// FatePending.
func pending(reply []byte) []byte {
	if f, err := rsm.DecodeFate(reply); err == nil && f.State == rsm.FateAbsent {
		return rsm.EncodeFate(nil, rsm.Fate{State: rsm.FatePending})
	}
	return reply
}
