// Command drystone is a replicated store of stacks, one binary for all of it: a node (serve), a
// whole cluster on this machine (dev), the client commands (push, pop, …) and the tools.
//
// Values go to standard output alone, raw, one a line; everything else goes to standard error.
// Exit status: 0 applied or read, 1 refused or failed (nothing done, safe to repeat), 2 usage,
// 3 outcome unknown, 4 nothing there. inspect has its own: 0 clean, 5 corrupt, 6 torn tail; and
// check: 0 all holds, 1 something is broken, 3 not decided, 5 no whole history.
package main

import "os"

func main() { os.Exit(run(os.Args[1:], os.Stdin, os.Stdout, os.Stderr)) }
