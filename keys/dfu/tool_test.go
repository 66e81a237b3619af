package dfu_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"strings"
	"testing"

	"localcloud/keys"
	"localcloud/keys/dfu"
	"localcloud/keys/dfu/dfutest"
)

func TestMain(m *testing.M) {
	dfutest.Main()
	os.Exit(m.Run())
}

const (
	photonID = "3f0034000b51343334363138"
	argonID  = "e00fce6814ab7c2f5e6d9001"
)

// theOnly returns the one board in DFU mode.
func theOnly(t *testing.T, tool dfu.Tool) dfu.Board {
	t.Helper()
	boards, err := tool.List(t.Context())
	if err != nil || len(boards) != 1 {
		t.Fatalf("%d boards, %v", len(boards), err)
	}
	return boards[0]
}

func wantProblem(t *testing.T, err error, problem dfu.Problem, words ...string) {
	t.Helper()
	var failed *dfu.Error
	if !errors.As(err, &failed) || failed.Problem != problem {
		t.Fatalf("the error is %v, want %s", err, problem)
	}
	for _, w := range words {
		if !strings.Contains(err.Error(), w) {
			t.Errorf("%q lacks %q", err, w)
		}
	}
}

func TestBoardsAreListedOnceEach(t *testing.T) {
	bench := dfutest.Install(t)
	tool := dfu.Tool{}
	if boards, err := tool.List(t.Context()); err != nil || len(boards) != 0 {
		t.Errorf("an empty bench: %v, %v", boards, err)
	}
	bench.Plug(t, "photon", photonID, "1-1")
	bench.Plug(t, "electron", "00000000010C", "1-2")
	boards, err := tool.List(t.Context())
	if err != nil || len(boards) != 2 {
		t.Fatalf("%v, %v", boards, err)
	}
	if b := boards[0]; b.Platform.Name != "photon" || b.ID.String() != photonID || b.Path != "1-1" {
		t.Errorf("the Photon is %+v", b)
	}
	if b := boards[1]; b.Platform.Name != "electron" || !b.ID.IsZero() || b.Serial != "00000000010C" {
		t.Errorf("the Electron is %+v", b)
	}
}

func TestASlotIsWrittenReadAndLeft(t *testing.T) {
	bench := dfutest.Install(t)
	board := bench.Plug(t, "photon", photonID, "1-1")
	var percents []int
	tool := dfu.Tool{Progress: func(p int) { percents = append(percents, p) }}
	b := theOnly(t, tool)
	slot := b.Platform.Layout().ServerKey
	data := bytes.Repeat([]byte("cloud!"), 100)[:slot.Size]
	if err := tool.Write(t.Context(), b, slot, data); err != nil {
		t.Fatal(err)
	}
	image := board.Image(t)
	if !bytes.Equal(image[2082:2594], data) || bytes.Count(image, []byte{0xff}) != len(image)-len(data) {
		t.Error("other bytes than those of the slot were written, or others than given")
	}
	if len(percents) == 0 || percents[len(percents)-1] != 100 {
		t.Errorf("progress %v", percents)
	}
	if got, err := tool.Read(t.Context(), b, slot); err != nil || !bytes.Equal(got, data) {
		t.Errorf("read back: %v", err)
	}
	if err := tool.Leave(t.Context(), b, slot); err != nil || board.InDFU() {
		t.Errorf("leave: %v, still in DFU mode %v", err, board.InDFU())
	}
	if !bytes.Equal(board.Image(t), image) {
		t.Error("leaving changed the memory")
	}
}

func TestABoardThatStaysIsSaid(t *testing.T) {
	bench := dfutest.Install(t)
	bench.Plug(t, "photon", photonID, "1-1").Fault(t, dfutest.StaysInDFU)
	b := theOnly(t, dfu.Tool{})
	if err := (dfu.Tool{}).Leave(t.Context(), b, b.Platform.Layout().ServerKey); !errors.Is(err, dfu.ErrStays) {
		t.Errorf("the error is %v", err)
	}
}

// Old boot loaders give all boards the same serial number: then the USB port tells them apart.
func TestTwinsAreToldApart(t *testing.T) {
	bench := dfutest.Install(t)
	one, two := bench.Plug(t, "photon", "00000000010C", "1-1"), bench.Plug(t, "photon", "00000000010C", "1-2")
	tool := dfu.Tool{}
	boards, err := tool.List(t.Context())
	if err != nil || len(boards) != 2 {
		t.Fatalf("%v, %v", boards, err)
	}
	slot := keys.Slot{Alt: 1, Address: 34, Size: 4}
	if err := tool.Write(t.Context(), boards[1], slot, []byte("twin")); err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(one.Image(t), []byte("twin")) || !bytes.Contains(two.Image(t), []byte("twin")) {
		t.Error("the other board was written")
	}
}

func TestEachFailureNamesTheNextStep(t *testing.T) {
	slot := keys.Slot{Alt: 1, Address: 2082, Size: 512}
	t.Run("the program is missing", func(t *testing.T) {
		t.Setenv("PATH", t.TempDir())
		_, err := dfu.Tool{}.List(t.Context())
		wantProblem(t, err, dfu.Missing, "install")
	})
	t.Run("permission", func(t *testing.T) {
		dfutest.Install(t).Plug(t, "photon", photonID, "1-1").Fault(t, dfutest.NoPermission)
		_, err := dfu.Tool{}.List(t.Context())
		wantProblem(t, err, dfu.Permission, "localcloud device udev --install")
	})
	t.Run("protected", func(t *testing.T) {
		dfutest.Install(t).Plug(t, "argon", argonID, "1-1").Fault(t, dfutest.Protected)
		_, err := dfu.Tool{}.Read(t.Context(), theOnly(t, dfu.Tool{}), slot)
		wantProblem(t, err, dfu.Protected, "protection", "errVENDOR")
	})
	t.Run("the first read fails", func(t *testing.T) {
		dfutest.Install(t).Plug(t, "photon", photonID, "1-1").Fault(t, dfutest.FirstRead)
		if _, err := (dfu.Tool{}).Read(t.Context(), theOnly(t, dfu.Tool{}), slot); err != nil {
			t.Errorf("it was not tried again: %v", err)
		}
	})
	t.Run("unplugged while writing", func(t *testing.T) {
		dfutest.Install(t).Plug(t, "photon", photonID, "1-1").UnplugAfterWrites(t, 1)
		err := dfu.Tool{}.Write(t.Context(), theOnly(t, dfu.Tool{}), slot, make([]byte, 512))
		wantProblem(t, err, dfu.Gone, "plug it in again")
	})
	t.Run("unplugged before reading", func(t *testing.T) {
		bench := dfutest.Install(t)
		board := bench.Plug(t, "photon", photonID, "1-1")
		b := theOnly(t, dfu.Tool{})
		board.UnplugAfterWrites(t, 1)
		dfu.Tool{}.Write(t.Context(), b, slot, make([]byte, 512))
		_, err := dfu.Tool{}.Read(t.Context(), b, slot)
		wantProblem(t, err, dfu.Gone)
	})
}

func TestAWriteIsNotBegunAfterAnInterrupt(t *testing.T) {
	bench := dfutest.Install(t)
	board := bench.Plug(t, "photon", photonID, "1-1")
	b := theOnly(t, dfu.Tool{})
	before := board.Image(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := (dfu.Tool{}).Write(ctx, b, keys.Slot{Alt: 1, Address: 34, Size: 1}, []byte{0}); !errors.Is(err, context.Canceled) {
		t.Errorf("the error is %v", err)
	}
	if !bytes.Equal(board.Image(t), before) {
		t.Error("it was written all the same")
	}
}

// The real program takes every command line of ours: on a machine without boards it gets as far as looking for one.
func TestRealDFUUtilTakesEveryCall(t *testing.T) {
	bench := dfutest.Install(t)
	bench.Plug(t, "photon", "00000000010C", "1-1")
	bench.Plug(t, "photon", "00000000010C", "1-2")
	bench.Plug(t, "p2", argonID, "1-3.4")
	tool := dfu.Tool{}
	boards, err := tool.List(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, b := range boards {
		slot := b.Platform.Layout().ServerKey
		data, err := tool.Read(t.Context(), b, slot)
		err = errors.Join(err, tool.Write(t.Context(), b, slot, data), tool.Leave(t.Context(), b, slot))
		if err != nil {
			t.Fatal(err)
		}
	}
	bench.RealProgramTakes(t)
}

func TestUdevRulesNameEveryBoard(t *testing.T) {
	rules := dfu.UdevRules()
	for _, want := range []string{
		`ATTRS{idVendor}=="2b04", ATTRS{idProduct}=="d006"`, `ATTRS{idVendor}=="1d50", ATTRS{idProduct}=="607f"`, `ATTRS{idProduct}=="c020"`,
	} {
		if !strings.Contains(rules, want) {
			t.Errorf("the rules lack %s", want)
		}
	}
}
