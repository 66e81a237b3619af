package session

import (
	"errors"
	"testing"
	"testing/synctest"
)

func TestACrowdThatIsClosedClosesWhoIsInItAndWhoComesLater(t *testing.T) {
	inBubble(t, func(t *testing.T, s *site) {
		var c crowd
		early, gone, late := s.connect(theID), s.connect(theID), s.connect(theID)
		c.join(early.dev)
		c.join(gone.dev)
		c.leave(gone.dev)
		why := errors.New("stopping")
		c.close(why)
		c.join(late.dev)
		for _, p := range []*peer{early, late} {
			if err := p.ended(); !errors.Is(err, why) {
				t.Errorf("ended by %v", err)
			}
		}
		synctest.Wait()
		select {
		case err := <-gone.end:
			t.Errorf("who left before was closed: %v", err)
		default:
		}
		gone.dev.Close(nil)
	})
}
