package main

import (
	"fmt"
	"maps"
	"net"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"drystone/roster"
)

// memberList is the value of --cluster: peer addresses by node number.
type memberList map[uint64]string

// parseMembers reads addresses separated by commas: http://h:p or h:p, whose place is the node's
// number, or id=h:p. The two ways do not mix.
func parseMembers(text string) (memberList, error) {
	list := memberList{}
	if strings.TrimSpace(text) == "" {
		return list, nil
	}
	numbered := strings.Contains(text, "=")
	for i, item := range strings.Split(text, ",") {
		item = strings.TrimSpace(item)
		id := uint64(i + 1)
		if name, address, ok := strings.Cut(item, "="); ok {
			n, err := strconv.ParseUint(strings.TrimSpace(name), 10, 64)
			if err != nil || n == 0 {
				return nil, fmt.Errorf("%q: a node number before = is 1 or more", item)
			}
			id, item = n, strings.TrimSpace(address)
		} else if numbered {
			return nil, fmt.Errorf("%q has no number, but others have: number all or none", item)
		}
		address, err := peerAddress(item)
		if err != nil {
			return nil, err
		}
		if other, ok := list[id]; ok {
			return nil, fmt.Errorf("node %d is named twice, as %s and %s", id, other, address)
		}
		for other, taken := range list {
			if taken == address {
				return nil, fmt.Errorf("nodes %d and %d have the same address %s", other, id, address)
			}
		}
		list[id] = address
	}
	return list, nil
}

// peerAddress takes http://h:p or h:p and returns h:p.
func peerAddress(text string) (string, error) {
	if strings.HasPrefix(text, "https://") {
		return "", fmt.Errorf("%s: peers don't speak TLS in this version; give http://h:p or h:p", text)
	}
	address := strings.TrimSuffix(strings.TrimPrefix(text, "http://"), "/")
	return checkAddress(address)
}

// checkAddress makes sure of the form host:port.
func checkAddress(address string) (string, error) {
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		return "", fmt.Errorf("%q is no address: host and port are needed, as in 127.0.0.1:12379",
			address)
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || n > 65535 {
		return "", fmt.Errorf("%q: the port must be a number up to 65535", address)
	}
	if strings.ContainsFunc(address, noHost) {
		return "", fmt.Errorf("%q is no address: no host has such a name", address)
	}
	if !roster.Valid("", address) {
		return "", fmt.Errorf("%.60q…: an address has at most 300 bytes, of UTF-8", address)
	}
	return address, nil
}

// noHost says whether a character can stand in no host's name.
func noHost(c rune) bool {
	return unicode.IsSpace(c) || unicode.IsControl(c) || strings.ContainsRune("=/,@?#", c)
}

func (l memberList) ids() []uint64 { return slices.Sorted(maps.Keys(l)) }

// String is a form that parseMembers reads back.
func (l memberList) String() string {
	var items []string
	for _, id := range l.ids() {
		items = append(items, fmt.Sprintf("%d=%s", id, l[id]))
	}
	return strings.Join(items, ",")
}

// nodeWords names nodes: "node 1", "nodes 1, 2 and 3".
func nodeWords(ids []uint64) string {
	switch len(ids) {
	case 0:
		return "no node"
	case 1:
		return fmt.Sprintf("node %d", ids[0])
	}
	var words []string
	for _, id := range ids[:len(ids)-1] {
		words = append(words, strconv.FormatUint(id, 10))
	}
	return fmt.Sprintf("nodes %s and %d", strings.Join(words, ", "), ids[len(ids)-1])
}
