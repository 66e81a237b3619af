package client

import (
	"context"
	"errors"
	"io"
	"net/http"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"localcloud/cloud"
	"localcloud/cloud/sse"
)

// streams is a server of event streams in memory: each request gets the next of them.
type streams struct {
	t        *testing.T
	requests []*http.Request
	serve    []func(r *http.Request) (*http.Response, error)
}

func (s *streams) RoundTrip(r *http.Request) (*http.Response, error) {
	s.requests = append(s.requests, r)
	if len(s.serve) == 0 {
		s.t.Error("one request too many")
		return nil, errors.New("nobody there")
	}
	next := s.serve[0]
	s.serve = s.serve[1:]
	return next(r)
}

func (s *streams) client() *Client {
	return &Client{BaseURL: "http://here", Token: token, HTTP: &http.Client{Transport: s}}
}

// frames answers with events of these ids, and then ends the stream.
func frames(ids ...uint64) func(*http.Request) (*http.Response, error) {
	return func(r *http.Request) (*http.Response, error) {
		b := []byte(sse.Preamble)
		for _, id := range ids {
			b = sse.AppendParticle(b, id, "temp", []byte("21"), 60, time.UnixMicro(int64(id)), "001")
		}
		return answer(r, 200, "text/event-stream", string(b)), nil
	}
}

// silent answers with a stream on which nothing comes.
func silent(r *http.Request) (*http.Response, error) {
	body, w := io.Pipe()
	context.AfterFunc(r.Context(), func() { w.CloseWithError(r.Context().Err()) })
	return &http.Response{StatusCode: 200, Request: r, Header: http.Header{"Content-Type": {"text/event-stream"}}, Body: body}, nil
}

func refused(status int) func(*http.Request) (*http.Response, error) {
	return func(r *http.Request) (*http.Response, error) {
		return answer(r, status, "application/json", `{"error":"no"}`), nil
	}
}

func unreachable(*http.Request) (*http.Response, error) { return nil, errors.New("connection refused") }

var errStop = errors.New("enough")

func TestFollowGoesOnBehindTheLastEventAfterTheStreamBroke(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &streams{t: t, serve: []func(*http.Request) (*http.Response, error){
			frames(5, 6), unreachable, refused(503), frames(6, 7), frames(8),
		}}
		var got []uint64
		var lost int
		began := time.Now()
		err := s.client().Follow(t.Context(), Query{
			Prefix: "te/m", Device: "my photon", Lost: func(error, time.Duration) { lost++ },
		}, func(ev Event) error {
			if ev.Name != "temp" || *ev.Data != "21" || ev.TTL != 60 || ev.CoreID != "001" || ev.PublishedAt.UnixMicro() != int64(ev.ID)/1000*1000 {
				t.Errorf("got %+v", ev)
			}
			got = append(got, uint64(ev.ID))
			if ev.ID == 8 {
				return errStop
			}
			return nil
		})
		if !errors.Is(err, errStop) || !slices.Equal(got, []uint64{5, 6, 7, 8}) || lost != 4 {
			t.Errorf("got %v, %v, %d times lost", got, err, lost)
		}
		// 0.5 s, 1 s, 2 s behind the first, 0.5 s again behind one that brought something
		if took := time.Since(began); took != 4*time.Second {
			t.Errorf("it took %v", took)
		}
		var after []string
		for _, r := range s.requests {
			after = append(after, r.Header.Get("Last-Event-ID"))
			if r.URL.EscapedPath() != "/v1/devices/my%20photon/events/te%2Fm" {
				t.Errorf("asked for %s", r.URL.EscapedPath())
			}
		}
		if want := []string{"", "6", "6", "6", "7"}; !slices.Equal(after, want) {
			t.Errorf("Last-Event-ID was %q, want %q", after, want)
		}
	})
}

func TestFollowNoticesAStreamThatDied(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &streams{t: t, serve: []func(*http.Request) (*http.Response, error){silent, frames(9)}}
		began := time.Now()
		var why error
		err := s.client().Follow(t.Context(), Query{Lost: func(err error, _ time.Duration) { why = err }}, func(Event) error { return errStop })
		if !errors.Is(err, errStop) || time.Since(began) != silence+firstPause || !errors.Is(why, errSilent) {
			t.Errorf("%v after %v because of %v", err, time.Since(began), why)
		}
	})
}

func TestFollowGivesUpWhenItIsRefused(t *testing.T) {
	tests := []struct {
		name  string
		serve []func(*http.Request) (*http.Response, error)
		kind  cloud.Kind
	}{
		{"at once", []func(*http.Request) (*http.Response, error){refused(401)}, cloud.Unauthentic},
		{"later, as the token was revoked", []func(*http.Request) (*http.Response, error){frames(1), refused(401)}, cloud.Unauthentic},
		{"nobody there", []func(*http.Request) (*http.Response, error){unreachable}, cloud.Other},
		{"no event stream", []func(*http.Request) (*http.Response, error){func(r *http.Request) (*http.Response, error) {
			return answer(r, 200, "text/html", "hello"), nil
		}}, cloud.Unsupported},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := &streams{t: t, serve: test.serve}
				err := s.client().Follow(t.Context(), Query{}, func(Event) error { return nil })
				if err == nil || cloud.KindOf(err) != test.kind || len(s.serve) != 0 {
					t.Errorf("got %v (%v), %d streams left", err, cloud.KindOf(err), len(s.serve))
				}
			})
		})
	}
}

func TestFollowEndsWithItsContext(t *testing.T) {
	for _, test := range []struct {
		name  string
		serve []func(*http.Request) (*http.Response, error)
	}{
		{"while it reads", []func(*http.Request) (*http.Response, error){silent}},
		{"while it waits", []func(*http.Request) (*http.Response, error){frames(1), unreachable, unreachable, unreachable, unreachable}},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
				defer cancel()
				began := time.Now()
				s := &streams{t: t, serve: test.serve}
				if err := s.client().Follow(ctx, Query{}, func(Event) error { return nil }); err != nil {
					t.Error(err)
				}
				if took := time.Since(began); took != 10*time.Second {
					t.Errorf("it ended after %v", took)
				}
			})
		})
	}
}

func TestFollowPassesOverWhatIsNoEvent(t *testing.T) {
	s := &streams{t: t, serve: []func(*http.Request) (*http.Response, error){func(r *http.Request) (*http.Response, error) {
		return answer(r, 200, "text/event-stream", ":ok\n\n"+
			"data: {\"data\":\"no name\"}\n\n"+
			"event: broken\ndata: not JSON\n\n"+
			"id: 3\nevent: name\ndata: {\"data\":null,\"name\":\"liar\",\"id\":99}\n\n"), nil
	}}}
	err := s.client().Follow(t.Context(), Query{}, func(ev Event) error {
		if ev.Name != "name" || ev.ID != 3 || ev.Data != nil {
			t.Errorf("got %+v", ev)
		}
		return errStop
	})
	if !errors.Is(err, errStop) {
		t.Error(err)
	}
}
