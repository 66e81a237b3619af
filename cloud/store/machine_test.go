package store

import "testing"

func TestADirectoryFromAnotherMachineIsKnown(t *testing.T) {
	w := diskWorld(t)
	for i, test := range []struct {
		machine string
		moved   bool
	}{{"a", false}, {"a", false}, {"b", true}, {"b", false}, {"", false}, {"a", false}} {
		w.open(Options{machine: func() string { return test.machine }})
		st := w.Status()
		if w.Moved() != test.moved || st.Moved != test.moved || st.Boots != uint64(i+1) || len(st.Warnings()) > 0 != test.moved {
			t.Errorf("open %d on machine %q: %+v", i, test.machine, st)
		}
	}
	w.close()
}

func TestAMachineKeepsItsID(t *testing.T) {
	t.Setenv("HOME", t.TempDir())
	t.Setenv("XDG_CONFIG_HOME", "")
	if a, b := machineID(), machineID(); a != b || len(a) != 32 {
		t.Errorf("ids are %q and %q", a, b)
	}
}
