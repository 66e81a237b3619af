package sink

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"strconv"
	"sync"
	"time"

	"localcloud/cloud"
)

// answerTime is how long a target may take for its whole answer, as in the official cloud.
const answerTime = 20 * time.Second

// failure says why a try failed.
type failure struct {
	text  string        // data of the hook-error
	retry bool          // it may work later
	after time.Duration // the target said when
}

// errAsleep is the failure of a try that was not made. The words are the official cloud's.
var errAsleep = &failure{text: "Sleeping, too many errors, please wait and try again", retry: true}

// deliveryOf begins the record of a try.
func deliveryOf(j *job, now time.Time) cloud.HookDelivery {
	return cloud.HookDelivery{
		Time: now.UTC(), Hook: j.hook, Event: j.ev.Name, EventID: j.ev.ID, CoreID: j.ev.CoreID(),
		Data: excerpt(j.ev.Data), Attempt: j.attempt, Result: cloud.HookFailed,
	}
}

// attempt makes the request once and publishes hook-sent and the answer. A
// failure it returns, and publishes nothing of it.
func (s *Sink) attempt(ctx context.Context, h *cloud.Hook, j *job) (d cloud.HookDelivery, failed *failure) {
	began := time.Now()
	d = deliveryOf(j, began)
	defer func() {
		d.Took = time.Since(began).Seconds()
		if failed != nil {
			d.Error = failed.text
		} else {
			d.Result = cloud.HookDelivered
		}
	}()
	device, _ := s.Registry.Device(j.ev.Device)
	values := valuesOf(j.ev, device)
	bounded, cancel := context.WithTimeout(ctx, answerTime)
	defer cancel()
	req, err := newRequest(bounded, h, values)
	if err != nil {
		return d, &failure{text: err.Error()}
	}
	d.Request = h.Method + " " + withoutQuery(req.URL)
	r, failed := s.exchange(req, h, j)
	if failed != nil {
		d.Status = r.status
		d.Response = excerpt(r.body)
		return d, failed
	}
	d.Status, d.Response = r.status, excerpt(r.body)
	return d, s.respond(ctx, h, j.ev, r, values)
}

// exchange sends the request and reads the answer. One that is no success is a failure.
func (s *Sink) exchange(req *http.Request, h *cloud.Hook, j *job) (r response, failed *failure) {
	transport := s.strict
	if h.Insecure {
		transport = s.lax
	}
	wait := s.announce(req, h, j)
	client := http.Client{Transport: transport, CheckRedirect: sameHost}
	resp, err := client.Do(wait.req)
	wait.done(err == nil)
	if err != nil {
		return r, whyNot(req, err)
	}
	defer resp.Body.Close()
	r, err = readResponse(resp)
	if resp.StatusCode/100 != 2 {
		return r, statusFailure(req, resp)
	}
	if err != nil {
		return r, whyNot(req, err)
	}
	return r, nil
}

// announcement publishes hook-sent as soon as the request is written, while the target may still think.
type announcement struct {
	req  *http.Request
	done func(answered bool) // returns when it is published
}

func (s *Sink) announce(req *http.Request, h *cloud.Hook, j *job) announcement {
	if j.sent {
		return announcement{req, func(bool) {}}
	}
	wrote, over, published := make(chan struct{}), make(chan struct{}), make(chan struct{})
	mark := sync.OnceFunc(func() { close(wrote) })
	trace := &httptrace.ClientTrace{WroteRequest: func(info httptrace.WroteRequestInfo) {
		if info.Err == nil {
			mark()
		}
	}}
	go func() {
		defer close(published)
		select {
		case <-wrote:
		case <-over:
		}
		select {
		case <-wrote:
			j.sent = true
			s.say(req.Context(), h, j.ev, sentTopic, nil)
		default:
		}
	}()
	return announcement{req.WithContext(httptrace.WithClientTrace(req.Context(), trace)), func(answered bool) {
		if answered {
			mark()
		}
		close(over)
		<-published
	}}
}

// respond publishes the answer in pieces.
func (s *Sink) respond(ctx context.Context, h *cloud.Hook, ev *cloud.Event, r response, values []any) *failure {
	data, err := r.answer(h, values)
	if err != nil {
		return &failure{text: err.Error()}
	}
	name, err := topic(responseTopicOf(h), values)
	if err != nil {
		return &failure{text: err.Error()}
	}
	for i, piece := range pieces(data, h.Unchunked) {
		if err := s.publish(ctx, h, ev, name+"/"+strconv.Itoa(i), piece); err != nil {
			s.Logger.Warn("answer of a webhook is not published", "hook", string(h.ID), "piece", i, "err", err)
			return &failure{text: "the answer could not be published"}
		}
	}
	return nil
}

// sayError publishes a hook-error.
func (s *Sink) sayError(ctx context.Context, h *cloud.Hook, ev *cloud.Event, text string) {
	tmpl := errorTopic
	if h.ErrorResponseTopic != "" {
		tmpl = h.ErrorResponseTopic
	}
	device, _ := s.Registry.Device(ev.Device)
	values := valuesOf(ev, device)
	name, err := topic(tmpl, values)
	if err != nil {
		name, _ = topic(errorTopic, values)
	}
	s.log(h, s.publish(ctx, h, ev, name+"/0", []byte(text)))
}

// say publishes an event of the hook under a name without a number.
func (s *Sink) say(ctx context.Context, h *cloud.Hook, ev *cloud.Event, tmpl string, data []byte) {
	name, err := topic(tmpl, valuesOf(ev, cloud.Device{}))
	if err == nil {
		err = s.publish(ctx, h, ev, name, data)
	}
	s.log(h, err)
}

func (s *Sink) log(h *cloud.Hook, err error) {
	if err != nil {
		s.Logger.Warn("event of a webhook is not published", "hook", string(h.ID), "err", err)
	}
}

// publish publishes to the owner of the hook, and for a product to the owner of the device as well.
func (s *Sink) publish(ctx context.Context, h *cloud.Hook, ev *cloud.Event, name string, data []byte) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), publishTime)
	defer cancel()
	owners := []cloud.UserID{h.Owner}
	if ev.Owner != "" && ev.Owner != h.Owner {
		owners = append(owners, ev.Owner)
	}
	for _, owner := range owners {
		err := s.Hub.Publish(ctx, cloud.Event{
			Name: name, Data: data, Source: cloud.SourceCloud, Owner: owner, Private: true, Format: cloud.TextFormat,
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// whyNot says in words why no answer came. It leaves the URL out, which may hold a key in its query.
func whyNot(req *http.Request, err error) *failure {
	var wrapped *url.Error
	if errors.As(err, &wrapped) {
		err = wrapped.Err
	}
	var shut *closedError
	var certificate *tls.CertificateVerificationError
	switch {
	case errors.As(err, &shut):
		return &failure{text: shut.Error()}
	case errors.Is(err, context.DeadlineExceeded):
		return &failure{text: fmt.Sprintf("no answer from %s within %v", req.URL.Hostname(), answerTime), retry: true}
	case errors.As(err, &certificate):
		return &failure{text: fmt.Sprintf("the certificate of %s is not good: %v", req.URL.Hostname(), certificate.Err)}
	}
	return &failure{text: fmt.Sprintf("no answer from %s: %v", req.URL.Hostname(), err), retry: true}
}

// statusFailure is the failure of an answer that is no success, in the words of the official cloud.
func statusFailure(req *http.Request, resp *http.Response) *failure {
	f := &failure{text: fmt.Sprintf("error status %d from %s", resp.StatusCode, req.URL.Hostname())}
	switch code := resp.StatusCode; {
	case code == http.StatusTooManyRequests, code == http.StatusRequestTimeout, code == http.StatusTooEarly,
		code >= 500 && code != http.StatusNotImplemented:
		f.retry, f.after = true, retryAfter(resp.Header.Get("Retry-After"), time.Now())
	}
	return f
}

// retryAfter reads the header of that name: seconds or a date.
func retryAfter(s string, now time.Time) time.Duration {
	if n, err := strconv.Atoi(s); err == nil && n > 0 {
		return time.Duration(min(n, int(maxRetryAfter/time.Second))) * time.Second
	}
	if t, err := http.ParseTime(s); err == nil {
		return max(0, t.Sub(now))
	}
	return 0
}

// withoutQuery is a URL as a log may show it: the query and the user may be secrets.
func withoutQuery(u *url.URL) string {
	c := *u
	c.RawQuery, c.User, c.Fragment = "", nil, ""
	return c.String()
}
