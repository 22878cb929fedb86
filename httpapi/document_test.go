package httpapi

import (
	"bytes"
	"encoding/json"
	"fmt"
	"mime"
	"net/http"
	"slices"
	"strings"
	"sync"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// document is openapi.json, to hold exchanges against.
type document struct {
	root       map[string]any
	operations []*operation

	mu       sync.Mutex
	compiler *jsonschema.Compiler
	compiled map[string]*jsonschema.Schema
}

// operation is one method of one path.
type operation struct {
	id, method, path string
	old              bool // errors are one line of text
	at               string
	parameters       []string // where they stand
	responses        map[string]string
}

// documentAt is the name by which the compiler of schemas knows the document.
const documentAt = "mem:///openapi.json"

// served is the document that every front serves.
var served = sync.OnceValue(func() *document {
	d, err := readDocument(openapi)
	if err != nil {
		panic(err)
	}
	return d
})

func readDocument(text []byte) (*document, error) {
	value, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		return nil, err
	}
	d := &document{
		root: value.(map[string]any), compiler: jsonschema.NewCompiler(),
		compiled: map[string]*jsonschema.Schema{},
	}
	if err := d.compiler.AddResource(documentAt, value); err != nil {
		return nil, err
	}
	paths := d.root["paths"].(map[string]any)
	for _, path := range sortedKeys(paths) {
		item := paths[path].(map[string]any)
		at := "/paths/" + pointerEscape(path)
		shared := d.list(at + "/parameters")
		for _, method := range sortedKeys(item) {
			if method == "parameters" {
				continue
			}
			o := &operation{
				method: strings.ToUpper(method), path: path, at: at + "/" + method,
				responses: map[string]string{},
			}
			node := item[method].(map[string]any)
			o.id = node["operationId"].(string)
			o.old = node["tags"].([]any)[0] == "calls of old"
			o.parameters = append(slices.Clone(shared), d.list(o.at+"/parameters")...)
			for _, status := range sortedKeys(node["responses"].(map[string]any)) {
				_, o.responses[status] = d.resolve(o.at + "/responses/" + status)
			}
			d.operations = append(d.operations, o)
		}
	}
	return d, nil
}

func sortedKeys[V any, M ~map[string]V](m M) (keys []string) {
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

func pointerEscape(s string) string {
	return strings.NewReplacer("~", "~0", "/", "~1").Replace(s)
}

// resolve finds what stands at a pointer, following $ref, and where that is; nil when nothing is
// there.
func (d *document) resolve(at string) (any, string) {
	var value any = d.root
	for step := range strings.SplitSeq(at[1:], "/") {
		key := strings.NewReplacer("~1", "/", "~0", "~").Replace(step)
		switch v := value.(type) {
		case map[string]any:
			value = v[key]
		case []any:
			var i int
			fmt.Sscan(key, &i)
			value = v[i]
		default:
			return nil, at
		}
	}
	if m, ok := value.(map[string]any); ok {
		if ref, ok := m["$ref"].(string); ok && !strings.HasPrefix(ref, "#/components/schemas") {
			return d.resolve(ref[1:])
		}
	}
	return value, at
}

// list are the places of an array's items.
func (d *document) list(at string) (places []string) {
	items, _ := d.resolve(at)
	array, _ := items.([]any)
	for i := range array {
		_, place := d.resolve(fmt.Sprintf("%s/%d", at, i))
		places = append(places, place)
	}
	return places
}

// validate holds a value against the schema at a place.
func (d *document) validate(at string, value any) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	schema := d.compiled[at]
	if schema == nil {
		var err error
		if schema, err = d.compiler.Compile(documentAt + "#" + at); err != nil {
			return err
		}
		d.compiled[at] = schema
	}
	return schema.Validate(value)
}

// find is the operation that a request is for; with nil, the methods that the path has: none when
// it is not in the document.
func (d *document) find(method, path string) (*operation, []string) {
	if method == http.MethodHead {
		method = http.MethodGet
	}
	best := ""
	var methods []string
	var found *operation
	for _, o := range d.operations {
		if !matches(o.path, path) || best != "" && o.path != best && strings.Contains(o.path, "{") {
			continue
		}
		if o.path != best {
			best, methods, found = o.path, nil, nil
		}
		if methods = append(methods, o.method); o.method == "GET" {
			methods = append(methods, "HEAD")
		}
		if o.method == method {
			found = o
		}
	}
	slices.Sort(methods)
	return found, methods
}

func matches(template, path string) bool {
	want, got := strings.Split(template, "/"), strings.Split(path, "/")
	if len(want) != len(got) {
		return false
	}
	for i := range want {
		if want[i] != got[i] && !strings.HasPrefix(want[i], "{") {
			return false
		}
	}
	return true
}

// general are headers that any reply may have.
var general = []string{"Content-Type", "Content-Length", "Date", "X-Content-Type-Options",
	"Connection"}

// checkReply holds a reply against the response at a place.
func (d *document) checkReply(at string, a answer, head bool) error {
	headers, _ := d.resolve(at + "/headers")
	known, _ := headers.(map[string]any)
	for name := range a.header {
		if known[name] == nil && !slices.Contains(general, name) {
			return fmt.Errorf("the header %s is not documented", name)
		}
	}
	for _, name := range sortedKeys(known) {
		place := at + "/headers/" + name
		header, place := d.resolve(place)
		values := a.header[name]
		switch {
		case len(values) == 0 && header.(map[string]any)["required"] == true:
			return fmt.Errorf("the header %s is missing", name)
		case len(values) == 0:
			continue
		}
		err := d.validate(place+"/schema", values[0])
		if err != nil && d.validate(place+"/schema", json.Number(values[0])) != nil {
			return fmt.Errorf("the header %s: %w", name, err)
		}
	}
	content, _ := d.resolve(at + "/content")
	media, _, _ := mime.ParseMediaType(a.header.Get("Content-Type"))
	switch {
	case content == nil && a.body != "":
		return fmt.Errorf("a body where none is documented")
	case content == nil || head:
		return nil
	case content.(map[string]any)[media] == nil:
		return fmt.Errorf("a body of type %q is not documented", media)
	}
	var value any = a.body
	if strings.HasSuffix(media, "json") {
		var err error
		if value, err = jsonschema.UnmarshalJSON(strings.NewReader(a.body)); err != nil {
			return err
		}
	}
	return d.validate(at+"/content/"+pointerEscape(media)+"/schema", value)
}

// checkRequest holds a request that was taken against what the document says may be sent.
func (d *document) checkRequest(o *operation, r *http.Request, body []byte) error {
	for _, at := range o.parameters {
		p, _ := d.resolve(at)
		name := p.(map[string]any)["name"].(string)
		var values []string
		switch p.(map[string]any)["in"] {
		case "query":
			values = r.URL.Query()[name]
		case "header":
			values = r.Header[name]
		}
		for _, v := range values {
			err := d.validate(at+"/schema", v)
			if err != nil && d.validate(at+"/schema", json.Number(v)) != nil {
				return fmt.Errorf("the parameter %s: %w", name, err)
			}
		}
	}
	media, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if media != "application/json" || len(body) == 0 {
		return nil
	}
	_, at := d.resolve(o.at + "/requestBody")
	at += "/content/" + pointerEscape(media) + "/schema"
	if schema, _ := d.resolve(at); schema == nil {
		return nil // where one line of text is wanted, the type says nothing
	}
	value, err := jsonschema.UnmarshalJSON(bytes.NewReader(body))
	if err != nil {
		return err
	}
	return d.validate(at, value)
}

// check holds an exchange against the document, and returns the operation and the response that it
// was an instance of, if it was one.
func (d *document) check(r *http.Request, sent []byte, a answer) (*operation, string, error) {
	o, methods := d.find(r.Method, r.URL.EscapedPath())
	head := r.Method == http.MethodHead
	problems := "/components/responses/"
	switch {
	case o == nil && a.status == http.StatusForbidden && isOld(r.URL.Path):
		return nil, "", d.checkReply(problems+"ErrorLine", a, head)
	case o == nil && a.status == http.StatusForbidden:
		return nil, "", d.checkReply(problems+"Forbidden", a, head)
	case methods == nil && a.status == http.StatusNotFound:
		return nil, "", d.checkReply(problems+"NotFound", a, head)
	case methods == nil:
		return nil, "", fmt.Errorf("the path is not in the document")
	case o == nil:
		if allow := strings.Join(methods, ", "); a.header.Get("Allow") != allow || a.status != 405 {
			return nil, "", fmt.Errorf("the document has %s here; Allow has %s", allow,
				a.header.Get("Allow"))
		}
		a.header = a.header.Clone()
		a.header.Del("Allow")
		if isOld(r.URL.Path) {
			return nil, "", d.checkReply(problems+"ErrorLine", a, head)
		}
		return nil, "", d.checkProblem("", a, head)
	}
	key := fmt.Sprint(a.status)
	if o.responses[key] == "" {
		key = key[:1] + "XX"
	}
	at := o.responses[key]
	if at == "" {
		return o, "", fmt.Errorf("the status is not documented")
	}
	if err := d.checkReply(at, a, head); err != nil {
		return o, "", err
	}
	if a.status >= 400 && !o.old {
		return o, key, d.checkProblem(o.id, a, head)
	}
	if a.status < 400 {
		return o, key, d.checkRequest(o, r, sent)
	}
	return o, key, nil
}

func isOld(path string) bool {
	o, _ := served().find("POST", path)
	return o != nil && o.old
}

// checkProblem wants a problem to say of itself what the reply around it says, and no code with a
// status or an outcome that the table of errors doesn't know.
func (d *document) checkProblem(operation string, a answer, head bool) error {
	if head {
		return nil
	}
	var p problemBody
	if err := json.Unmarshal([]byte(a.body), &p); err != nil {
		return err
	}
	if p.Status != a.status || p.Type != "/errors/"+p.Code ||
		p.RequestID != a.header.Get("Drystone-Request-Id") {
		return fmt.Errorf("the problem does not agree with its reply")
	}
	e, known := Explain(p.Code)
	if !known && a.status != http.StatusInternalServerError {
		return fmt.Errorf("the code %s is not in the table of errors", p.Code)
	}
	if known && (!slices.Contains(e.Statuses, p.Status) || !slices.Contains(e.Outcomes, p.Outcome)) {
		return fmt.Errorf("%s: the table of errors has %s with %v and %v, not %d and %s", operation,
			p.Code, e.Statuses, e.Outcomes, p.Status, p.Outcome)
	}
	return nil
}
