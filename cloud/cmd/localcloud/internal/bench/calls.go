package bench

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"sync/atomic"
	"time"

	"localcloud/coap"
)

// request is one request of a loop, the same or another each time.
type request struct {
	method, path, body string
	want               string // part of the answer; empty: anything
}

// requests makes a loop of callers that ask what next says.
func (r *run) requests(c *Cloud, inFlight int, next func(worker int) request) (*loop, error) {
	l := &loop{cloud: c}
	for worker := range inFlight {
		caller, err := newCaller(c)
		if err != nil {
			return nil, err
		}
		l.workers = append(l.workers, func(ctx context.Context) error {
			q := next(worker)
			answer, err := caller.do(ctx, q.method, q.path, q.body)
			if err == nil && !bytes.Contains(answer, []byte(q.want)) {
				err = fmt.Errorf("%w: %.200s", errWrong, answer)
			}
			return err
		})
	}
	return l, nil
}

// errWrong is an answer to something else.
var errWrong = errors.New("the answer is a wrong one")

// The function and the variable that our devices have.
const (
	functionName = "bench"
	variableName = "bench"
	value        = 123456
)

// calls measures function calls, and then again with many more devices registered.
func calls(ctx context.Context, r *run) error {
	c, err := r.cloud(ctx)
	if err != nil {
		return err
	}
	err = r.calling(ctx, c, "", aim(">=", 6000))
	if err := errors.Join(err, c.close()); err != nil || r.Start == nil || ctx.Err() != nil {
		return err
	}
	registered := cmp.Or(r.Registered, 10_000)
	dir, err := r.fill(ctx, filling{devices: registered})
	if err != nil {
		return err
	}
	if c, err = r.start(ctx, dir, ""); err != nil {
		return err
	}
	err = r.calling(ctx, c, fmt.Sprintf(", %d devices registered", registered), aim(">=", 6000))
	return errors.Join(err, c.close())
}

// calling calls functions that return what they are called with.
func (r *run) calling(ctx context.Context, c *Cloud, where string, want *Reference) error {
	var number atomic.Int64
	return r.asking(ctx, c, "call", where, want, func(m *member) request {
		n := strconv.FormatInt(number.Add(1)%1e9, 10)
		return request{
			method: http.MethodPost, path: "/v1/devices/" + m.id.String() + "/" + functionName,
			body: `{"args":"` + n + `"}`, want: `"return_value":` + n + `}`,
		}
	})
}

// variables measures variables that are read.
func variables(ctx context.Context, r *run) error {
	c, err := r.cloud(ctx)
	if err != nil {
		return err
	}
	err = r.asking(ctx, c, "variable", "", nil, func(m *member) request {
		return request{method: http.MethodGet, path: "/v1/devices/" + m.id.String() + "/" + variableName, want: strconv.Itoa(value)}
	})
	return errors.Join(err, c.close())
}

// asking measures requests that devices have to answer, the same number to each
// of them. where tells apart what is measured twice.
func (r *run) asking(ctx context.Context, c *Cloud, one, where string, want *Reference, ask func(*member) request) error {
	inFlight, d := r.inFlight(16), r.duration(4*time.Second)
	f, err := r.fleet(ctx, c, r.devices(16))
	if err != nil {
		return err
	}
	if err := f.equip(); err != nil {
		return err
	}
	r.progress("%d devices connect", len(f.members))
	defer f.disconnect()
	if err := f.connect(ctx, window); err != nil {
		return err
	}
	ceiling, err := r.requestCeiling(ctx, inFlight)
	if err != nil {
		return err
	}
	turn := make([]int, inFlight)
	l, err := r.requests(c, inFlight, func(worker int) request {
		turn[worker]++
		return ask(f.members[(worker+turn[worker]*inFlight)%len(f.members)])
	})
	if err != nil {
		return err
	}
	what := one + "s" + where
	r.progress("%s, %d in flight, for %v", what, inFlight, d)
	l.measure(ctx, d)
	r.add(what, l.rate(), "/s", want)
	r.add(what+", against plain HTTP", l.rate(), "/s", ceilingOf(">=", ceiling, "plain HTTP server"))
	r.addLatency(what, l.took, nil, nil)
	r.addCPU(l.spent, float64(l.done.Load()), one+where, nil)
	r.add("CPU of devices and clients per "+one+where, micros(l.spent.ours)/float64(l.done.Load()), "µs", nil)
	r.addFailedRequests(what, l)
	r.addSurprises(f)
	return nil
}

// equip gives each device the function and the variable.
func (f *fleet) equip() error {
	for _, m := range f.members {
		err := errors.Join(
			m.device.Function(functionName, func(arg string) int32 {
				n, _ := strconv.ParseInt(arg, 10, 32)
				return int32(n)
			}),
			m.device.Variable(variableName, coap.Int, func() any { return value }),
		)
		if err != nil {
			return err
		}
	}
	return nil
}
