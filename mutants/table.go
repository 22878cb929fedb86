package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// The table stands between these lines of docs/simulator.md.
const (
	tableBegin = "<!-- mutants: written by make mutants -->"
	tableEnd   = "<!-- mutants: end -->"
	tableHead  = "| | bug | killed by | median seeds | of | seconds | other tests |\n" +
		"|---|---|---|---|---|---|---|\n"
)

// row is a mutant's line of the table.
func row(m *mutant, o *outcome, l limits) string {
	by, median := "**nobody**", "—"
	if n := o.median(); n != survived {
		median = strconv.Itoa(n)
	}
	if o.killed() {
		by = tally(o.by)
	}
	if n := o.survivals(); n > 0 && len(o.seeds) > 1 {
		by = strings.TrimPrefix(fmt.Sprintf("%s, nobody ×%d", tally(o.by), n), ", ")
	}
	if l.runs == 0 {
		by = "not tried"
	}
	if o.survivals() > 0 && o.tried < l.seeds {
		by += fmt.Sprintf(" (time was up after %v, at %d of %d seeds)", l.within, o.tried, l.seeds)
	}
	return fmt.Sprintf("| %s | %s | %s | %s | %d | %d | %s |\n", m.id, m.title, by, median, o.tried,
		o.took.Round(time.Second)/time.Second, joined(o.tests))
}

// tally counts equal names, the most frequent first.
func tally(names []string) string {
	count := map[string]int{}
	for _, name := range names {
		count[name]++
	}
	distinct := slices.Compact(slices.Sorted(slices.Values(names)))
	slices.SortStableFunc(distinct, func(a, b string) int { return count[b] - count[a] })
	for i, name := range distinct {
		if len(names) > 1 {
			distinct[i] = fmt.Sprintf("%s ×%d", name, count[name])
		}
	}
	return strings.Join(distinct, ", ")
}

// writeTable puts rows into the document, in place of older rows of the same mutants. Those of
// mutants that are no more go, and so does an older summary.
func writeTable(root string, all []mutant, rows map[string]string, summary string) error {
	path := filepath.Join(root, "docs", "simulator.md")
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	changed, err := replaceTable(string(text), all, rows, summary)
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return os.WriteFile(path, []byte(changed), 0o644)
}

func replaceTable(text string, all []mutant, rows map[string]string, summary string) (
	string, error,
) {
	head, rest, begins := strings.Cut(text, tableBegin+"\n")
	old, tail, ends := strings.Cut(rest, tableEnd)
	if !begins || !ends {
		return "", fmt.Errorf("the lines are missing between which the table stands")
	}
	known := map[string]string{}
	for line := range strings.Lines(old) {
		if cells := strings.Split(line, "|"); len(cells) > 2 {
			known[strings.TrimSpace(cells[1])] = line
		}
	}
	var b strings.Builder
	b.WriteString(head + tableBegin + "\n" + tableHead)
	for i := range all {
		line, ok := rows[all[i].id]
		if !ok {
			line = known[all[i].id]
		}
		b.WriteString(line)
	}
	for line := range strings.Lines(summary) {
		b.WriteString("\n" + line)
	}
	b.WriteString(tableEnd + tail)
	return b.String(), nil
}
