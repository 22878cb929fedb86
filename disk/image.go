package disk

const pageBytes = 4096

// image is a file's content. Pages that hold only zeros are not kept: a pre-zeroed segment costs
// what was written into it.
type image struct {
	pages []*[pageBytes]byte // nil: zeros
	size  int64
}

func (m *image) clone() image {
	c := image{pages: make([]*[pageBytes]byte, len(m.pages)), size: m.size}
	for i, p := range m.pages {
		if p != nil {
			q := *p
			c.pages[i] = &q
		}
	}
	return c
}

// grow extends the file with zeros to at least size.
func (m *image) grow(size int64) {
	if size <= m.size {
		return
	}
	for int64(len(m.pages))*pageBytes < size {
		m.pages = append(m.pages, nil)
	}
	m.size = size
}

func (m *image) truncate(size int64) {
	if size >= m.size {
		m.grow(size)
		return
	}
	// What is cut must read as zeros if the file grows again.
	m.zero(size, m.size-size)
	clear(m.pages[(size+pageBytes-1)/pageBytes:])
	m.pages = m.pages[:(size+pageBytes-1)/pageBytes]
	m.size = size
}

func (m *image) write(p []byte, at int64) {
	m.grow(at + int64(len(p)))
	for len(p) > 0 {
		i, from := at/pageBytes, at%pageBytes
		n := min(int64(len(p)), pageBytes-from)
		if m.pages[i] == nil {
			m.pages[i] = new([pageBytes]byte)
		}
		copy(m.pages[i][from:], p[:n])
		p, at = p[n:], at+n
	}
}

func (m *image) zero(at, n int64) {
	m.grow(at + n)
	for n > 0 {
		i, from := at/pageBytes, at%pageBytes
		k := min(n, pageBytes-from)
		switch {
		case k == pageBytes:
			m.pages[i] = nil
		case m.pages[i] != nil:
			clear(m.pages[i][from : from+k])
		}
		at, n = at+k, n-k
	}
}

// read fills p from at and returns how much of it lies within the file.
func (m *image) read(p []byte, at int64) int {
	if at >= m.size {
		return 0
	}
	p = p[:min(int64(len(p)), m.size-at)]
	done := 0
	for done < len(p) {
		i, from := at/pageBytes, at%pageBytes
		n := min(len(p)-done, int(pageBytes-from))
		if m.pages[i] == nil {
			clear(p[done : done+n])
		} else {
			copy(p[done:done+n], m.pages[i][from:])
		}
		done, at = done+n, at+int64(n)
	}
	return done
}

func allZero(p []byte) bool {
	for _, b := range p {
		if b != 0 {
			return false
		}
	}
	return true
}
