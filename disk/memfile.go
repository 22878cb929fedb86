package disk

import (
	"io"
	"io/fs"
)

// memFile is an open file of Mem.
type memFile struct {
	dir      *memDir
	node     *inode
	name     string
	readOnly bool
	closed   bool
}

// begin is memDir.begin for an operation on an open file.
func (f *memFile) begin(op Op) (asked, err error) {
	op.Name = f.name
	asked, err = f.dir.begin(op)
	if err == nil {
		err = f.allowed(op)
	}
	return asked, err
}

func (f *memFile) allowed(op Op) error {
	switch {
	case f.closed:
		return &fs.PathError{Op: op.Kind.String(), Path: f.name, Err: fs.ErrClosed}
	case f.readOnly && op.Kind != OpRead:
		return &fs.PathError{Op: op.Kind.String(), Path: f.name, Err: fs.ErrPermission}
	case op.Offset < 0:
		return &fs.PathError{Op: op.Kind.String(), Path: f.name, Err: fs.ErrInvalid}
	}
	return nil
}

func (f *memFile) ReadAt(p []byte, off int64) (int, error) {
	asked, err := f.begin(Op{Kind: OpRead, Offset: off, Length: len(p)})
	defer f.dir.m.mu.Unlock()
	if err != nil {
		return 0, err
	}
	if err := f.dir.m.end(asked); err != nil {
		return 0, err
	}
	if f.dir.m.strikes(ReadFails, f.name) {
		f.dir.m.struckAt(ReadFails, f.name, off, int64(len(p)))
		return 0, ioError(OpRead, f.name)
	}
	if good := f.node.readable(off, int64(len(p))); good < int64(len(p)) {
		return f.node.now.read(p[:good], off), ioError(OpRead, f.name)
	}
	n := f.node.now.read(p, off)
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

func (f *memFile) WriteAt(p []byte, off int64) (int, error) {
	asked, err := f.begin(Op{Kind: OpWrite, Offset: off, Length: len(p)})
	m := f.dir.m
	defer m.mu.Unlock()
	if err != nil {
		return 0, err
	}
	if refused(asked) {
		n := m.random.below(len(p) + 1)
		f.node.write(p[:n], off)
		return n, asked
	}
	n := m.fits(f.node, off, int64(len(p)))
	if n < int64(len(p)) {
		err = noSpace(OpWrite, f.name)
	} else if n > 0 && m.strikes(WriteShort, f.name) {
		n, err = int64(m.random.below(len(p))), ioError(OpWrite, f.name)
		m.struckAt(WriteShort, f.name, off, n)
	}
	if n > 0 {
		f.node.write(p[:n], off)
	}
	if crashed := m.end(asked); crashed != nil {
		return 0, crashed
	}
	return int(n), err
}

func (f *memFile) Truncate(size int64) error {
	asked, err := f.begin(Op{Kind: OpTruncate, Offset: size})
	defer f.dir.m.mu.Unlock()
	if err != nil {
		return err
	}
	if refused(asked) {
		return asked
	}
	if f.dir.m.fits(f.node, 0, size) < size {
		return noSpace(OpTruncate, f.name)
	}
	f.node.truncate(size)
	return f.dir.m.end(asked)
}

func (f *memFile) Datasync() error {
	asked, err := f.begin(Op{Kind: OpDatasync})
	defer f.dir.m.mu.Unlock()
	if err != nil {
		return err
	}
	if asked == nil && f.dir.m.strikes(SyncFails, f.name) {
		f.dir.m.struckAt(SyncFails, f.name, 0, 0)
		asked = ioError(OpDatasync, f.name)
	}
	if refused(asked) {
		f.node.forget()
		return asked
	}
	if err := f.dir.m.end(asked); err != nil {
		return err
	}
	f.dir.m.sync(f.name, f.node)
	return nil
}

func (f *memFile) Size() (int64, error) {
	m := f.dir.m
	m.mu.Lock()
	defer m.mu.Unlock()
	if f.dir.life != m.life {
		return 0, ErrCrashed
	}
	if err := f.allowed(Op{Kind: OpRead}); err != nil {
		return 0, err
	}
	return f.node.now.size, nil
}

func (f *memFile) Close() error {
	m := f.dir.m
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := f.allowed(Op{Kind: OpRead}); err != nil {
		return err
	}
	f.closed = true
	return nil
}
