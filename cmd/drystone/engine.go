package main

import (
	"strings"

	"drystone/etcdraft"
	"drystone/raft"
	"drystone/replica"
)

// engines are the consensus engines that --engine chooses from; the first is the default.
var engines = []replica.EngineKind{
	replica.Native,
	{
		Name: etcdraft.Name,
		New: func(c raft.Config, d raft.Restored) replica.Engine {
			return etcdraft.New(c, d)
		},
	},
}

func engineNames() (names []string) {
	for _, e := range engines {
		names = append(names, e.Name)
	}
	return names
}

// engineWords are the names of the engines in a sentence.
func engineWords() string { return strings.Join(engineNames(), " or ") }

// engineNamed finds the engine that a flag names.
func engineNamed(name string) (replica.EngineKind, error) {
	for _, e := range engines {
		if e.Name == name {
			return e, nil
		}
	}
	return replica.EngineKind{}, misused("--engine %s: there is no such engine; say %s", name,
		engineWords())
}
