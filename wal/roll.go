package wal

import (
	"errors"
	"fmt"
	"io/fs"

	"drystone/disk"
)

// zeroBytes is written at once when a segment is made ready; a sync follows every few of them, so
// that the log's own syncs find no mountain of dirty pages in front of them.
const (
	zeroBytes     = 1 << 20
	zeroSyncBytes = 4 << 20
)

// begin writes the first segment of a new log. From then on its absence means that it was lost.
func (l *Log) begin() error {
	if err := l.write(append([]byte(nil), noHeader[:]...)); err != nil {
		return fmt.Errorf("begin log: %w", err)
	}
	return nil
}

// roll makes a file for the next segment, with room for a group of need bytes. Its name is durable
// before anything is written to it, so whatever bytes of its generation are ever found are in it.
//
// The first segment of a life is made on the spot, small: a node that starts again and again uses
// up no spares. Then the best is a spare. Without one the file grows as it is written, which is
// slower, but nobody waits for a whole segment of zeros.
func (l *Log) roll(need int64) (*segment, disk.File, error) {
	s := &segment{gen: l.nextGen, salt: mix(l.options.Salt, l.nextGen), base: l.tail.last}
	s.name = segmentName(s.gen, s.salt)
	l.nextGen++
	switch small := min(firstBytes, l.options.SegmentBytes); {
	case l.own == 0 && need <= small:
		s.size, s.limit = small, small
		file, err := createZeroed(l.dir, s.name, small)
		if err != nil {
			return nil, nil, disk.Full(err)
		}
		return l.named(s, file)
	case l.spare && need <= l.options.SegmentBytes:
		s.size, s.limit = l.options.SegmentBytes, l.options.SegmentBytes
		if err := l.dir.Rename(spareName, s.name); err != nil {
			return nil, nil, disk.Full(err)
		}
		l.spare = false
		file, err := l.dir.Open(s.name)
		if err != nil {
			return nil, nil, err
		}
		return l.named(s, file)
	default:
		s.limit = max(need, l.options.SegmentBytes)
		file, err := l.dir.Create(s.name)
		if err != nil {
			return nil, nil, disk.Full(err)
		}
		return l.named(s, file)
	}
}

// named makes a segment's name durable.
func (l *Log) named(s *segment, file disk.File) (*segment, disk.File, error) {
	if err := l.dir.Sync(); err != nil {
		file.Close()
		return nil, nil, err
	}
	return s, file, nil
}

// take makes s, whose first group is durable, the segment to write to.
func (l *Log) take(s *segment, file disk.File) {
	if l.file != nil {
		l.file.Close()
	}
	l.file = file
	l.segments = append(l.segments, *s)
	l.own++
}

// abandon gives up a segment that nothing became durable in.
func (l *Log) abandon(name string, file disk.File) {
	file.Close()
	l.junk = append(l.junk, name)
}

// createZeroed makes a file of size zero bytes, all of them durable.
func createZeroed(dir disk.Dir, name string, size int64) (disk.File, error) {
	file, err := dir.Create(name)
	if err != nil {
		return nil, err
	}
	zeros := make([]byte, min(zeroBytes, size))
	for off := int64(0); off < size && err == nil; off += int64(len(zeros)) {
		zeros = zeros[:min(int64(len(zeros)), size-off)]
		_, err = file.WriteAt(zeros, off)
		if next := off + int64(len(zeros)); err == nil && (next%zeroSyncBytes == 0 || next == size) {
			err = file.Datasync()
		}
	}
	if err != nil {
		file.Close()
		// The disk may be full: leave nothing behind. Best effort; the next one replaces it.
		_ = dir.Remove(name)
		return nil, err
	}
	return file, nil
}

// Prepare makes one spare segment if none is ready, so that the next rotation costs nothing, and
// gives space back that earlier lives left. It may take long, and runs beside Append. After a
// *disk.FullError the log goes on without a spare; after any other error the disk is not to be
// trusted, and the caller should stop.
func (l *Log) Prepare() error {
	l.mu.Lock()
	err := l.err
	if err == nil {
		_, err = l.tidy()
	}
	if err != nil || l.spare || l.preparing {
		l.mu.Unlock()
		return err
	}
	l.preparing = true
	l.mu.Unlock()

	err = l.makeSpare()

	l.mu.Lock()
	defer l.mu.Unlock()
	l.preparing = false
	if err != nil {
		return fmt.Errorf("prepare segment: %w", disk.Full(err))
	}
	if l.spare {
		err = l.dir.Remove(spareTemp) // Release was faster
	} else {
		err = l.dir.Rename(spareTemp, spareName)
	}
	if err != nil {
		return fmt.Errorf("prepare segment: %w", disk.Full(err))
	}
	l.spare = true
	return nil
}

func (l *Log) makeSpare() error {
	if err := l.dir.Remove(spareTemp); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	file, err := createZeroed(l.dir, spareTemp, l.options.SegmentBytes)
	if err != nil {
		return err
	}
	return file.Close()
}

// RemoveSpare gives the spare's space back to a full disk. No log is open in dir.
func RemoveSpare(dir disk.Dir) error {
	for _, name := range []string{spareTemp, spareName} {
		if err := dir.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("remove spare segment: %w", err)
		}
	}
	return nil
}

// findSpare looks for the spare of an earlier life.
func (l *Log) findSpare() error {
	file, err := l.dir.OpenRead(spareName)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("open spare segment: %w", err)
	}
	defer file.Close()
	size, err := file.Size()
	if err != nil {
		return fmt.Errorf("open spare segment: %w", err)
	}
	l.spare = size == l.options.SegmentBytes
	return nil
}
