package main

import (
	"io"
	"log/slog"
	"os"

	"github.com/lmittmann/tint"
	"golang.org/x/term"
)

// newLogger writes to w: text for people, in colour on a terminal, or a line of JSON for each.
func newLogger(w io.Writer, format, level string) (*slog.Logger, error) {
	var least slog.Level
	switch level {
	case "debug":
		least = slog.LevelDebug
	case "info":
		least = slog.LevelInfo
	case "warn":
		least = slog.LevelWarn
	case "error":
		least = slog.LevelError
	default:
		return nil, misused("--log-level %s: debug, info, warn or error is needed", level)
	}
	switch format {
	case "json":
		return slog.New(slog.NewJSONHandler(w, &slog.HandlerOptions{Level: least})), nil
	case "text":
		return slog.New(tint.NewTextHandler(w, &tint.Options{
			Level:      least,
			TimeFormat: logTimeFormat,
			NoColor:    !isTerminal(w) || os.Getenv("NO_COLOR") != "",
		})), nil
	}
	return nil, misused("--log-format %s: text or json is needed", format)
}

const logTimeFormat = "2006-01-02 15:04:05.000"

func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}
