package main

import (
	"context"
	"os"
	"testing"
	"time"

	"localcloud/keys"
)

func TestSelfTestMeasuresDevicesAndViewersOfItsOwn(t *testing.T) {
	keyring, _, err := keys.OpenKeyring(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	c, err := newTrialCloud(keyring, 3)
	if err != nil {
		t.Fatal(err)
	}
	defer c.close()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	most := 0
	if err := c.connect(ctx, func(online int) { most = max(most, online) }); err != nil || most != 3 {
		t.Fatalf("%d online: %v", most, err)
	}
	c.watch(2)
	part := 0.0
	took := c.publish(ctx, 300*time.Millisecond, func(p float64) { part = p })
	f := c.figures()
	if took < 300*time.Millisecond || part <= 0 || f.taken < 20 || len(f.delays) == 0 {
		t.Errorf("in %v, up to %v: %d taken, %d delays", took, part, f.taken, len(f.delays))
	}
	if half, most := f.delay(0.5), f.delay(0.99); half <= 0 || half > most || most > 30_000 {
		t.Errorf("delays are %v and %v ms", half, most)
	}
}

func TestSelfTestThatIsStoppedSaysSo(t *testing.T) {
	keyring, _, err := keys.OpenKeyring(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	st := &selfTest{server: &server{dir: t.TempDir(), parts: &parts{keyring: keyring}}}
	st.Stop() // none runs
	if err := st.Start(); err != nil || !st.State().Running {
		t.Fatalf("it does not run: %v", err)
	}
	if err := st.Start(); err != nil {
		t.Errorf("a second time: %v", err)
	}
	st.Stop()
	if s := st.State(); s.Running || s.Problem != "it was stopped" || s.Result != nil {
		t.Errorf("it is %+v", s)
	}
}

func TestTimeSyncsLeavesNothingBehind(t *testing.T) {
	dir := t.TempDir()
	last := 0.0
	ms, err := timeSyncs(t.Context(), dir, func(part float64) { last = part })
	if err != nil || ms <= 0 || last <= 0 {
		t.Errorf("%v ms, up to %v: %v", ms, last, err)
	}
	if left, _ := os.ReadDir(dir); len(left) != 0 {
		t.Errorf("left are %v", left)
	}
}
