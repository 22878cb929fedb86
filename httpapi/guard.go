package httpapi

import (
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"strings"
)

// admit keeps browsers from being clients by accident: it refuses requests addressed to a name
// that is not ours (a page elsewhere may have its own name resolve to this address), and writes
// that a page of another origin makes.
func (a *API) admit(x *Exchange) bool {
	if host := hostOf(x.r.Host); !a.knows(host, x.r) {
		x.Fail(codeForeignHost, fmt.Sprintf("The request is addressed to the host %s, which is "+
			"neither loopback nor an address that this node listens on or advertises.", quoted(host)))
		return false
	}
	if err := a.origins.Check(x.r); err != nil {
		from := "a page of another origin"
		if o := x.r.Header.Get("Origin"); o != "" {
			from = "a page of the origin " + quoted(o)
		}
		x.Fail(codeCrossOrigin, fmt.Sprintf("The browser says that this %s comes from %s, which "+
			"this node does not serve.", x.r.Method, from))
		return false
	}
	return true
}

// knows says whether a host is one of ours: none (HTTP/1.0), loopback, configured, or the very
// address that the connection came in at.
func (a *API) knows(host string, r *http.Request) bool {
	if r.Host == "" || host == "localhost" || a.hosts[host] {
		return true
	}
	ip, err := netip.ParseAddr(host)
	if err != nil {
		return false
	}
	if ip = ip.Unmap(); ip.IsLoopback() || a.hosts[ip.String()] {
		return true
	}
	local, ok := r.Context().Value(http.LocalAddrContextKey).(*net.TCPAddr)
	return ok && local.AddrPort().Addr().Unmap().WithZone("") == ip.WithZone("")
}

// hostOf strips the port, the brackets of IPv6, a final dot, and the case of letters.
func hostOf(hostport string) string {
	host := hostport
	if i := strings.LastIndexByte(host, ':'); i >= 0 && strings.LastIndexByte(host, ']') < i &&
		(strings.IndexByte(host, ':') == i || strings.HasPrefix(host, "[")) {
		host = host[:i]
	}
	host = strings.TrimSuffix(strings.TrimPrefix(host, "["), "]")
	return strings.ToLower(strings.TrimSuffix(host, "."))
}

// hostSet takes hosts as flags have them: `name`, `name:port`, `http://name:port`.
func hostSet(hosts []string) map[string]bool {
	set := map[string]bool{}
	for _, h := range hosts {
		if _, rest, ok := strings.Cut(h, "://"); ok {
			h = rest
		}
		h, _, _ = strings.Cut(h, "/")
		host := hostOf(h)
		if ip, err := netip.ParseAddr(host); err == nil {
			if ip.IsUnspecified() {
				continue // "all interfaces" is no name; the connection's own address is known then
			}
			host = ip.Unmap().String()
		}
		if host != "" {
			set[host] = true
		}
	}
	return set
}
