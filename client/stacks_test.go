package client

import (
	"context"
	"net/http"
	"reflect"
	"testing"
	"time"
)

// Each method sends what its route expects, and reads what it answers.
func TestMethods(t *testing.T) {
	ctx := context.Background()
	const raw, inJSON = "application/octet-stream", "application/json"
	value := func(s string) []byte { return []byte(s) }
	for _, c := range []struct {
		name                    string
		reply                   step
		call                    func(*Client) (any, error)
		method, uri, kind, body string
		want                    any
	}{
		{
			"push", says(200, `{"size":3,"index":9}`, "Drystone-Index", "9"),
			func(c *Client) (any, error) {
				return c.Push(ctx, "a/b", [][]byte{value("\xff")}, PushOptions{MustExist: true})
			},
			"POST", "/v1/stacks/a%2Fb/push?create=false", raw, "\xff",
			Pushed{Meta: Meta{Index: 9, status: 200}, Size: 3},
		},
		{
			"push of text", says(200, `{"size":3,"index":9}`),
			func(c *Client) (any, error) {
				return c.Push(ctx, "..", [][]byte{value("<1>"), value("é")}, PushOptions{End: Bottom})
			},
			"POST", "/v1/stacks/%2E%2E/push", inJSON, `{"values":["<1>","é"],"end":"bottom"}` + "\n",
			Pushed{Meta: Meta{status: 200}, Size: 3},
		},
		{
			"push of bytes", says(200, `{"size":3,"index":9}`),
			func(c *Client) (any, error) {
				return c.Push(ctx, ".", [][]byte{value("text"), value("\xff")}, PushOptions{})
			},
			"POST", "/v1/stacks/%2E/push", inJSON,
			`{"values":["dGV4dA==","/w=="],"encoding":"base64"}` + "\n",
			Pushed{Meta: Meta{status: 200}, Size: 3},
		},
		{
			"pop", says(200, `{"values":["1"],"empty":false,"size":4,"index":7}`,
				"Idempotency-Replayed", "true", "Drystone-Request-Id", "k"),
			func(c *Client) (any, error) { return c.Pop(ctx, "a", PopOptions{}) },
			"POST", "/v1/stacks/a/pop", "", "",
			Popped{
				Meta:   Meta{Replayed: true, RequestID: "k", status: 200},
				Values: [][]byte{value("1")}, Size: 4,
			},
		},
		{
			"pop of bytes",
			says(200, `{"values":["/w==",""],"empty":false,"size":0,"encoding":"base64"}`),
			func(c *Client) (any, error) { return c.Pop(ctx, "a", PopOptions{Count: 2, End: Bottom}) },
			"POST", "/v1/stacks/a/pop", inJSON, `{"count":2,"end":"bottom"}` + "\n",
			Popped{Meta: Meta{status: 200}, Values: [][]byte{value("\xff"), {}}},
		},
		{
			"pop of nothing", says(200, `{"values":[],"empty":true,"size":0}`),
			func(c *Client) (any, error) { return c.Pop(ctx, "a", PopOptions{}) },
			"POST", "/v1/stacks/a/pop", "", "",
			Popped{Meta: Meta{status: 200}, Values: [][]byte{}, Empty: true},
		},
		{
			"create", says(201, `{"name":"a","size":0}`),
			func(c *Client) (any, error) { return c.CreateStack(ctx, "a", WriteOptions{}) },
			"PUT", "/v1/stacks/a", "", "", Created{Meta: Meta{status: 201}, Created: true},
		},
		{
			"create what stands", says(200, `{"name":"a","size":7}`),
			func(c *Client) (any, error) { return c.CreateStack(ctx, "a", WriteOptions{}) },
			"PUT", "/v1/stacks/a", "", "", Created{Meta: Meta{status: 200}, Size: 7},
		},
		{
			"delete", says(200, `{"deleted":true}`),
			func(c *Client) (any, error) { return c.DeleteStack(ctx, "a", WriteOptions{}) },
			"DELETE", "/v1/stacks/a", "", "", Meta{status: 200},
		},
		{
			"describe", says(200, `{"name":"a","size":7}`, "Drystone-Index", "3", "Drystone-Term", "2"),
			func(c *Client) (any, error) {
				s, m, err := c.GetStack(ctx, "a", ReadOptions{MinIndex: 3})
				return []any{s, m}, err
			},
			"GET", "/v1/stacks/a?min_index=3", "", "",
			[]any{Stack{Name: "a", Size: 7}, Meta{Index: 3, Term: 2, status: 200}},
		},
		{
			"size", says(200, `{"size":7}`),
			func(c *Client) (any, error) { return c.Size(ctx, "a", ReadOptions{}) },
			"GET", "/v1/stacks/a/size", "", "", uint64(7),
		},
		{
			"top", says(200, `{"value":"/w==","empty":false,"size":1,"encoding":"base64"}`,
				"Drystone-Stale-Ms", "12"),
			func(c *Client) (any, error) {
				return c.Top(ctx, "a", ReadOptions{Stale: true, MaxStale: 500 * time.Millisecond})
			},
			"GET", "/v1/stacks/a/top?consistency=stale&max_stale=500ms", "", "",
			Topmost{Meta: Meta{StaleMs: 12, status: 200}, Value: value("\xff"), Size: 1},
		},
		{
			"top of nothing", says(200, `{"value":null,"empty":true,"size":0}`),
			func(c *Client) (any, error) { return c.Top(ctx, "a", ReadOptions{Stale: true}) },
			"GET", "/v1/stacks/a/top?consistency=stale", "", "",
			Topmost{Meta: Meta{status: 200}, Value: []byte{}, Empty: true},
		},
		{
			"items", says(200, `{"values":["2","1"],"size":9}`),
			func(c *Client) (any, error) { return c.Items(ctx, "a", 3, 2, ReadOptions{}) },
			"GET", "/v1/stacks/a/items?limit=2&offset=3", "", "",
			ListedItems{Meta: Meta{status: 200}, Values: [][]byte{value("2"), value("1")}, Size: 9},
		},
		{
			"list", says(200, `{"stacks":[{"name":"a b","size":1},`+
				`{"name":"/w==","size":2,"encoding":"base64"}],"next":"/w==","encoding":"base64"}`),
			func(c *Client) (any, error) {
				return c.ListStacks(ctx, ListOptions{Prefix: "a ", After: "\xff", Limit: 2})
			},
			"GET", "/v1/stacks?after=%FF&limit=2&prefix=a+", "", "",
			StackList{
				Meta: Meta{status: 200}, Stacks: []Stack{{"a b", 1}, {"\xff", 2}}, Next: "\xff",
			},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			n := newNode(t, c.reply)
			got, err := c.call(newClient(t, 2*time.Second, n.URL))
			if err != nil {
				t.Fatal(err)
			}
			if got = withoutEndpoint(got); !reflect.DeepEqual(got, c.want) {
				t.Errorf("got %+v, want %+v", got, c.want)
			}
			r := n.requests()[0]
			if r.method != c.method || r.uri != c.uri || r.body != c.body ||
				r.header.Get("Content-Type") != c.kind {
				t.Errorf("sent %s %s %q %q", r.method, r.uri, r.header.Get("Content-Type"), r.body)
			}
			if keyed := r.header.Get("Idempotency-Key") != ""; keyed == (r.method == http.MethodGet) {
				t.Errorf("%s with a key: %v", r.method, keyed)
			}
		})
	}
}

// withoutEndpoint clears what differs from run to run.
func withoutEndpoint(v any) any {
	switch v := v.(type) {
	case Pushed:
		v.Endpoint = ""
		return v
	case Popped:
		v.Endpoint = ""
		return v
	case Created:
		v.Endpoint = ""
		return v
	case Meta:
		v.Endpoint = ""
		return v
	case Topmost:
		v.Endpoint = ""
		return v
	case ListedItems:
		v.Endpoint = ""
		return v
	case StackList:
		v.Endpoint = ""
		return v
	case []any:
		return []any{v[0], withoutEndpoint(v[1])}
	}
	return v
}

func TestStatus(t *testing.T) {
	const body = `{"node_id":2,"leader_id":1,"applied":7,"members":[{"id":1,"voter":true,"match":null,` +
		`"contact_ms":12}],"settings":{"max_value_bytes":5},"health":"ok","new":true}`
	n := newNode(t, says(200, body))
	c := newClient(t, time.Second, nowhere(t))
	s, err := c.Status(context.Background(), StatusOptions{Endpoint: n.URL, Applied: 7})
	if err != nil {
		t.Fatal(err)
	}
	m := s.Members[0]
	if s.NodeID != 2 || s.LeaderID != 1 || s.Applied != 7 || s.Settings["max_value_bytes"] != 5 ||
		m.Match != nil || *m.ContactMs != 12 || !m.Voter || s.Health != "ok" || string(s.Raw) != body {
		t.Errorf("%+v", s)
	}
	if uri := n.requests()[0].uri; uri != "/v1/status?applied=7" {
		t.Errorf("asked %s", uri)
	}
}
