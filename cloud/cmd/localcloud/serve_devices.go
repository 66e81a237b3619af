package main

import (
	"context"
	"errors"
	"log/slog"
	"net"

	"localcloud/cloud"
	"localcloud/coap/link"
	"localcloud/coap/session"
	"localcloud/keys"
)

// deviceServer returns the side of the cloud that devices connect to over TCP.
func deviceServer(p *parts, logger *slog.Logger) *session.Server {
	registry := p.store.Registry()
	handshake := &link.Server{
		Keys: p.rsaKeys,
		Authorize: func(_ context.Context, a link.Attempt) (keys.PublicKey, error) {
			key, reason := cloud.Admit(registry, a.ID, a.Offered)
			if reason != "" {
				return keys.PublicKey{}, &link.Refusal{Reason: reason}
			}
			return key, nil
		},
	}
	return &session.Server{
		Hub: p.hub, Registry: registry, Logger: logger, Calm: handshake.Calm,
		Knock: func(k keys.Knock) { p.knocks.Record(k) },
		Handshake: func(ctx context.Context, nc net.Conn) (session.Link, error) {
			conn, err := handshake.Handshake(ctx, nc)
			if err != nil {
				recordKnock(p.knocks, logger, nc.RemoteAddr(), err)
				return nil, err // not conn: a nil *link.Conn is no nil Link
			}
			return conn, nil
		},
	}
}

// recordKnock puts a device that was not let in on the list, and says so in the log with the next step.
func recordKnock(knocks *cloud.Knocks, logger *slog.Logger, from net.Addr, err error) {
	var failed *link.HandshakeError
	if !errors.As(err, &failed) {
		logger.Warn("device not let in", "address", from.String(), "err", err)
		return
	}
	k := knocks.Record(failed.Knock)
	what, next := k.Explain()
	attrs := []any{"address", k.Address, "step", string(k.Step), "reason", string(k.Reason), "count", k.Count, "what", what, "next", next}
	if !k.ID.IsZero() {
		attrs = append([]any{"device", k.ID.String()}, attrs...)
	}
	logger.Warn("device not let in", attrs...)
}
