package main

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"time"
)

// progress is a line on a terminal that says how far a hunt is. It is not safe for concurrent use.
type progress struct {
	terminal *os.File // nil: nobody looks
	began    time.Time
	of       int
	ended    int
	killed   int
	at       []string // the mutants under way
}

func newProgress(f *os.File, of int) *progress {
	p := &progress{began: time.Now(), of: of}
	if info, err := f.Stat(); err == nil && info.Mode()&os.ModeCharDevice != 0 {
		p.terminal = f
	}
	return p
}

func (p *progress) begins(id string) {
	p.at = append(p.at, id)
	p.show()
}

func (p *progress) ends(id string, killed bool) {
	p.at = slices.DeleteFunc(p.at, func(at string) bool { return at == id })
	p.ended++
	if killed {
		p.killed++
	}
	p.erase()
}

func (p *progress) String() string {
	return fmt.Sprintf("%d of %d tried, %d killed, %v; now %s", p.ended, p.of, p.killed,
		time.Since(p.began).Round(time.Second), strings.Join(p.at, ", "))
}

func (p *progress) show() {
	if p.terminal != nil {
		fmt.Fprintf(p.terminal, "\r\033[K%v ", p)
	}
}

// erase makes room for another line.
func (p *progress) erase() {
	if p.terminal != nil {
		fmt.Fprint(p.terminal, "\r\033[K")
	}
}
