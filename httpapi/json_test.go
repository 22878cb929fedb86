package httpapi

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"
)

type pushBody struct {
	values        [][]byte
	end, encoding string
	count         uint64
}

func readPushBody(data []byte) (b pushBody, err *jsonError) {
	err = readObject(data, fieldTexts("values", &b.values), fieldText("end", &b.end),
		fieldText("encoding", &b.encoding), fieldNumber("count", &b.count, 0))
	return b, err
}

// What the reader takes, the standard library reads the same way; what it appends, too.
func FuzzJSON(f *testing.F) {
	for _, s := range []string{
		`{}`, ` { } `, `{"values":["1","2"],"end":"top"}`, `{"values":[]}`, `{"count":18446744073709551615}`,
		`{"values":["\ud83d\ude00\u0000\n\"\\\/\b\f\t"]}`, `{"values":["\ud83d"]}`, "{\"values\":[\"\xff\"]}",
		`{"values":["a"],"values":["b"]}`, `{"encoding":"base64","values":["AA=="]}`, `{"end":"é😀"}`,
		`[`, `{"values":`, `{"a":1}`, `{"count":-0}`, `{"count":00}`, `{"values":["x"]} x`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		b, err := readPushBody(bytes.Clone(data))
		if err != nil {
			if byCode[err.code] == nil || err.detail == "" {
				t.Errorf("%q: error %q %q", data, err.code, err.detail)
			}
			return
		}
		var std struct {
			Values        []string `json:"values"`
			End, Encoding string
			Count         uint64
		}
		if err := json.Unmarshal(data, &std); err != nil {
			t.Fatalf("%q is taken, and is no JSON: %v", data, err)
		}
		if len(std.Values) != len(b.values) || std.End != b.end || std.Encoding != b.encoding ||
			std.Count != b.count {
			t.Fatalf("%q: read %+v, the library %+v", data, b, std)
		}
		for i, v := range b.values {
			if std.Values[i] != string(v) || !utf8.Valid(v) {
				t.Fatalf("%q: values[%d] is %q, the library's %q", data, i, v, std.Values[i])
			}
		}
		rendered := append([]byte(`{"values":`), appendValues(nil, b.values, false)...)
		again, err := readPushBody(append(rendered, '}'))
		if err != nil || len(again.values) != len(b.values) {
			t.Fatalf("%s cannot be read back: %v", rendered, err)
		}
		for i := range b.values {
			if !bytes.Equal(again.values[i], b.values[i]) {
				t.Fatalf("%q comes back as %q", b.values[i], again.values[i])
			}
		}
		if decodeValues("base64", b.values) == nil {
			for i, v := range again.values {
				if got := string(appendValue(nil, b.values[i], true)); got != `"`+string(v)+`"` {
					t.Fatalf("%q decoded and encoded is %s", v, got)
				}
			}
		}
	})
}

func FuzzAppendString(f *testing.F) {
	for _, s := range []string{
		"", "a", "\x00\x1f\x7f\"\\/", "é😀\u2028", "\xff", "a\xc3", "\xed\xa0\x80b",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		var back string
		if err := json.Unmarshal(appendString(nil, s), &back); err != nil {
			t.Fatalf("%q is rendered as %s: %v", s, appendString(nil, s), err)
		}
		if want := strings.ToValidUTF8(s, "\ufffd"); utf8.ValidString(s) && back != want {
			t.Errorf("%q comes back as %q", s, back)
		}
	})
}

// Errors name the place.
func TestJSONErrors(t *testing.T) {
	for in, want := range map[string]string{
		``:                      "At byte 1 of the JSON: an object, as in {…} is expected.",
		`{"values":["a" "b"]}`:  "At byte 16 of the JSON: a comma or ] is expected.",
		`{"end":"a","end":"b"}`: "At byte 12 of the JSON: the field \"end\" is given twice.",
		`{"end":7}`:             "At byte 8 of the JSON: a string is expected, in double quotes.",
		`{} {}`:                 "At byte 4 of the JSON: the object has ended, and something follows.",
		`{"nd":"a"}`:            "There is no field \"nd\" here; there is values, end, encoding and count.",
		`{"count":"1"}`:         "At byte 10 of the JSON: count must be a number.",
	} {
		if _, err := readPushBody([]byte(in)); err == nil || err.detail != want {
			t.Errorf("%s: %v, want %s", in, err, want)
		}
	}
	if err := readObject([]byte(`{"a":1}`)); err == nil || !strings.Contains(err.detail, "there is none") {
		t.Errorf("%v", err)
	}
}
