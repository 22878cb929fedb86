package httpapi

import (
	"maps"
	"net/http"
	"slices"
	"strings"
)

// router finds a route by the path as it was sent, still percent-encoded: a name may hold any
// byte, a slash among them, and "." and ".." are names like any other. Go's own ServeMux cleans
// paths and redirects, which would make such names unreachable.
type router struct{ root routeNode }

type routeNode struct {
	literal map[string]*routeNode
	param   *routeNode // matches any one segment
	rest    *routeNode // matches all that is left, slashes too
	methods map[string]Handler
	allow   []string // the value of the Allow header
	plain   bool     // errors are one line of text
}

// add registers a handler. pattern begins with a slash; a segment {…} takes any one segment, and
// a last segment {…...} all that is left. Literal segments go before {…}. It panics on a pattern
// that is malformed or taken, which is a mistake in the program.
func (r *router) add(method, pattern string, h Handler) *routeNode {
	path, ok := strings.CutPrefix(pattern, "/")
	assert(ok && method != "" && h != nil, "httpapi: a route is a method, a /pattern and a handler")
	n := &r.root
	for last := false; !last; {
		var segment string
		segment, path, ok = strings.Cut(path, "/")
		last = !ok
		n = n.child(segment, last)
	}
	assert(n.methods[method] == nil, "httpapi: "+method+" "+pattern+" is registered twice")
	if n.methods == nil {
		n.methods = map[string]Handler{}
	}
	n.methods[method] = h
	names := slices.Collect(maps.Keys(n.methods))
	if n.methods[http.MethodGet] != nil && n.methods[http.MethodHead] == nil {
		names = append(names, http.MethodHead)
	}
	slices.Sort(names)
	n.allow = []string{strings.Join(names, ", ")}
	return n
}

func (n *routeNode) child(segment string, last bool) *routeNode {
	where := &n.param
	switch isParam := strings.HasPrefix(segment, "{") && strings.HasSuffix(segment, "}"); {
	case isParam && strings.HasSuffix(segment, "...}"):
		assert(last, "httpapi: {…...} must be last in a pattern")
		where = &n.rest
	case !isParam:
		if n.literal == nil {
			n.literal = map[string]*routeNode{}
		}
		c := n.literal[segment]
		if c == nil {
			c = &routeNode{}
			n.literal[segment] = c
		}
		return c
	}
	if *where == nil {
		*where = &routeNode{}
	}
	return *where
}

// find returns the node of a path, or nil, and appends what its parameters stand for, still
// encoded.
func (r *router) find(path string, params []string) (*routeNode, []string) {
	path, ok := strings.CutPrefix(path, "/")
	if !ok {
		return nil, params
	}
	return r.root.find(path, params)
}

func (n *routeNode) find(path string, params []string) (*routeNode, []string) {
	segment, tail, more := strings.Cut(path, "/")
	step := func(c *routeNode, with []string) (*routeNode, []string) {
		if c == nil {
			return nil, nil
		}
		if more {
			return c.find(tail, with)
		}
		if c.methods == nil {
			return nil, nil
		}
		return c, with
	}
	if found, p := step(n.literal[segment], params); found != nil {
		return found, p
	}
	if found, p := step(n.param, append(params, segment)); found != nil {
		return found, p
	}
	if n.rest != nil {
		return n.rest, append(params, path)
	}
	return nil, params
}

func assert(ok bool, msg string) {
	if !ok {
		panic(msg)
	}
}
