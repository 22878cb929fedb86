//go:build unix && !linux

package torture

import (
	"errors"

	"drystone/internal/proc/child"
)

var errNotHere = errors.New("small disks can only be mounted on Linux")

func apart(child.Spawner) error { return errNotHere }

func mountSmall(child.Spawner, string) (*smallDisk, error) { return nil, errNotHere }
