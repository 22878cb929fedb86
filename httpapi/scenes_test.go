package httpapi

import (
	"bytes"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// scene is what a user meets on a bad day: each request of it and each reply to it are in a golden
// file of its name.
type scene struct {
	name string
	day  func(*local) // what is wrong with the cluster
	ask  func(*front) answer
}

var scenes = slices.Concat(refusals, memberScenes, clusterScenes, sessionScenes)

// Every scene reads as its golden file has it.
func TestScenes(t *testing.T) {
	names := map[string]bool{}
	for _, s := range scenes {
		if names[s.name] {
			t.Errorf("there are two scenes %s", s.name)
		}
		names[s.name] = true
		t.Run(s.name, func(t *testing.T) {
			f := newFront(t)
			f.api.Handle("GET", "/panic", func(*Exchange) { panic("boom") })
			f.service.With(s.day)
			s.ask(f)
			var got []byte
			for _, e := range f.held.exchanges() {
				got = append(got, e...)
			}
			file := filepath.Join("testdata", "scenes", s.name+".txt")
			if *update {
				writeFile(t, file, got)
			}
			if want, _ := os.ReadFile(file); !bytes.Equal(got, want) {
				t.Errorf("got\n%s\nwant\n%s\n(-update writes it anew)", got, want)
			}
		})
	}
	if files, _ := filepath.Glob("testdata/scenes/*.txt"); len(files) != len(scenes) {
		t.Errorf("%d golden files for %d scenes", len(files), len(scenes))
	}
}

// bareWords are those of a library or of a mistake in a format: no user can act on them.
var bareWords = regexp.MustCompile(`context (deadline|canceled)|\bEOF\b|dial tcp|i/o timeout|` +
	`connection re(fused|set)|broken pipe|%!|<nil>|\*errors|goroutine |panic|0x[0-9a-f]{6}`)

// No golden file has the words of a library in it, and each problem has all of its fields, with
// something in them. Every code of the table is in one.
func TestScenesInWords(t *testing.T) {
	files, _ := filepath.Glob("testdata/scenes/*.txt")
	if len(files) < 60 {
		t.Fatalf("only %d golden files", len(files))
	}
	problems, met := 0, map[string]bool{}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(text)) {
			if words := bareWords.FindString(line); words != "" && !strings.HasPrefix(line, "GET ") {
				t.Errorf("%s: %q in %s", file, words, line)
			}
			if !strings.HasPrefix(line, `{"type":`) {
				continue
			}
			problems++
			met[regexp.MustCompile(`"code":"([a-z_]+)"`).FindStringSubmatch(line)[1]] = true
			for _, field := range []string{"code", "outcome", "request_id", "next", "detail"} {
				if !regexp.MustCompile(`"` + field + `":"[^"]`).MatchString(line) {
					t.Errorf("%s: no %s in %s", file, field, line)
				}
			}
			if !regexp.MustCompile(`"retry_safe":(true|false)`).MatchString(line) {
				t.Errorf("%s: no retry_safe in %s", file, line)
			}
			if !regexp.MustCompile(`"detail":"[^"]*(\\"[^"]*)*[.…]",`).MatchString(line) {
				t.Errorf("%s: the detail is no sentence: %s", file, line)
			}
		}
	}
	for _, e := range Explanations() {
		if len(e.Statuses) > 0 && !met[e.Code] {
			t.Errorf("no scene shows %s", e.Code)
		}
	}
	if problems < 60 {
		t.Errorf("only %d problems", problems)
	}
}

// ownID is what differs from run to run: the name that a front gives to a request of its own.
var ownID = regexp.MustCompile(`front-[0-9a-z]+`)

// goldenHeaders are those of a reply that clients act on.
var goldenHeaders = []string{"Content-Type", "Retry-After", "Allow", "Deprecation", "Link",
	"Drystone-Request-Id", "Drystone-Index", "Drystone-Term", "Drystone-Stale-Ms", "Drystone-Empty",
	"Idempotency-Replayed"}

func (a answer) golden() []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "%d %s\n", a.status, http.StatusText(a.status))
	for _, name := range goldenHeaders {
		if v := a.header.Get(name); v != "" {
			fmt.Fprintf(&b, "%s: %s\n", name, v)
		}
	}
	b.WriteString("\n" + a.body)
	return ownID.ReplaceAll(b.Bytes(), []byte("front-…"))
}

// goldenRequest is a request without what every client adds by itself.
func goldenRequest(r *http.Request, body []byte) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "%s %.100s\n", r.Method, r.RequestURI)
	if !strings.HasPrefix(r.Host, "127.0.0.1:") {
		fmt.Fprintf(&b, "Host: %s\n", r.Host)
	}
	for _, name := range sortedKeys(r.Header) {
		if name != "User-Agent" && name != "Accept-Encoding" && name != "Content-Length" {
			fmt.Fprintf(&b, "%s: %s\n", name, strings.Join(r.Header[name], ", "))
		}
	}
	if len(body) > 0 {
		fmt.Fprintf(&b, "\n%.60s", body)
		if len(body) > 60 {
			fmt.Fprintf(&b, "… (%d bytes)", len(body))
		}
		b.WriteByte('\n')
	}
	return b.Bytes()
}
