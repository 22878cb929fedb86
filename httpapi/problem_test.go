package httpapi

import (
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"drystone/rsm"
)

var update = flag.Bool("update", false, "write golden files and docs/errors.md anew")

func writeFile(t *testing.T, name string, data []byte) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, data, 0o644); err != nil {
		t.Fatal(err)
	}
}

// docs/errors.md is the table, and the node serves its sections.
func TestErrorsPage(t *testing.T) {
	const file = "../docs/errors.md"
	if *update {
		writeFile(t, file, []byte(ErrorsPage()))
	}
	if page, _ := os.ReadFile(file); string(page) != ErrorsPage() {
		t.Errorf("%s differs from the table (-update writes it anew)", file)
	}
	f := newFront(t)
	f.call("GET", "/errors", nil).want(t, 200, ErrorsPage())
	for _, e := range Explanations() {
		f.call("GET", "/errors/"+e.Code, nil).want(t, 200, e.Text())
		if !strings.Contains(ErrorsPage(), "\n## "+e.Code+"\n") {
			t.Errorf("the page has no section for %s", e.Code)
		}
	}
}

// The table is whole, in order, and knows every code that a node or the log can give.
func TestTableOfErrors(t *testing.T) {
	for _, code := range []rsm.Code{
		rsm.CodeKeyReused, rsm.CodeTableFull, rsm.CodeExpired, rsm.CodeSessionExpired,
		rsm.CodeBadCommand, rsm.CodeNoLeader, rsm.CodeOverload, rsm.CodeDraining,
		rsm.CodeBootstrapping, rsm.CodeQuarantined, rsm.CodeOutcomeUnknown,
		rsm.CodeTooManySessions, rsm.CodeFenced, rsm.CodeReplyForgotten, rsm.CodeWindowFull,
	} {
		if _, ok := Explain(string(code)); !ok {
			t.Errorf("%s is not explained", code)
		}
	}
	if _, ok := Explain("nonsense"); ok {
		t.Error("nonsense is explained")
	}
	last := 0
	for _, e := range Explanations() {
		for _, s := range []string{e.Code, e.Title, e.Cause, e.Fate, e.Next} {
			if s == "" {
				t.Errorf("%s: something is left out", e.Code)
			}
		}
		for _, o := range e.Outcomes {
			if !slices.Contains([]string{notApplied, applied, unknown}, o) {
				t.Errorf("%s: outcome %q", e.Code, o)
			}
		}
		least := 999
		if len(e.Statuses) > 0 {
			least = slices.Min(e.Statuses)
		}
		if least < last || len(e.Outcomes) == 0 {
			t.Errorf("%s is out of order", e.Code)
		}
		last = least
	}
}
