package disk

// Wipe empties the disk, as a new one in the old one's place. What was opened is dead.
func (m *Mem) Wipe() { m.Restore(NewMem(0)) }

// Restore puts what another disk holds in the place of all that is here: a backup, or an older
// image made by Clone. What was opened is dead; the image stays as it is.
func (m *Mem) Restore(image *Mem) {
	c := image.Clone()
	m.mu.Lock()
	defer m.mu.Unlock()
	m.life++
	m.now, m.durable, m.pending = c.now, c.durable, c.pending
}

// Evict drops the page cache, but for what waits to be written: reads then see what the disk holds,
// and no longer what a failed Datasync or a lost write only pretended to have put there.
func (m *Mem) Evict() {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, f := range m.now {
		f.now = f.durable.clone()
		for _, c := range f.pending {
			f.apply(&f.now, c)
		}
	}
}
