package snap

import (
	"errors"
	"io/fs"
	"strings"
	"testing"

	"drystone/disk"
)

// FuzzNames puts files of any names, a line each, into a directory: those that are taken for
// snapshots and parts are named as Save and Part name them, and stand in order.
func FuzzNames(f *testing.F) {
	part := Part(metaOf(8, 3)).Name
	f.Add(FileName(metaOf(4, 2)) + "\n" + FileName(metaOf(1<<63, 2)) + "\n" + part)
	f.Add("snap-1-1\nsnap-\nsnap-000000000000000A-0000000000000001\n" + part + partSuffix)
	f.Add(FileName(metaOf(4, 2)) + tempSuffix + "\n" + strings.ToUpper(part))
	f.Fuzz(func(t *testing.T, lines string) {
		d := disk.NewMem(1).Dir()
		for _, name := range strings.Split(lines, "\n") {
			if name == "" || strings.ContainsAny(name, `/\`+"\x00") || len(lines) > 1000 {
				continue
			}
			file, err := d.Create(name)
			if errors.Is(err, fs.ErrExist) {
				continue
			}
			if err != nil {
				t.Fatal(err)
			}
			file.Close()
		}
		whole, err := List(d)
		if err != nil {
			t.Fatal(err)
		}
		parts, err := Parts(d)
		if err != nil {
			t.Fatal(err)
		}
		for suffix, list := range map[string][]Info{"": whole, partSuffix: parts} {
			for i, info := range list {
				if info.Name != fileName(info.Index, info.Term)+suffix || !IsFile(info.Name) {
					t.Errorf("%q is read as %+v", info.Name, info)
				}
				if i > 0 && (info.Index > list[i-1].Index ||
					info.Index == list[i-1].Index && info.Term >= list[i-1].Term) {
					t.Errorf("%+v stands behind %+v", info, list[i-1])
				}
			}
		}
	})
}
