package rsm

// What replicas say to each other about requests and reads. Consensus has its own messages.

// PeerMessage is sealed: the types below are all there are.
type PeerMessage interface{ peerMessage() }

type (
	// Forward carries an encoded Batch to the leader.
	Forward struct {
		Batch     []byte // encoded; its node is the sender
		ElapsedMs uint64 // how long it has waited at its node since it was encoded
	}
	// Refusal says that a leader did not take a batch, nor will: send it again, elsewhere or later.
	Refusal struct {
		Boot, Number uint64 // of the batch
		Code         Code   // CodeNoLeader, CodeOverload, or CodeDraining
		Leader       uint64 // who leads, as far as the sender knows; 0 unknown
	}
	// ReadAsk asks the leader for an index at which a read is linearizable (thesis §6.4).
	ReadAsk struct{ ID uint64 } // never used twice by one node, over all its boots
	// ReadAnswer answers ReadAsk.
	ReadAnswer struct {
		ID    uint64
		Index uint64
		OK    bool // false: not leader, or leadership was lost; ask again with another ID
	}
	// AdminAsk carries an operator's request to the leader, in the nodes' own encoding. It may be
	// asked again: none does anything twice.
	AdminAsk struct {
		ID   uint64 // of the asking node
		Body []byte
	}
	// AdminAnswer answers AdminAsk.
	AdminAnswer struct {
		ID   uint64
		Body []byte
	}
)

func (Forward) peerMessage()     {}
func (Refusal) peerMessage()     {}
func (ReadAsk) peerMessage()     {}
func (ReadAnswer) peerMessage()  {}
func (AdminAsk) peerMessage()    {}
func (AdminAnswer) peerMessage() {}
