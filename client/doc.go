// Package client is the Go client of drystone, over HTTP and with the standard library only.
//
//	c, err := client.New(client.Options{Endpoints: []string{"127.0.0.1:12380"}})
//	…
//	defer c.Close()
//	_, err = c.Push(ctx, "jobs", [][]byte{[]byte("one")}, client.PushOptions{})
//	job, err := c.Pop(ctx, "jobs", client.PopOptions{})
//
// # Once
//
// A network may lose the answer to a write that took effect. So every write has an identity, and
// the cluster executes what bears one identity once, however often it arrives, and answers each
// time what it answered first. That makes repeating safe, and the client repeats by itself, on any
// node, until there is an answer or the time is up. There are three kinds:
//
//   - A key, WriteOptions.Key. The client makes one when none is given. Give one that comes from
//     your own data (an order's number) when the program itself may crash and begin again. The
//     cluster keeps the reply for a while, ten minutes unless it is set otherwise.
//   - A place in a Session, WriteOptions.Session: for a program that writes much. The cluster keeps
//     only replies that this client may still ask for.
//   - None, WriteOptions.NoKey. It costs nothing to remember, and is repeated only when it is
//     proven that it was not applied.
//
// # Outcomes
//
// A call that fails says what became of the request, in an *Error. errors.Is knows
//
//   - ErrNotApplied: nothing was done, and this call will do nothing later. All reads end so. It
//     is said with proof only: no connection was made, or a node says so.
//   - ErrUnknown: it may have taken effect, or may yet: the request was sent, and the time was up
//     before an answer came.
//   - neither: it was applied, and the result is that error, as with ErrNoSuchStack.
//
// Every error of the package is an *Error, but for the options of New. It has a code (a word of
// docs/errors.md, which `drystone explain` prints), the cause and the next step in words, and the
// name of the request. An empty stack is no error.
//
// After ErrUnknown there are three ways on. Repeat the call with its key, Error.RequestID, or in
// its session with Error.Seq: it is done now, if it was not before. Or ask Settle: it tells whether
// the write was applied and with what result; if it was not, it never will be. Or leave it.
//
// # Time
//
// A call takes no longer than its context and Options.Timeout allow, with all repeats. Each attempt
// tells the node how much of that is left, so that no node works for a caller who has gone. Between
// rounds over the nodes the client pauses, a little longer each time, and as long as a node asks
// for by Retry-After.
//
// # Nodes
//
// Any node takes any call. One endpoint is enough to begin with: it names the others, and the list
// is kept up to date while the cluster changes, even if in the end none of its first nodes is
// left.
// A node that fails rests for a while. Before a call goes over a new connection, the client asks
// which cluster the node belongs to: one of another gets nothing, since it would execute a repeat
// as new. The first node that answers decides which cluster that is, unless Options.Cluster does.
//
// # Reads
//
// Reads are linearizable: they see every write that was answered before they began, on whatever
// node. ReadOptions allow older answers, which need no majority.
package client
