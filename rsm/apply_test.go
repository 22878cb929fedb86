package rsm_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"drystone/rsm"
)

func wantResult(t *testing.T, got rsm.Result, outcome rsm.Outcome, code rsm.Code, reply string) {
	t.Helper()
	if got.Outcome != outcome || got.Code != code || string(got.Reply) != reply {
		t.Fatalf("the result is %d %q %q, not %d %q %q",
			got.Outcome, got.Code, got.Reply, outcome, code, reply)
	}
}

func TestARequestIsAppliedWithItsContext(t *testing.T) {
	r := newReplica(t)
	r.applyKind(rsm.EntryNoop, nil)
	request := command("hello")
	request.Serial = 42
	got := r.do(500, request)
	wantResult(t, got, rsm.Applied, "", "2/1@500 hello")
	if got.Index != 2 || got.Op != 1 || got.Serial != 42 || got.Replayed {
		t.Fatalf("the result is %+v", got)
	}
	if q := r.Query([]byte("lines")); string(q) != "2/1@500 lines 1" {
		t.Fatalf("the query is answered %q", q)
	}
}

func TestLogTimeNeverFalls(t *testing.T) {
	r := newReplica(t)
	for _, step := range []struct{ stamp, want uint64 }{{10, 10}, {30, 30}, {20, 30}, {31, 31}} {
		if done := r.apply(step.stamp); done.LogTime != step.want {
			t.Fatalf("after a stamp of %d log time is %d, not %d",
				step.stamp, done.LogTime, step.want)
		}
	}
	if r.applyKind(rsm.EntryNoop, nil).LogTime != 31 {
		t.Fatal("a no-op changed log time")
	}
}

func TestTheOrderOfDecisions(t *testing.T) {
	late := func(r rsm.Request) rsm.Request {
		r.BudgetMs = 1
		return r
	}
	r := newReplica(t)
	r.do(1, setting(rsm.SettingsChange{Settings: rsm.Settings{
		MaxRequestsBytes: 300, RequestRetentionMs: 1000}}))
	first := r.do(100, keyed("a", "push"))
	wantResult(t, first, rsm.Applied, "", "2/2@100 push")

	// Each request below also fails every check after the one that decides. The table holds one
	// row; the deadline is past by a second.
	session := late(keyed("a", "other"))
	session.Identity.Session = 9
	for _, step := range []struct {
		name    string
		request rsm.Request
		code    rsm.Code
	}{
		{"session before table", session, rsm.CodeSessionExpired},
		{"other command before deadline", late(keyed("a", "other")), rsm.CodeKeyReused},
		{"repeat before deadline", late(keyed("a", "push")), ""},
		{"deadline before room", late(keyed("b", "push")), rsm.CodeExpired},
		{"room before the machine", keyed("b", "push"), rsm.CodeTableFull},
		{"no key, no room needed", command("push"), ""},
	} {
		t.Run(step.name, func(t *testing.T) {
			op := r.Point().Op
			b := rsm.Batch{Node: 5, Boot: r.Point().Index, Number: 1, Admitted: -2000,
				Requests: []rsm.Request{step.request}}
			r.apply(200, b)
			results, _ := r.Lookup(5, b.Boot, 1)
			if results[0].Code != step.code {
				t.Fatalf("the code is %q, not %q", results[0].Code, step.code)
			}
			executed := step.request.Identity.Key == ""
			if (r.Point().Op != op) != executed {
				t.Fatalf("op went from %d to %d", op, r.Point().Op)
			}
		})
	}
	again := r.do(300, keyed("a", "push"))
	if !again.Replayed || again.Index != first.Index || again.Op != first.Op {
		t.Fatalf("the repeat came to %+v", again)
	}
	wantResult(t, again, rsm.Applied, "", string(first.Reply))
}

func TestADeadlineIsPassedOnlyAfterIt(t *testing.T) {
	for _, step := range []struct {
		admitted      int64
		budget, stamp uint64
		passed        bool
	}{
		{100, 0, 1 << 60, false},
		{100, 50, 150, false},
		{100, 50, 151, true},
		{-100, 150, 50, false},
		{-100, 150, 51, true},
		{-100, 50, 0, true},
		{-1 << 63, 1 << 63, 0, false},
		{-1 << 63, 1<<63 - 1, 0, true},
		{1<<63 - 1, 1<<64 - 1, 1<<64 - 1, false},
	} {
		t.Run(fmt.Sprint(step), func(t *testing.T) {
			r := newReplica(t)
			request := command("x")
			request.BudgetMs = step.budget
			done := r.apply(step.stamp, rsm.Batch{Node: thisNode, Boot: thisBoot, Number: 1,
				Admitted: step.admitted, Requests: []rsm.Request{request}})
			code := done.Batches[0].Results[0].Code
			if (code == rsm.CodeExpired) != step.passed {
				t.Fatalf("the code is %q", code)
			}
		})
	}
}

func TestARefusalIsNotStored(t *testing.T) {
	r := newReplica(t)
	bad := keyed("k", "not settings")
	bad.Kind = rsm.SettingsCommand
	bad.Command = []byte{1}
	if got := r.do(1, bad); got.Code != rsm.CodeBadCommand || r.Requests() != 0 {
		t.Fatalf("%q, and %d are stored", got.Code, r.Requests())
	}
	late := keyed("k", "push")
	late.BudgetMs = 1
	r.apply(100, rsm.Batch{Node: 2, Boot: 1, Number: 1, Requests: []rsm.Request{late}})
	if r.Requests() != 0 || r.Point().Op != 0 {
		t.Fatal("a refusal left something")
	}
	wantResult(t, r.do(200, keyed("k", "push")), rsm.Applied, "", "3/1@200 push")
}

func TestSettingsAreReplicated(t *testing.T) {
	r := newReplica(t)
	if s, set := r.Settings(); set || s != rsm.DefaultSettings() {
		t.Fatalf("a new state has settings %v, %v", s, set)
	}
	first := rsm.Settings{MaxValueBytes: 1, MaxSessions: 2, SessionTTLMs: 3,
		MaxRequestsBytes: 4, RequestRetentionMs: 5}
	second := first
	second.MaxValueBytes = 99
	for i, step := range []struct {
		change rsm.SettingsChange
		want   rsm.Settings
	}{
		{rsm.SettingsChange{IfUnset: true, Settings: first}, first},
		{rsm.SettingsChange{IfUnset: true, Settings: second}, first},
		{rsm.SettingsChange{Settings: second}, second},
	} {
		hash := r.Hash()
		got := r.do(1, setting(step.change))
		reply, err := rsm.DecodeSettings(got.Reply)
		if err != nil || reply.Settings != step.want || got.Op != uint64(i+1) {
			t.Fatalf("change %d: %+v, %v", i, got, err)
		}
		if s, set := r.Settings(); !set || s != step.want {
			t.Fatalf("after change %d: %v", i, s)
		}
		if r.Hash() == hash {
			t.Fatal("the hash does not cover it")
		}
	}
}

func TestConfigIsKeptAsItIs(t *testing.T) {
	r := newReplica(t)
	if string(r.Config()) != "config 0" {
		t.Fatalf("the first config is %q", r.Config())
	}
	hash, data := r.Hash(), []byte("config 1")
	r.applyKind(rsm.EntryConfig, data)
	data[0] = 'x'
	if string(r.Config()) != "config 1" || r.Hash() == hash {
		t.Fatalf("the config is %q", r.Config())
	}
}

func TestRandomnessIsSeededByOp(t *testing.T) {
	draws := func(r *replica, text string) string {
		_, drawn, _ := strings.Cut(string(r.do(1, command(text)).Reply), text)
		return drawn
	}
	a, b := newReplica(t), newReplica(t)
	first, second := draws(a, "random"), draws(a, "random")
	if first == second || first == "" {
		t.Fatalf("two ops drew %q and %q", first, second)
	}
	// What came before, and how much it drew, makes no difference.
	draws(b, "other")
	b.Query([]byte("between"))
	if again := draws(b, "random"); again != second {
		t.Fatalf("two replicas drew %q and %q", second, again)
	}
}

// TestRequestsOfAnEntryAreToldApart: requests of one batch, and of two batches of one entry, have
// ops of their own, and draw numbers of their own: a lease or an ID that a machine makes of either
// is nobody else's.
func TestRequestsOfAnEntryAreToldApart(t *testing.T) {
	r := newReplica(t)
	two := []rsm.Request{command("random"), command("random")}
	r.apply(1, rsm.Batch{Node: 1, Boot: 1, Number: 1, Requests: two},
		rsm.Batch{Node: 2, Boot: 1, Number: 1, Requests: two})
	ops, drawn := map[uint64]bool{}, map[string]bool{}
	for node := range uint64(2) {
		results, _ := r.Lookup(node+1, 1, 1)
		for _, result := range results {
			_, numbers, _ := strings.Cut(string(result.Reply), "random")
			ops[result.Op], drawn[numbers] = true, true
		}
	}
	if len(ops) != 4 || len(drawn) != 4 || drawn[""] {
		t.Fatalf("four requests of one entry have the ops %v and drew %v", ops, drawn)
	}
}

// TestWhoAppliesMakesNoDifference: what an entry does never depends on the node that applies it.
func TestWhoAppliesMakesNoDifference(t *testing.T) {
	var all []*replica
	for node := range uint64(3) {
		j := &journal{}
		all = append(all, &replica{t, j, rsm.New(j, rsm.Options{Node: node + 1, Boot: 5 * node,
			Config: []byte("config 0")})})
	}
	short := setting(rsm.SettingsChange{Settings: rsm.Settings{RequestRetentionMs: 3000}})
	for number := range uint64(200) {
		request := command(strings.Repeat("x", int(number)))
		if number%2 == 0 {
			request = keyed(fmt.Sprint(number%60), "random")
		}
		if number == 0 {
			request = short
		}
		b := rsm.Batch{Node: 9, Boot: 1 + number/20, Number: 1 + number%20,
			Requests: []rsm.Request{request}}
		for i, r := range all {
			r.apply(100*number, b)
			if r.Hash() != all[0].Hash() {
				t.Fatalf("node %d parts from node 1 at entry %d", i+1, number+1)
			}
		}
	}
}

func TestAnEntryThatCannotBeUnderstoodChangesNothing(t *testing.T) {
	good := rsm.EncodeBatch(nil, rsm.Batch{Node: 1, Boot: 1, Number: 1,
		Requests: []rsm.Request{command("good")}})
	laterBatch := slices.Clone(good)
	laterBatch[0] = 3
	entry := func(batches ...[]byte) []byte {
		return rsm.EncodeEntry(nil, rsm.Entry{Stamp: 9, Batches: batches})
	}
	request := func(r rsm.Request) []byte {
		return rsm.EncodeBatch(nil, rsm.Batch{Node: 2, Boot: 1, Number: 1,
			Requests: []rsm.Request{r}})
	}
	laterEntry := entry(good)
	laterEntry[0] = 9
	for _, step := range []struct {
		name    string
		kind    rsm.EntryKind
		data    []byte
		upgrade bool
	}{
		{"empty", rsm.EntryCommand, nil, false},
		{"version 0", rsm.EntryCommand, []byte{0}, false},
		{"later entry", rsm.EntryCommand, laterEntry, true},
		{"later batch", rsm.EntryCommand, entry(good, laterBatch), true},
		{"later kind of entry", 9, nil, true},
		{"later command", rsm.EntryCommand, entry(good, request(command("later"))), true},
		{"later settings", rsm.EntryCommand, entry(good, request(rsm.Request{
			Kind: rsm.SettingsCommand, Command: []byte{2}})), true},
		{"damaged batch", rsm.EntryCommand, entry(good, good[:len(good)-1]), false},
		{"unknown kind of request", rsm.EntryCommand,
			entry(good, request(rsm.Request{Kind: 7})), false},
		{"trailing", rsm.EntryCommand, append(entry(good), 0), false},
	} {
		t.Run(step.name, func(t *testing.T) {
			r := newReplica(t)
			r.do(1, command("before"))
			hash, point := r.Hash(), r.Point()
			_, err := r.Apply(2, 1, step.kind, step.data)
			var damage *rsm.DamagedEntryError
			if errors.Is(err, rsm.ErrNeedsUpgrade) != step.upgrade ||
				errors.As(err, &damage) == step.upgrade {
				t.Fatalf("Apply: %v", err)
			}
			if damage != nil && (damage.Index != 2 || damage.Term != 1) {
				t.Fatalf("the damage is at %d, %d", damage.Index, damage.Term)
			}
			if r.Hash() != hash || r.Point() != point {
				t.Fatal("the state changed")
			}
			wantResult(t, r.do(5, command("after")), rsm.Applied, "", "2/2@5 after")
		})
	}
}

func TestAPanicOfTheMachineNamesTheEntry(t *testing.T) {
	r := newReplica(t)
	r.do(1, command("fine"))
	defer func() {
		got, ok := recover().(*rsm.MachinePanic)
		if !ok || got.Index != 2 || got.Term != 1 || got.Op != 2 {
			t.Fatalf("the panic is %v", got)
		}
		if msg := got.Error(); !strings.Contains(msg, "entry 2 of term 1") ||
			!strings.Contains(msg, "asked to panic") {
			t.Fatalf("the panic says %q", msg)
		}
		if got.Unwrap() == nil {
			t.Fatal("the machine's error is lost")
		}
	}()
	r.do(1, command("panic"))
	t.Fatal("the machine did not panic")
}
