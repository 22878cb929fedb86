package etcdraft

import "fmt"

// quiet is etcd's Logger: a core tells what it does by its trace. What etcd would die of stops
// this node like a failed assertion of ours.
type quiet struct{}

func (quiet) Debug(...any)            {}
func (quiet) Debugf(string, ...any)   {}
func (quiet) Info(...any)             {}
func (quiet) Infof(string, ...any)    {}
func (quiet) Warning(...any)          {}
func (quiet) Warningf(string, ...any) {}
func (quiet) Error(...any)            {}
func (quiet) Errorf(string, ...any)   {}

func (quiet) Fatal(v ...any)                 { assert(false, fmt.Sprint(v...)) }
func (quiet) Fatalf(format string, v ...any) { assert(false, fmt.Sprintf(format, v...)) }
func (quiet) Panic(v ...any)                 { assert(false, fmt.Sprint(v...)) }
func (quiet) Panicf(format string, v ...any) { assert(false, fmt.Sprintf(format, v...)) }

func assert(ok bool, what string) {
	if !ok {
		panic("etcdraft: " + what)
	}
}
