package httpapi

import (
	_ "embed"
	"net/http"
)

// openapi describes every route that New registers. It is written by hand: the tests hold every
// reply they see against it, and want every operation, status and parameter of it to be met.
//
//go:embed openapi.json
var openapi []byte

func (a *API) addOpenAPI() {
	a.Handle(http.MethodGet, "/openapi.json", func(x *Exchange) {
		x.Send(http.StatusOK, jsonType, openapi)
	})
}
