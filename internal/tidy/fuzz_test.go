package tidy

import (
	"go/ast"
	"regexp"
	"strings"
	"testing"
)

// decoders are functions that turn bytes or text into values, by their names.
var decoders = regexp.MustCompile(`^([Dd]ecode|[Pp]arse)([A-Z]|$)`)

// notFuzzed are decoders of what the same process wrote to its own memory.
var notFuzzed = map[string]bool{
	"explore.decode": true, // a queue of the search
}

// through are names that are called through another's interface: who leads to the value here leads
// to the name there.
var through = map[string]string{
	"snap.Read": "snap.Open", // by io.ReadAll
}

// TestEveryDecoderIsFuzzed: each decoder is led to by a Fuzz target of its room, as far as names
// tell.
func TestEveryDecoderIsFuzzed(t *testing.T) {
	callers := map[string]map[string]bool{} // in each room: by whom a name is called
	found := map[string]string{}            // decoders, and where they stand
	targets := map[string][]string{}        // of a room
	for _, s := range sources(t) {
		for _, d := range s.file.Decls {
			f, ok := d.(*ast.FuncDecl)
			if !ok || f.Body == nil {
				continue
			}
			name := f.Name.Name
			if s.test && strings.HasPrefix(name, "Fuzz") {
				targets[s.room] = append(targets[s.room], name)
			}
			if !s.test && decoders.MatchString(name) && !notFuzzed[s.room+"."+name] {
				found[s.room+"."+name] = s.room
			}
			ast.Inspect(f.Body, func(n ast.Node) bool {
				if name := lastName(exprOf(n)); name != "" {
					key := s.room + "." + name
					if callers[key] == nil {
						callers[key] = map[string]bool{}
					}
					callers[key][s.room+"."+f.Name.Name] = true
				}
				return true
			})
		}
	}
	if len(found) < 20 {
		t.Fatalf("found only %d decoders", len(found))
	}
	for decoder, room := range found {
		seen := map[string]bool{}
		var reached func(name string) bool
		reached = func(name string) bool {
			if seen[name] {
				return false
			}
			seen[name] = true
			if door := through[name]; door != "" && reached(door) {
				return true
			}
			for caller := range callers[name] {
				if strings.HasPrefix(caller, room+".Fuzz") || reached(caller) {
					return true
				}
			}
			return false
		}
		if !reached(decoder) {
			t.Errorf("%s is led to by none of the targets %v", decoder, targets[room])
		}
	}
}

// exprOf is a name that is used, as a call or as a value.
func exprOf(n ast.Node) ast.Expr {
	switch n := n.(type) {
	case *ast.Ident:
		return n
	case *ast.SelectorExpr:
		return n
	}
	return nil
}
