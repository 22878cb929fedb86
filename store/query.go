package store

import "strings"

// MaxListed bounds the items or stacks in one reply to Items or ListStacks.
const MaxListed = 10_000

// listed is how many a reply may list when limit are asked for; 0 asks for as many as there may
// be.
func listed(limit uint64) int {
	if limit == 0 || limit > MaxListed {
		return MaxListed
	}
	return int(limit)
}

func (s *Store) getStack(q GetStack) Reply {
	if !validName(q.Stack) {
		return Reply{Code: BadRequest}
	}
	k, found := s.stacks.Get(q.Stack)
	if !found {
		return Reply{Code: NoSuchStack}
	}
	r := Reply{Size: k.size()}
	if q.WithTop && r.Size > 0 {
		r.Values = [][]byte{[]byte(k.end(Top))}
	}
	return r
}

func (s *Store) items(q Items) Reply {
	if !validName(q.Stack) {
		return Reply{Code: BadRequest}
	}
	k, found := s.stacks.Get(q.Stack)
	if !found {
		return Reply{Code: NoSuchStack}
	}
	r := Reply{Size: k.size()}
	if q.Offset >= r.Size {
		return r
	}
	limit, bytes := listed(q.Limit), 0
	for i := k.items.Len() - 1 - int(q.Offset); i >= 0 && len(r.Values) < limit; i-- {
		item := k.items.At(i)
		bytes += len(item)
		if len(r.Values) > 0 && bytes > MaxReplyBytes {
			break
		}
		r.Values = append(r.Values, []byte(item))
	}
	return r
}

func (s *Store) listStacks(q ListStacks) Reply {
	var r Reply
	limit := listed(q.Limit)
	for name, k := range s.stacks.From(max(q.Prefix, q.After)) {
		if name == q.After {
			continue
		}
		if !strings.HasPrefix(name, q.Prefix) {
			break
		}
		if len(r.Stacks) == limit {
			r.Next = r.Stacks[limit-1].Name
			break
		}
		r.Stacks = append(r.Stacks, StackInfo{Name: name, Size: k.size()})
	}
	return r
}
