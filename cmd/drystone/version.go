package main

import (
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"
)

// version is set by a release build: -ldflags "-X main.version=1.2.3".
var version = "dev"

func newVersionCommand(g *globals) *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Show the version",
		Args:  noArguments,
		RunE: func(c *cobra.Command, _ []string) error {
			v := struct {
				Version  string   `json:"version"`
				Revision string   `json:"revision,omitempty"`
				Go       string   `json:"go"`
				Platform string   `json:"platform"`
				Engines  []string `json:"engines"`
			}{version, revision(), runtime.Version(), runtime.GOOS + "/" + runtime.GOARCH,
				engineNames()}
			if g.json {
				return printJSON(c.OutOrStdout(), v)
			}
			built := v.Go + ", " + v.Platform
			if v.Revision != "" {
				built = v.Revision + ", " + built
			}
			fmt.Fprintf(c.OutOrStdout(), "drystone %s (%s; engine %s)\n", v.Version, built,
				engineWords())
			return nil
		},
	}
}

// revision is the commit this was built from, "" if the build does not say.
func revision() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return ""
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" {
			return s.Value
		}
	}
	return ""
}
