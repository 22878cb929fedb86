// Package explore searches all that can happen to a small cluster, within bounds: every order of
// messages, lost ones and repeated ones, elections at any moment, disks that are late, crashes
// that lose any of what was not yet written, changes of members. What runs is the core of package
// raft itself, not a model of it.
//
// # A world
//
// A world is some nodes, what their disks hold, the writes on the way to those, and the messages
// under way. An action changes one node: it takes in one message, or its timer fires, or a write
// is done, or it crashes and comes back. What is not delivered is as good as lost.
//
// # How it gets through
//
// A core is deterministic, so what one input does to one state of one node is found out once, by
// the core, and remembered. A world is then but a list of numbers: of its nodes' states and of
// messages. Worlds are told apart by 128-bit hashes of a form in which it does not matter which
// node is which; the search goes breadth first, so that the first violation has a shortest path.
//
// # What is left out
//
//   - Time. A timer may fire at any moment, so its state is none. Leaders send no heartbeats but
//     those that tell of commitment.
//   - Pre-votes. They only ever prevent an election: a node whose timer fires stands at once, as if
//     its leader had told it to, and nobody refuses it for hearing a leader. For the same reason
//     TimeoutNow is always lost.
//   - Hosts that give a core several inputs before they ask for Ready, and that acknowledge several
//     writes at once; machines that are slow; reads, learners and transfers.
//   - Unless Bounds.Exact: three sorts of messages, which are lost. What would change nothing if
//     it came now, and could at most mean something later; refused votes and answers to heartbeats
//     that tell of no newer term.
package explore
