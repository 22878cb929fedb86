package explore

import (
	"crypto/sha256"
	"encoding/binary"
	"math/bits"

	"drystone/raft"
)

// digest is a 128-bit hash. The digest of a multiset is the sum of its elements'.
type digest struct{ hi, lo uint64 }

func hash(b []byte) digest {
	sum := sha256.Sum256(b)
	return digest{binary.LittleEndian.Uint64(sum[:]), binary.LittleEndian.Uint64(sum[8:])}
}

func (d digest) plus(o digest) digest {
	lo, carry := bits.Add64(d.lo, o.lo, 0)
	hi, _ := bits.Add64(d.hi, o.hi, carry)
	return digest{hi, lo}
}

func (d digest) less(o digest) bool { return d.hi < o.hi || d.hi == o.hi && d.lo < o.lo }

// Nodes of the first configuration can be renamed among themselves, and so can the others: a
// world under such names does what the world does. So worlds that are renamings of each other
// are one, told by the least digest that any renaming gives.
//
// What a core does must not depend on which of two nodes has the lower number. It does for the
// heir of a leader that removes itself, which is told to stand; but that message is never
// delivered here, since everybody may stand at any moment.

// renaming gives node i the name r[i]; r[0] is not used.
type renaming [maxNodes + 1]raft.NodeID

func (r *renaming) of(id raft.NodeID) raft.NodeID { return r[id] }

// renamings are all that may be considered; the first changes nothing.
func renamings(b Bounds) (all []renaming) {
	identity := renaming{}
	for i := range identity {
		identity[i] = raft.NodeID(i)
	}
	if b.Named {
		return []renaming{identity}
	}
	var permute func(r renaming, from, to int, rest func(renaming))
	permute = func(r renaming, from, to int, rest func(renaming)) {
		if from >= to {
			rest(r)
			return
		}
		for i := from; i <= to; i++ {
			r[from], r[i] = r[i], r[from]
			permute(r, from+1, to, rest)
			r[from], r[i] = r[i], r[from]
		}
	}
	permute(identity, 1, b.Voters, func(r renaming) {
		permute(r, b.Voters+1, b.nodes(), func(r renaming) { all = append(all, r) })
	})
	return all
}

// digests are those of one thing under every renaming.
func (e *explorer) digests(encode func(dst []byte, as func(raft.NodeID) raft.NodeID) []byte,
) []digest {
	all := make([]digest, len(e.renamings))
	for i := range e.renamings {
		e.scratch = encode(e.scratch[:0], e.renamings[i].of)
		all[i] = hash(e.scratch)
	}
	return all
}

// canonical is the digest by which a world is known, whatever it has used up.
func (e *explorer) canonical(w *world) digest {
	least := digest{^uint64(0), ^uint64(0)}
	for r := range e.renamings {
		var sum digest
		for _, id := range w.nodes[:e.bounds.nodes()] {
			sum = sum.plus(e.nodes[id].digests[r])
		}
		for _, id := range w.bag {
			sum = sum.plus(e.messageDigests[int(id)*len(e.renamings)+r])
		}
		if sum.less(least) {
			least = sum
		}
	}
	return least.plus(e.historyDigests[w.history])
}
