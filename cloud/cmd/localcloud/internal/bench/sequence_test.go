package bench

import "testing"

func TestSequenceCountsLossOrderAndCopies(t *testing.T) {
	tests := []struct {
		name                       string
		came                       []uint64
		sent                       uint64
		got, lost, twice, disorder uint64
	}{
		{name: "nothing sent"},
		{name: "nothing came", sent: 3, lost: 3},
		{name: "all, in order", came: []uint64{1, 2, 3}, sent: 3, got: 3},
		{name: "the first is lost", came: []uint64{2, 3}, sent: 3, got: 2, lost: 1},
		{name: "one in the middle is lost", came: []uint64{1, 3}, sent: 3, got: 2, lost: 1},
		{name: "the last two are lost", came: []uint64{1}, sent: 3, got: 1, lost: 2},
		{name: "a copy at once", came: []uint64{1, 2, 2, 3}, sent: 3, got: 3, twice: 1},
		{name: "copies later", came: []uint64{1, 2, 3, 1, 2}, sent: 3, got: 3, twice: 2},
		{name: "two change places", came: []uint64{1, 3, 2, 4}, sent: 4, got: 4, disorder: 1},
		{name: "backwards", came: []uint64{3, 2, 1}, sent: 3, got: 3, disorder: 2},
		{name: "a copy does not stand for what is lost", came: []uint64{1, 1}, sent: 2, got: 1, lost: 1, twice: 1},
		{name: "far apart", came: []uint64{1, 200, 64, 65}, sent: 200, got: 4, lost: 196, disorder: 2},
		{name: "one that nobody sent", came: []uint64{1, 2, 3}, sent: 2, got: 3},
		{name: "one that nobody sent does not stand for what is lost", came: []uint64{1, 3}, sent: 2, got: 2, lost: 1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var s sequence
			for _, n := range tt.came {
				s.add(n)
			}
			if s.got != tt.got || s.twice != tt.twice || s.disorder != tt.disorder || s.lost(tt.sent) != tt.lost {
				t.Errorf("got %d, lost %d, twice %d, out of order %d; want %d, %d, %d, %d",
					s.got, s.lost(tt.sent), s.twice, s.disorder, tt.got, tt.lost, tt.twice, tt.disorder)
			}
		})
	}
}

func TestSequenceTellsNewFromCopies(t *testing.T) {
	var s sequence
	for i, want := range []bool{true, true, false, true, false} {
		if n := []uint64{1, 70, 1, 2, 70}[i]; s.add(n) != want {
			t.Errorf("add(%d) at %d: new = %v", n, i, !want)
		}
	}
}
