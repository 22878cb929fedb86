package httpapi

import (
	"encoding/base64"
	"strconv"
	"unicode/utf8"
)

// Replies are small and always of the same shape, so they are appended by hand: no reflection,
// and equal results give equal bytes.

const hexDigits = "0123456789abcdef"

// appendString appends a JSON string. s is UTF-8; what is not becomes U+FFFD.
func appendString(dst []byte, s string) []byte {
	dst = append(dst, '"')
	start := 0
	for i := 0; i < len(s); {
		c := s[i]
		if c >= utf8.RuneSelf {
			r, n := utf8.DecodeRuneInString(s[i:])
			if r == utf8.RuneError && n == 1 {
				dst = append(dst, s[start:i]...)
				dst = append(dst, "\ufffd"...)
				start = i + 1
			}
			i += n
			continue
		}
		if c >= ' ' && c != '"' && c != '\\' {
			i++
			continue
		}
		dst = append(dst, s[start:i]...)
		switch c {
		case '"', '\\':
			dst = append(dst, '\\', c)
		case '\n':
			dst = append(dst, `\n`...)
		case '\t':
			dst = append(dst, `\t`...)
		case '\r':
			dst = append(dst, `\r`...)
		default:
			dst = append(dst, `\u00`...)
			dst = append(dst, hexDigits[c>>4], hexDigits[c&15])
		}
		i++
		start = i
	}
	dst = append(dst, s[start:]...)
	return append(dst, '"')
}

// appendValue appends bytes as a JSON string, in base64 if the object that holds them says so.
func appendValue(dst, value []byte, inBase64 bool) []byte {
	if !inBase64 {
		return appendString(dst, string(value))
	}
	dst = append(dst, '"')
	dst = base64.StdEncoding.AppendEncode(dst, value)
	return append(dst, '"')
}

// appendValues appends an array.
func appendValues(dst []byte, values [][]byte, inBase64 bool) []byte {
	dst = append(dst, '[')
	for i, v := range values {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = appendValue(dst, v, inBase64)
	}
	return append(dst, ']')
}

// needsBase64 says whether any of the values is not UTF-8: then all in their object are base64.
func needsBase64(values ...[]byte) bool {
	for _, v := range values {
		if !utf8.Valid(v) {
			return true
		}
	}
	return false
}

const encodedBase64 = `,"encoding":"base64"`

func appendNumber(dst []byte, key string, n uint64) []byte {
	dst = append(dst, key...)
	return strconv.AppendUint(dst, n, 10)
}
