package main

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/BurntSushi/toml"
	"github.com/spf13/pflag"
)

// source is where a setting came from. Flags win over the environment over the file.
type source int

const (
	fromDefault source = iota
	fromFile
	fromEnvironment
	fromFlag
)

// sources tells where each setting that was given came from.
type sources map[string]source

func (s sources) rank(name string) int { return int(s[name]) }

const envPrefix = "DRYSTONE_"

// clientVariables are read by the client commands, and no settings of a node.
var clientVariables = []string{"DRYSTONE_ENDPOINTS", "DRYSTONE_TOKEN", "DRYSTONE_TIMEOUT"}

func envName(flag string) string {
	return envPrefix + strings.ToUpper(strings.ReplaceAll(flag, "-", "_"))
}

// fill completes a parsed command line from the environment, then from the TOML file that
// --config names. It returns where each setting came from, and variables that look like settings
// but are none.
func fill(flags *pflag.FlagSet, environ []string) (from sources, strange []string, err error) {
	from = sources{}
	env := map[string]string{}
	for _, kv := range environ {
		if name, value, _ := strings.Cut(kv, "="); strings.HasPrefix(name, envPrefix) {
			env[name] = value
		}
	}
	known := map[string]bool{}
	flags.VisitAll(func(f *pflag.Flag) {
		known[envName(f.Name)] = true
		if f.Changed {
			from[f.Name] = fromFlag
			return
		}
		value := env[envName(f.Name)]
		if value == "" || err != nil { // an empty variable is one that is not set
			return
		}
		if setErr := f.Value.Set(value); setErr != nil {
			err = misused("%s=%q in the environment: %s", envName(f.Name), value, valueWords(f, setErr))
		}
		from[f.Name] = fromEnvironment
	})
	if err != nil {
		return nil, nil, err
	}
	for _, name := range slices.Sorted(maps.Keys(env)) {
		if !known[name] && !slices.Contains(clientVariables, name) {
			strange = append(strange, name)
		}
	}
	if path := flags.Lookup("config").Value.String(); path != "" {
		err = fillFromFile(flags, from, path)
	}
	return from, strange, err
}

func fillFromFile(flags *pflag.FlagSet, from sources, path string) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return misused("--config %s: %s", path, fileWords(err))
	}
	keys := map[string]any{}
	if err := toml.Unmarshal(text, &keys); err != nil {
		var parse toml.ParseError
		if errors.As(err, &parse) {
			return misused("%s is not TOML: line %d: %s", path, parse.Position.Line, parse.Message)
		}
		return misused("%s is not TOML: %v", path, err)
	}
	for _, key := range slices.Sorted(maps.Keys(keys)) {
		f := flags.Lookup(strings.ReplaceAll(key, "_", "-"))
		if f == nil || f.Name == "config" || f.Name == "help" {
			return misused("%s: there is no setting %q", path, key)
		}
		value, err := tomlText(keys[key])
		if err != nil {
			return misused("%s: %s: %v", path, key, err)
		}
		if from[f.Name] > fromFile {
			continue
		}
		if err := f.Value.Set(value); err != nil {
			return misused("%s: %s = %s: %s", path, key, value, valueWords(f, err))
		}
		from[f.Name] = fromFile
	}
	return nil
}

// tomlText is a TOML value as it would stand on the command line.
func tomlText(v any) (string, error) {
	switch v := v.(type) {
	case string:
		return v, nil
	case int64:
		return strconv.FormatInt(v, 10), nil
	case bool:
		return strconv.FormatBool(v), nil
	case []any:
		var items []string
		for _, item := range v {
			text, err := tomlText(item)
			if err != nil {
				return "", err
			}
			items = append(items, text)
		}
		return strings.Join(items, ","), nil
	}
	return "", fmt.Errorf("a text, a whole number, true or false, or a list of them is needed")
}

// valueWords says what is wrong with a flag's value, without the parser's own words.
func valueWords(f *pflag.Flag, err error) string {
	switch f.Value.Type() {
	case "bool":
		return "true or false is needed"
	case "duration":
		return "a duration is needed, such as 50ms, 2s or 10m"
	case "float64":
		return "a number is needed"
	case "uint64", "uint16", "int":
		return "a whole number is needed"
	}
	return err.Error()
}

// fileWords says why a file can't be had.
func fileWords(err error) string {
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "there is no such file"
	case errors.Is(err, fs.ErrPermission):
		return "permission denied"
	}
	var path *fs.PathError
	if errors.As(err, &path) {
		return path.Err.Error()
	}
	return err.Error()
}
