package httpapi

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"

	"drystone/rsm"
)

// jsonReader reads the small objects that requests are, strictly: no unknown or repeated field,
// nothing after the end, no other type than expected, and no string that is not Unicode. A
// lenient reader would change a value, or ignore a misspelled option, in silence.
type jsonReader struct {
	data []byte
	pos  int
}

// jsonError is what is wrong, and under which code.
type jsonError struct {
	code   rsm.Code
	detail string
}

func (e *jsonError) Error() string { return e.detail }

func (j *jsonReader) malformed(format string, args ...any) *jsonError {
	return &jsonError{codeBadJSON, fmt.Sprintf("At byte %d of the JSON: ", j.pos+1) +
		fmt.Sprintf(format, args...)}
}

// jsonField says how to read the value of one field.
type jsonField struct {
	name string
	read func(j *jsonReader) *jsonError
}

// readObject reads a whole body as one object of the fields given, each optional.
func readObject(data []byte, fields ...jsonField) *jsonError {
	j := &jsonReader{data: data}
	if err := j.object(fields); err != nil {
		return err
	}
	if j.space(); j.pos < len(j.data) {
		return j.malformed("the object has ended, and something follows.")
	}
	return nil
}

func (j *jsonReader) object(fields []jsonField) *jsonError {
	if err := j.expect('{', "an object, as in {…}"); err != nil {
		return err
	}
	if j.space(); j.peek() == '}' {
		j.pos++
		return nil
	}
	var seen uint64 // a bit a field
	for {
		j.space()
		at := j.pos
		name, err := j.text("the name of a field")
		if err != nil {
			return err
		}
		i := 0
		for i < len(fields) && fields[i].name != string(name) {
			i++
		}
		switch {
		case i == len(fields):
			return &jsonError{codeUnknownField, "There is no field " + quoted(string(name)) +
				" here; there is " + fieldNames(fields) + "."}
		case seen&(1<<i) != 0:
			j.pos = at
			return j.malformed("the field %s is given twice.", quoted(string(name)))
		}
		seen |= 1 << i
		if err := j.expect(':', "a colon"); err != nil {
			return err
		}
		j.space()
		if err := fields[i].read(j); err != nil {
			return err
		}
		done, err := j.next('}')
		if done || err != nil {
			return err
		}
	}
}

func fieldNames(fields []jsonField) string {
	if len(fields) == 0 {
		return "none"
	}
	s := ""
	for i, f := range fields {
		switch {
		case i > 0 && i == len(fields)-1:
			s += " and "
		case i > 0:
			s += ", "
		}
		s += f.name
	}
	return s
}

// next passes a comma (false) or the end of an object or array (true).
func (j *jsonReader) next(end byte) (bool, *jsonError) {
	j.space()
	switch j.peek() {
	case end:
		j.pos++
		return true, nil
	case ',':
		j.pos++
		return false, nil
	}
	return false, j.malformed("a comma or %c is expected.", end)
}

func (j *jsonReader) space() {
	for j.pos < len(j.data) {
		switch j.data[j.pos] {
		case ' ', '\t', '\n', '\r':
			j.pos++
		default:
			return
		}
	}
}

// peek returns the next byte, or 0 at the end, which no token begins with.
func (j *jsonReader) peek() byte {
	if j.pos == len(j.data) {
		return 0
	}
	return j.data[j.pos]
}

func (j *jsonReader) expect(c byte, what string) *jsonError {
	if j.space(); j.peek() != c {
		return j.malformed("%s is expected.", what)
	}
	j.pos++
	return nil
}

// text reads a string. The result may be a part of the input.
func (j *jsonReader) text(what string) ([]byte, *jsonError) {
	if j.peek() != '"' {
		return nil, j.malformed("%s is expected, in double quotes.", what)
	}
	j.pos++
	start := j.pos
	for j.pos < len(j.data) { // what needs no unescaping, in one piece
		switch c := j.data[j.pos]; {
		case c == '"':
			piece := j.data[start:j.pos]
			if !utf8.Valid(piece) {
				return nil, j.malformed("the string is not UTF-8; send it with \"encoding\":\"base64\".")
			}
			j.pos++
			return piece[:len(piece):len(piece)], nil
		case c == '\\':
			return j.escaped(append([]byte{}, j.data[start:j.pos]...))
		case c < ' ':
			return nil, j.malformed("a control character must be written as \\u%04x.", c)
		}
		j.pos++
	}
	return nil, j.malformed("the string does not end.")
}

// escaped reads on from the first backslash of a string.
func (j *jsonReader) escaped(out []byte) ([]byte, *jsonError) {
	for j.pos < len(j.data) {
		c := j.data[j.pos]
		switch {
		case c == '"':
			if !utf8.Valid(out) {
				return nil, j.malformed("the string is not UTF-8; send it with \"encoding\":\"base64\".")
			}
			j.pos++
			return out, nil
		case c < ' ':
			return nil, j.malformed("a control character must be written as \\u%04x.", c)
		case c != '\\':
			out = append(out, c)
			j.pos++
			continue
		}
		j.pos++
		if e := j.peek(); e != 'u' {
			plain, ok := unescape(e)
			if !ok {
				return nil, j.malformed("there is no such escape.")
			}
			out = append(out, plain)
			j.pos++
			continue
		}
		r, err := j.codePoint()
		if err != nil {
			return nil, err
		}
		out = utf8.AppendRune(out, r)
	}
	return nil, j.malformed("the string does not end.")
}

func unescape(c byte) (byte, bool) {
	switch c {
	case '"', '\\', '/':
		return c, true
	case 'b':
		return '\b', true
	case 'f':
		return '\f', true
	case 'n':
		return '\n', true
	case 'r':
		return '\r', true
	case 't':
		return '\t', true
	}
	return 0, false
}

// codePoint reads uXXXX, or two of them that are one surrogate pair. Half a pair is no text.
func (j *jsonReader) codePoint() (rune, *jsonError) {
	first, err := j.hex4()
	if err != nil || !utf16.IsSurrogate(first) {
		return first, err
	}
	if j.pos+1 < len(j.data) && j.data[j.pos] == '\\' && j.data[j.pos+1] == 'u' {
		j.pos++
		second, err := j.hex4()
		if err != nil {
			return 0, err
		}
		if r := utf16.DecodeRune(first, second); r != utf8.RuneError {
			return r, nil
		}
	}
	return 0, j.malformed("half of a surrogate pair is no character.")
}

func (j *jsonReader) hex4() (rune, *jsonError) {
	if len(j.data)-j.pos < 5 {
		return 0, j.malformed("\\u needs four hexadecimal digits.")
	}
	n, err := strconv.ParseUint(string(j.data[j.pos+1:j.pos+5]), 16, 16)
	if err != nil {
		return 0, j.malformed("\\u needs four hexadecimal digits.")
	}
	j.pos += 5
	return rune(n), nil
}

// texts reads an array of strings.
func (j *jsonReader) texts(dst *[][]byte) *jsonError {
	if err := j.expect('[', "an array of strings, as in [\"10\"],"); err != nil {
		return err
	}
	*dst = [][]byte{}
	if j.space(); j.peek() == ']' {
		j.pos++
		return nil
	}
	for {
		j.space()
		s, err := j.text("a string")
		if err != nil {
			return err
		}
		*dst = append(*dst, s)
		done, err := j.next(']')
		if done || err != nil {
			return err
		}
	}
}

// number reads a whole number that is not below the least.
func (j *jsonReader) number(field string, dst *uint64, least uint64) *jsonError {
	start := j.pos
	for j.pos < len(j.data) && isNumeral(j.data[j.pos]) {
		j.pos++
	}
	digits := string(j.data[start:j.pos])
	if digits == "" {
		return j.malformed("%s must be a number.", field)
	}
	n, err := strconv.ParseUint(digits, 10, 64)
	if err != nil || n < least || (len(digits) > 1 && digits[0] == '0') {
		return &jsonError{codeBadRequest, fmt.Sprintf("%s is %.40s; it must be a whole number of %d "+
			"or above.", field, digits, least)}
	}
	*dst = n
	return nil
}

func isNumeral(c byte) bool {
	return '0' <= c && c <= '9' || c == '-' || c == '+' || c == '.' || c == 'e' || c == 'E'
}

// fieldText, fieldTexts and fieldNumber name what is read.
func fieldText(name string, dst *string) jsonField {
	return jsonField{name, func(j *jsonReader) *jsonError {
		s, err := j.text("a string")
		*dst = string(s)
		return err
	}}
}

func fieldTexts(name string, dst *[][]byte) jsonField {
	return jsonField{name, func(j *jsonReader) *jsonError { return j.texts(dst) }}
}

func fieldNumber(name string, dst *uint64, least uint64) jsonField {
	return jsonField{name, func(j *jsonReader) *jsonError { return j.number(name, dst, least) }}
}

// decodeValues turns base64 into bytes, in place, when the object says that its values are.
func decodeValues(encoding string, values [][]byte) *jsonError {
	switch encoding {
	case "":
		return nil
	case "base64":
	default:
		return &jsonError{codeBadRequest, "encoding is " + quoted(encoding) +
			"; base64 is the only one."}
	}
	for i, v := range values {
		out := make([]byte, base64.StdEncoding.DecodedLen(len(v)))
		n, err := base64.StdEncoding.Strict().Decode(out, v)
		if err != nil || bytes.ContainsAny(v, "\r\n") { // which the decoder passes over
			return &jsonError{codeBadRequest, fmt.Sprintf("values[%d] is not base64.", i)}
		}
		values[i] = out[:n]
	}
	return nil
}
