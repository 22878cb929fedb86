package httpapi

import (
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"drystone/rsm"
)

// Parameters are what comes after the ?, each at most once.
type Parameters struct {
	x      *Exchange
	values url.Values
	ok     bool
}

// Parameters parses what comes after the ?. A parameter that is not among known is refused: a
// spelling mistake would otherwise change what the request means, in silence.
func (x *Exchange) Parameters(known ...string) (Parameters, bool) {
	p := Parameters{x: x, ok: true}
	if x.r.URL.RawQuery == "" {
		return p, true
	}
	values, err := url.ParseQuery(x.r.URL.RawQuery)
	if err != nil {
		p.fail("The part after the ? is not encoded as it should be: %s.",
			quoted(x.r.URL.RawQuery))
		return p, false
	}
	names := make([]string, 0, len(values))
	for name := range values {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		switch {
		case !slices.Contains(known, name) && len(known) == 0:
			p.fail("This route has no parameters, and %s was given.", quoted(name))
		case !slices.Contains(known, name):
			p.fail("This route has no parameter %s; it has %s.", quoted(name),
				strings.Join(known, ", "))
		case len(values[name]) > 1:
			p.fail("The parameter %s is given %d times.", name, len(values[name]))
		}
		if !p.ok {
			return p, false
		}
	}
	p.values = values
	return p, true
}

func (p *Parameters) fail(format string, args ...any) {
	if p.ok {
		p.ok = false
		p.x.Fail(codeBadParameter, fmt.Sprintf(format, args...))
	}
}

// Text returns a parameter; "" when it was not given.
func (p *Parameters) Text(name string) string { return p.values.Get(name) }

// Number returns a whole number within bounds, or fallback when it was not given.
func (p *Parameters) Number(name string, fallback, least, most uint64) uint64 {
	if !p.values.Has(name) {
		return fallback
	}
	n, err := strconv.ParseUint(p.values.Get(name), 10, 64)
	if err != nil || n < least || n > most {
		p.fail("The parameter %s is %s; it must be a whole number from %d to %d.", name,
			quoted(p.values.Get(name)), least, most)
	}
	return n
}

// Bool returns true, false, or fallback.
func (p *Parameters) Bool(name string, fallback bool) bool {
	switch v := p.values.Get(name); {
	case !p.values.Has(name):
		return fallback
	case v == "true", v == "1":
		return true
	case v == "false", v == "0":
		return false
	default:
		p.fail("The parameter %s is %s; it must be true or false.", name, quoted(v))
		return fallback
	}
}

// readParameters are those of every read.
var readParameters = []string{"consistency", "max_stale", "min_index"}

// options reads how fresh a read must be.
func (p *Parameters) options() (o rsm.ReadOptions) {
	switch v := p.values.Get("consistency"); v {
	case "stale":
		o.Consistency = rsm.Stale
	case "linearizable":
	default:
		if p.values.Has("consistency") {
			p.fail("The parameter consistency is %s; it must be linearizable or stale.", quoted(v))
		}
	}
	if p.values.Has("max_stale") {
		d, ok := parseDuration(p.values.Get("max_stale"))
		if !ok || d <= 0 {
			p.fail("The parameter max_stale is %s; it must be above zero, in seconds or with a unit, "+
				"as in 500ms. consistency=linearizable reads what is fresh.",
				quoted(p.values.Get("max_stale")))
		}
		o.MaxStaleMs = uint64(max(1, d/time.Millisecond))
	}
	o.MinIndex = p.Number("min_index", 0, 0, 1<<63)
	return o
}

// ReadParameters parses the parameters of a read: those of every read, and known.
func (x *Exchange) ReadParameters(known ...string) (Parameters, rsm.ReadOptions, bool) {
	p, ok := x.Parameters(append(known, readParameters...)...)
	if !ok {
		return p, rsm.ReadOptions{}, false
	}
	o := p.options()
	return p, o, p.ok
}

// Query answers a read. It has failed the exchange when it returns false.
func (x *Exchange) Query(q []byte, o rsm.ReadOptions) (rsm.ReadResult, bool) {
	if !x.Begin() {
		return rsm.ReadResult{}, false
	}
	res := x.api.service.Query(x.ctx, q, o)
	if res.Code != "" {
		x.failRead(res.Code, o)
		return res, false
	}
	h := x.w.Header()
	h["Drystone-Index"] = []string{strconv.FormatUint(res.Index, 10)}
	h["Drystone-Term"] = []string{strconv.FormatUint(res.Term, 10)}
	if o.Consistency == rsm.Stale {
		h["Drystone-Stale-Ms"] = []string{strconv.FormatUint(res.StaleMs, 10)}
	}
	return res, true
}

// failRead says why there is no answer. A node that knows a leader and has not come as far as the
// reader asked is not without a leader, whatever its reason to give up.
func (x *Exchange) failRead(code rsm.Code, o rsm.ReadOptions) {
	if code != rsm.CodeNoLeader {
		x.failRefused(code)
		return
	}
	s, ok := x.status()
	switch {
	case !ok:
		x.Fail(code, "")
	case s.LeaderID != 0 && s.Applied < o.MinIndex:
		x.failBehind(s, o.MinIndex)
	case o.Consistency == rsm.Stale && o.MaxStaleMs > 0:
		x.Fail(code, fmt.Sprintf("Node %d has not heard a leader for longer than max_stale (%d ms). %s",
			s.NodeID, o.MaxStaleMs, leadership(s)))
	default:
		x.Fail(code, refusal(code, s))
	}
}

func (x *Exchange) failBehind(s rsm.Status, index uint64) {
	x.Fail(codeBehind, fmt.Sprintf("Node %d has applied up to index %d, and %d was asked for. %s",
		s.NodeID, s.Applied, index, leadership(s)))
}
