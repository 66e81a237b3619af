package cloud_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"localcloud/cloud"
)

func TestErrorReadsOutsideIn(t *testing.T) {
	for want, err := range map[string]error{
		"call: led: device is offline": cloud.E("call", cloud.Other, cloud.E("led", cloud.Offline, nil)),
		"call: context canceled":       cloud.E("call", cloud.Timeout, context.Canceled),
		"timed out":                    cloud.E("", cloud.Timeout, nil),
		"too large":                    cloud.Errorf("", cloud.Invalid, "too %s", "large"),
		"failed":                       cloud.E("", cloud.Other, nil),
		"session: call: no space left": fmt.Errorf("session: %w", cloud.E("call", cloud.NoSpace, nil)),
		"x: failed":                    cloud.E("x", cloud.Kind(200), nil),
		"log in: not authenticated":    cloud.E("log in", cloud.Unauthentic, nil),
		"adopt: exists already":        cloud.E("adopt", cloud.Exist, nil),
		"publish: too many requests":   cloud.E("publish", cloud.Limited, nil),
		"read: not found":              cloud.E("read", cloud.NotExist, nil),
		"f: refused by the device":     cloud.E("f", cloud.Refused, nil),
		"m: not supported":             cloud.E("m", cloud.Unsupported, nil),
		"p: permission denied":         cloud.E("p", cloud.Permission, nil),
		"i: invalid request":           cloud.E("i", cloud.Invalid, nil),
	} {
		if got := err.Error(); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

func TestKindIsTheOutermostThatSaysSomething(t *testing.T) {
	inner := cloud.E("led", cloud.Offline, errors.New("cause"))
	for _, c := range []struct {
		err  error
		want cloud.Kind
	}{
		{nil, cloud.Other},
		{errors.New("x"), cloud.Other},
		{inner, cloud.Offline},
		{cloud.E("call", cloud.Other, inner), cloud.Offline},
		{fmt.Errorf("a: %w", cloud.E("call", cloud.Other, fmt.Errorf("b: %w", inner))), cloud.Offline},
		{cloud.E("call", cloud.Timeout, inner), cloud.Timeout},
		{cloud.E("call", cloud.Other, errors.New("x")), cloud.Other},
		{errors.Join(errors.New("x"), inner), cloud.Offline},
	} {
		if got := cloud.KindOf(c.err); got != c.want {
			t.Errorf("kind of %v is %v, want %v", c.err, got, c.want)
		}
	}
	cause := errors.New("cause")
	if !errors.Is(cloud.Errorf("a", cloud.Invalid, "b: %w", cause), cause) {
		t.Error("the cause is lost")
	}
}
