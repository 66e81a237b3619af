package virtual

import (
	"strings"
	"testing"
	"time"
)

func TestSubscriptionMadeOnlineIsSentAtOnce(t *testing.T) {
	ignore := func(Event) {}
	const id = "00112233445566778899aabb"
	tests := []struct {
		os      Version
		options SubscribeOptions
		want    string
	}{
		{OS331, SubscribeOptions{}, "4001 id b165 01 78"},
		{OS331, SubscribeOptions{Mine: true}, "4001 id b165 01 78 41 75"},
		{OS331, SubscribeOptions{Device: id}, "4001 id b165 01 78 ff 303031313232333334343535363637373838393961616262"},
		{OS620, SubscribeOptions{Mine: true}, "5001 id b165 01 78"},
		{OS620, SubscribeOptions{Device: id}, "5001 id b165 01 78"},
		{OS620, SubscribeOptions{Format: 'c'}, "5001 id b165 01 78 41 63"},
		{Core045, SubscribeOptions{Mine: true}, "4001 id b165 01 78 41 75"},
	}
	for _, tt := range tests {
		bubble(t, func(t *testing.T) {
			d, p := meet(t, tt.os)
			if err := d.Subscribe("x", tt.options, ignore); err != nil {
				t.Fatal(err)
			}
			p.wantHex(tt.want)
		})
	}
}

func TestEverythingOfMine(t *testing.T) {
	bubble(t, func(t *testing.T) {
		d, p := meet(t, OS331)
		d.Subscribe("", SubscribeOptions{Mine: true}, func(Event) {})
		p.wantHex("4001 id b165 41 75")
	})
}

// A board keeps only half of the id.
func TestSubscriptionToADeviceIsCutOnTheNextConnection(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t)
		cfg := w.config(OS331)
		cfg.Reconnect = true
		d := New(cfg)
		d.Subscribe("x", SubscribeOptions{Device: "00112233445566778899aabb"}, func(Event) {})
		w.run(d)
		p := w.accept()
		p.get()
		p.hello()
		for range 7 {
			p.get()
		}
		p.want(`CON GET e/x id=0009 payload="001122334455"`)
	})
}

func TestUnsubscribeIsToldToNobody(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t)
		cfg := w.config(OS331)
		cfg.Reconnect = true
		d := New(cfg)
		d.Subscribe("x", SubscribeOptions{}, func(Event) { t.Error("handler of a forgotten subscription called") })
		w.run(d)
		p := w.greet()
		d.Unsubscribe()
		p.silent(time.Second)
		p.event("x", "1")
		p.silent(time.Second)
		d.Subscribe("y", SubscribeOptions{}, func(Event) {})
		p.want("CON GET e/y id=000a")
		p.link.Close()

		p = w.accept()
		p.get()
		p.hello()
		for range 5 {
			p.get()
		}
		p.want(`CON GET e/particle "u" id=0007`, `CON GET e/spark "u" id=0008`, `CON GET e/y id=0009`)
		p.silent(time.Second)
	})
}

func TestSubscriptionsThatCannotBe(t *testing.T) {
	for _, tt := range []struct {
		name    string
		os      Version
		prefix  string
		options SubscribeOptions
	}{
		{"everything of everyone", OS331, "", SubscribeOptions{}},
		{"long prefix", OS331, strings.Repeat("n", 65), SubscribeOptions{}},
		{"no device id", OS331, "x", SubscribeOptions{Device: "0011"}},
		{"format before 6.2", OS331, "x", SubscribeOptions{Format: 'c'}},
		{"no such format", OS620, "x", SubscribeOptions{Format: 'z'}},
	} {
		d := New(Config{OS: tt.os})
		if err := d.Subscribe(tt.prefix, tt.options, func(Event) {}); err == nil {
			t.Errorf("%s: no error", tt.name)
		}
	}
	d := New(Config{})
	for range maxRegistered {
		if err := d.Subscribe("x", SubscribeOptions{}, func(Event) {}); err != nil {
			t.Fatal(err)
		}
	}
	if err := d.Subscribe("x", SubscribeOptions{}, func(Event) {}); err == nil {
		t.Error("takes more subscriptions than it holds")
	}
}
