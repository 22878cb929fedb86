package disk

// garbleDefault is the percentage of a new disk.
const garbleDefault = 20

// SetGarble sets how many percent of the unsynced writes a crash garbles, instead of keeping,
// losing or tearing them: some of the sectors that such a write touches then hold noise, also where
// they held what was durable before. A sector that the write would not have changed stays as it is.
func (m *Mem) SetGarble(percent int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.garble = percent
}

// garbles says whether the luck of a crash is to garble a write. Without a percentage it costs no
// luck.
func (r *random) garbles(c change, percent int) bool {
	return percent > 0 && !c.truncate && c.n > 0 && r.below(100) < percent
}

// scramble decides for each sector of a write by itself whether it is lost, kept or noise.
func (f *inode) scramble(c change, r *random) {
	for i := range c.sectors() {
		s := f.sector(c, i)
		switch r.below(3) {
		case 0:
		case 1:
			f.apply(&f.durable, s)
		default:
			if f.changes(s) {
				f.noise(s, r)
			}
		}
	}
}

// changes says whether a write within a sector would change what is durable.
func (f *inode) changes(s change) bool {
	if s.at+s.n > f.durable.size {
		return true
	}
	b := make([]byte, s.n)
	f.durable.read(b, s.at)
	if s.zeros {
		return !allZero(b)
	}
	return string(b) != string(f.arena[s.from:s.from+int(s.n)])
}

// noise fills the whole sector that a write lies in, as far as the file reaches.
func (f *inode) noise(s change, r *random) {
	first := s.at / sectorBytes * sectorBytes
	end := min(first+sectorBytes, max(f.durable.size, s.at+s.n))
	b := make([]byte, end-first)
	for i := range b {
		b[i] = byte(r.next())
	}
	f.durable.write(b, first)
}
