package check

import (
	"io"
	"slices"
	"time"

	"github.com/anishathalye/porcupine"
)

const (
	pictured    = 4 // stacks in one picture: each may be large
	pictureTime = 10 * time.Second
)

// Picture writes a page of HTML that shows the stacks with problems in time, how far an order
// goes, and what went wrong meanwhile. It names the stacks; none, and nothing is written, when no
// problem is of a stack.
func (r *Report) Picture(out io.Writer) ([]string, error) {
	var stacks []string
	var all []porcupine.Operation
	for _, p := range r.Problems {
		if len(r.acts[p.Stack]) > 0 && !slices.Contains(stacks, p.Stack) && len(stacks) < pictured {
			stacks = append(stacks, p.Stack)
			all = append(all, operations(r.acts[p.Stack])...)
		}
	}
	if len(stacks) == 0 {
		return nil, nil
	}
	_, info := porcupine.CheckOperationsVerbose(model, all, pictureTime)
	var faults []porcupine.Annotation
	for _, f := range r.history.Faults {
		faults = append(faults, porcupine.Annotation{
			Tag: f.Class, Start: f.FromNs, End: f.ToNs, Description: f.Class, Details: f.Detail,
			BackgroundColor: "#efaefc",
		})
	}
	info.AddAnnotations(faults)
	return stacks, porcupine.Visualize(model, info, out)
}
