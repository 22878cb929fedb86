package store

import "drystone/rsm"

// MaxReplyBytes bounds the values in one reply: a Pop, or Items, ends early rather than pass it,
// but not before its first item.
const MaxReplyBytes = 16 << 20

func validName(name string) bool { return len(name) >= MinNameBytes && len(name) <= MaxNameBytes }

func validEnd(end End) bool { return end == Top || end == Bottom }

func (s *Store) createStack(c CreateStack) Reply {
	if !validName(c.Stack) {
		return Reply{Code: BadRequest}
	}
	if k, found := s.stacks.Get(c.Stack); found {
		return Reply{Size: k.size()}
	}
	s.create(c.Stack)
	return Reply{Created: true}
}

// deleteStack takes time that does not grow with the stack: its sums go with it.
func (s *Store) deleteStack(c DeleteStack) Reply {
	if !validName(c.Stack) {
		return Reply{Code: BadRequest}
	}
	k, found := s.stacks.Get(c.Stack)
	if !found {
		return Reply{Code: NoSuchStack}
	}
	s.stacks.Delete(c.Stack)
	s.bytes -= k.bytes + uint64(len(c.Stack)) + stackBytes
	s.hash -= k.hash()
	return Reply{}
}

// push checks everything before it changes anything: all values or none.
func (s *Store) push(ctx *rsm.Context, c Push) Reply {
	if !validName(c.Stack) || !validEnd(c.End) {
		return Reply{Code: BadRequest}
	}
	for _, value := range c.Values {
		if uint64(len(value)) > ctx.Settings.MaxValueBytes {
			return Reply{Code: TooLarge}
		}
	}
	k, found := s.stacks.Get(c.Stack)
	if !found {
		if c.MustExist {
			return Reply{Code: NoSuchStack}
		}
		k = s.create(c.Stack)
	}
	k = s.change(c.Stack, k)
	for _, value := range c.Values {
		k.push(value, c.End)
	}
	s.changed(k)
	return Reply{Created: !found, Size: k.size()}
}

func (s *Store) pop(c Pop) Reply {
	if !validName(c.Stack) || !validEnd(c.End) || c.Count == 0 {
		return Reply{Code: BadRequest}
	}
	k, found := s.stacks.Get(c.Stack)
	if !found {
		return Reply{Code: NoSuchStack}
	}
	count := min(c.Count, k.size())
	if count == 0 {
		return Reply{}
	}
	k = s.change(c.Stack, k)
	values := make([][]byte, 0, min(count, MaxListed))
	for bytes := 0; uint64(len(values)) < count; {
		bytes += len(k.end(c.End))
		if len(values) > 0 && bytes > MaxReplyBytes {
			break
		}
		values = append(values, []byte(k.pop(c.End)))
	}
	s.changed(k)
	return Reply{Size: k.size(), Values: values}
}
