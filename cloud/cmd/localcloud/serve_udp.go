package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"

	"localcloud/coap/link/dtls"
	"localcloud/coap/session"
	"localcloud/keys"
)

// defaultUDP is where newer boards connect: the port cannot be changed in them (device-protocol.md, 2.11).
const defaultUDP = ":5684"

// udpBuffer is what the kernel may hold of datagrams that were not read: some thousand, when many boards come at once.
const udpBuffer = 4 << 20

// udpServer is the side of the cloud that devices connect to over UDP.
type udpServer struct {
	peers    *session.Peers
	listener *dtls.Listener
}

// listenUDP opens the socket for devices on UDP. When the address was not chosen and another program has it, there is no
// socket, and a warning: everything else goes on.
func listenUDP(address string, logger *slog.Logger) (*net.UDPConn, error) {
	chosen := address != ""
	if !chosen {
		address = defaultUDP
	}
	conn, err := net.ListenPacket("udp", address)
	if err != nil {
		err = explainListen("udp", address, err)
		if _, busy := errors.AsType[*busyError](err); busy && !chosen {
			logger.Warn("newer boards (on UDP) cannot connect", "err", err)
			return nil, nil
		}
		return nil, err
	}
	socket := conn.(*net.UDPConn)
	_ = socket.SetReadBuffer(udpBuffer) // the system may allow less
	_ = socket.SetWriteBuffer(udpBuffer)
	return socket, nil
}

// newUDPServer puts together what serves devices on UDP.
func newUDPServer(p *parts, socket *net.UDPConn, logger *slog.Logger) *udpServer {
	peers := session.NewPeers(session.PeersConfig{
		Hub: p.hub, Registry: p.store.Registry(), Logger: logger, Links: p.store.Events(), Knock: func(k keys.Knock) { p.knocks.Record(k) },
	})
	listener := dtls.NewListener(dtls.NewSocket(socket), dtls.Config{
		Keys: p.ecKeys, HoldsOld: newHolders(p).old, Logger: logger,
		Open:   func(c *dtls.Conn) dtls.Receiver { return peers.Open(c) },
		Failed: func(f dtls.Failure) { recordFailure(p, logger, f) },
	})
	return &udpServer{peers: peers, listener: listener}
}

// serve serves devices until ctx ends: first nothing more is read, then all go offline.
func (u *udpServer) serve(ctx context.Context) error {
	if err := u.restore(); err != nil {
		return err
	}
	peers, stopPeers := context.WithCancel(context.WithoutCancel(ctx))
	var stepping sync.WaitGroup
	stepping.Go(func() { _ = u.peers.Run(peers) })
	err := u.listener.Serve(ctx)
	stopPeers()
	stepping.Wait()
	if err != nil {
		return fmt.Errorf("udp: %w", err)
	}
	return nil
}

// restore takes in the sessions of devices that were stored when the cloud ran before.
func (u *udpServer) restore() error {
	err := u.peers.Restore(func(l session.StoredLink, open func(session.Channel) *session.Peer) error {
		_, err := u.listener.Restore(l.Secrets, l.Counters, l.Device, l.Address, func(c *dtls.Conn) dtls.Receiver { return open(c) })
		return err
	})
	if err != nil {
		return fmt.Errorf("sessions of devices: %w", err)
	}
	return nil
}

// recordFailure puts a device whose handshake failed on the list, and says so in the log with the next step.
func recordFailure(p *parts, logger *slog.Logger, f dtls.Failure) {
	k := p.knocks.Record(f.Knock)
	what, next := k.Explain()
	level := slog.LevelWarn
	if k.Count&(k.Count-1) != 0 {
		level = slog.LevelDebug // the log tells of the first, the second, the fourth...; the list counts all
	}
	logger.Log(context.Background(), level, "device not let in", "address", k.Address, "step", string(k.Step), "reason", string(k.Reason), "count", k.Count,
		"what", what, "next", next, "err", f.Err)
}
