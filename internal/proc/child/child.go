// Package child starts processes that don't outlive their parent.
package child

import (
	"os/exec"
	"runtime"
)

// Spawner starts processes from one thread that lives as long as this process: the kernel ends a
// child (Attributes) when the thread that made it ends, not the process.
type Spawner chan<- func()

// NewSpawner starts the thread. It never ends.
func NewSpawner() Spawner {
	work := make(chan func())
	go func() {
		runtime.LockOSThread()
		for f := range work {
			f()
		}
	}()
	return work
}

// Start is c.Start with Attributes: the child has a process group of its own, so that Ctrl-C
// reaches only the parent, and on Linux is killed when the parent is gone, even by SIGKILL.
func (s Spawner) Start(c *exec.Cmd) error {
	c.SysProcAttr = attributes()
	done := make(chan error)
	s <- func() { done <- c.Start() }
	return <-done
}
