package session

import (
	"bytes"
	"fmt"
	"slices"
	"testing"
	"time"
)

func TestSeenKnowsTheRepliesOfTheLatestMessages(t *testing.T) {
	var s seen
	long := []byte("a reply with a token and a payload")
	for id, reply := range [][]byte{nil, appendACK(nil, 1, 0), appendACK(nil, 2, 0x44), long} {
		if _, again := s.lookUp(10, uint16(id)); again {
			t.Errorf("%d came before", id)
		}
		if reply != nil {
			s.replied(uint16(id), reply)
		}
	}
	for id, want := range [][]byte{nil, {0x60, 0, 0, 1}, {0x60, 0x44, 0, 2}, long} {
		got, again := s.lookUp(20, uint16(id))
		if !again || !bytes.Equal(got, want) {
			t.Errorf("%d: %x, %v, want %x", id, got, again, want)
		}
	}
}

// Ids come round again after 65,536 messages, or sooner when a device begins anew.
func TestAnIDThatHadItsTimeIsNewAgain(t *testing.T) {
	var s seen
	s.lookUp(0, 7)
	s.replied(7, []byte("the old reply"))
	later := uint32(seenFor/time.Second) + 1
	s.lookUp(later-10, 8)
	s.lookUp(later-10, 9) // the ring is not at 7's place
	if _, again := s.lookUp(later, 7); again {
		t.Error("7 is not forgotten")
	}
	if reply, again := s.lookUp(later, 7); !again || reply != nil {
		t.Errorf("%q, %v: want that it came, without a reply", reply, again)
	}
	s.replied(7, []byte("the new reply"))
	if reply, _ := s.lookUp(later, 7); string(reply) != "the new reply" {
		t.Errorf("%q", reply)
	}
	if len(s.long) != 1 {
		t.Errorf("%d replies are kept, want 1", len(s.long))
	}
}

func TestForgottenOnlyWithoutReply(t *testing.T) {
	var s seen
	for id := range uint16(2) {
		s.lookUp(0, id)
	}
	s.replied(0, appendACK(nil, 0, 0))
	s.forget(0)
	s.forget(1)
	_, first := s.lookUp(1, 0)
	_, second := s.lookUp(1, 1)
	if !first || second {
		t.Errorf("with reply: %v, want that it came; without: %v, want that it is new", first, second)
	}
}

func TestSeenIsBounded(t *testing.T) {
	var s seen
	for i := range uint32(10_000) {
		s.lookUp(i/100, uint16(i))
		s.replied(uint16(i), fmt.Append(nil, "reply", i))
	}
	if len(s.ring) != seenIDs || len(s.long) != seenIDs {
		t.Errorf("%d ids, %d replies, want %d each", len(s.ring), len(s.long), seenIDs)
	}
	var ids []uint16
	s.latest(func(r seenID) bool {
		ids = append(ids, r.id)
		return len(ids) < 3
	})
	if !slices.Equal(ids, []uint16{9999, 9998, 9997}) {
		t.Errorf("latest are %v", ids)
	}
}
