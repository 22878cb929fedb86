package httpapi

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"drystone/httpapi/httpapitest"
)

// BenchmarkPush is what the front itself costs: no network, and a log of this process alone.
func BenchmarkPush(b *testing.B) {
	api := New(httpapitest.New(), Config{})
	b.ReportAllocs()
	for b.Loop() {
		r := httptest.NewRequest(http.MethodPost, "/v1/stacks/a/push", strings.NewReader("10"))
		r.Host = "localhost"
		api.ServeHTTP(httptest.NewRecorder(), r)
	}
}

// BenchmarkRequest is what of that is the test's own.
func BenchmarkRequest(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		httptest.NewRequest(http.MethodPost, "/v1/stacks/a/push", strings.NewReader("10"))
		httptest.NewRecorder()
	}
}
