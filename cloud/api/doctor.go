package api

import (
	"fmt"
	"net"
	"slices"
	"strings"
	"time"

	"localcloud/cloud"
	"localcloud/keys"
)

// finding is one thing that the doctor sees: what is so, and what to do about it.
type finding struct {
	What string `json:"what"`
	Next string `json:"next"` // empty: nothing
}

// deviceReport is what the doctor says of one device.
type deviceReport struct {
	ID       string         `json:"id"`
	Name     string         `json:"name"`
	Online   bool           `json:"online"`
	Knock    *unknownObject `json:"knock"` // the last time that it was not let in; null: never since the start
	Given    *keys.Given    `json:"given"` // what it was last given from here; null: nothing
	Findings []finding      `json:"findings"`
}

// cloudReport is what the doctor says when it is asked of no device.
type cloudReport struct {
	Listening  map[string]string `json:"listening"`   // by transport: the address of the socket; empty: not served
	Addresses  []string          `json:"addresses"`   // by which this machine can be reached
	Devices    int               `json:"devices"`     // known
	Online     int               `json:"online"`      //
	LastSign   stamp             `json:"last_sign"`   // when anything of a board was last seen, let in or not; null: never
	Findings   []finding         `json:"findings"`    //
	Symptoms   []keys.Symptom    `json:"symptoms"`    // what the light of a board says
	ReachPages []string          `json:"reach_pages"` // to open on a phone in the boards' Wi-Fi
}

// reach answers a phone in the boards' network. It says nothing of the cloud but that it is there.
func (s *Server) reach(q *request) (any, error) {
	return rawText("You reach this cloud: " + hostOnly(q.Host) + " answers on this network.\n" +
		"If a board in the same Wi-Fi does not reach it, the network is not the reason: look at the key and the address in the board.\n"), nil
}

// doctor says why boards may not come.
func (s *Server) doctor(*request) (any, error) {
	r := cloudReport{
		Listening: s.listening(), Addresses: s.addresses(), Devices: s.Registry.CountDevices(), Online: s.Hub.Totals().Online,
		Findings: []finding{}, Symptoms: keys.Symptoms(), ReachPages: []string{},
	}
	for _, a := range r.Addresses {
		r.ReachPages = append(r.ReachPages, "http://"+net.JoinHostPort(a, portOf(r.Listening["http"]))+"/reach")
	}
	last := s.lastSign()
	r.LastSign = stamp(last)
	add := func(what, next string) { r.Findings = append(r.Findings, finding{what, next}) }
	switch {
	case r.Online > 0:
		add(fmt.Sprintf("%d board(s) are online: the network, the ports and this cloud work.", r.Online), "")
	case last.IsZero():
		add("Nothing of a board ever arrived here.", "Open one of the reach pages on a phone in the boards' Wi-Fi: if it does not show, it is the network "+
			"(client isolation, guest network, firewall, another address); if it does, look at the light of the board, below.")
	default:
		add("No board is online. The last sign of one came "+time.Since(last).Round(time.Second).String()+" ago.", "localcloud device list --unknown")
	}
	if n := len(s.Knocks.List()); n > 0 {
		add(fmt.Sprintf("%d of those that connected were not let in.", n), "localcloud device list --unknown")
	}
	s.findAddresses(r.Addresses, add)
	s.findListeners(r.Listening, add)
	s.findRotation(add)
	return r, nil
}

// findAddresses compares the addresses that boards were given with those of this machine.
func (s *Server) findAddresses(own []string, add func(what, next string)) {
	if len(own) == 0 {
		add("This machine has no address in any network.", "Connect it to the network of the boards.")
	}
	elsewhere := map[string]int{}
	for _, g := range s.Boards.Given() {
		if net.ParseIP(g.Host) != nil && !slices.Contains(own, g.Host) && !s.Hub.IsOnline(g.ID) {
			elsewhere[g.Host]++
		}
	}
	for host, n := range elsewhere {
		add(fmt.Sprintf("%d board(s) look for this cloud at %s, which this machine does not have.", n, host),
			"Let your router give this machine that address (a fixed lease), or give the boards another: localcloud device rekey --host ADDRESS")
	}
}

// findListeners says which boards cannot come because nobody listens where they look.
func (s *Server) findListeners(listening map[string]string, add func(what, next string)) {
	if listening["tcp"] == "" {
		add("This cloud does not listen for Core, Photon and P1 (TCP).", "localcloud serve")
	}
	switch udp := listening["udp"]; {
	case udp == "":
		add("This cloud does not listen for boards on UDP (Electron, Argon, Boron, P2, Photon 2 ...).", "localcloud status")
	case portOf(udp) != "5684":
		add("This cloud listens for boards on UDP at port "+portOf(udp)+", but they always use 5684.", "localcloud serve --udp :5684")
	}
}

// lastSign is when anything of a board was last seen.
func (s *Server) lastSign() (last time.Time) {
	for _, k := range s.Knocks.List() {
		if k.Last.After(last) {
			last = k.Last
		}
	}
	for d := range s.Registry.AllDevices() {
		for _, t := range []time.Time{d.LastHandshake, d.LastHeard, s.Hub.Status(d.ID).LastHeard} {
			if t.After(last) {
				last = t
			}
		}
	}
	return last
}

// deviceDoctor says why one device may not come. The device need not be known: knocks and gifts are looked at too.
func (s *Server) deviceDoctor(q *request) (any, error) {
	d, known, err := s.patient(q)
	if err != nil {
		return nil, err
	}
	r := deviceReport{ID: d.ID.String(), Name: d.Name, Online: s.Hub.IsOnline(d.ID), Findings: []finding{}}
	for _, k := range s.Knocks.List() {
		if k.ID == d.ID {
			o := newUnknown(k)
			r.Knock = &o
		}
	}
	for _, g := range s.Boards.Given() {
		if g.ID == d.ID {
			r.Given = &g
		}
	}
	add := func(what, next string) { r.Findings = append(r.Findings, finding{what, next}) }
	s.findState(d, known, r, add)
	s.findServerKey(d, r.Given, add)
	if r.Given != nil {
		s.findGiven(*r.Given, r.Online, add)
	}
	return r, nil
}

// manyReplaced is how many connections of a device may be replaced before it looks like two devices.
const manyReplaced = 3

// patient is the device of the address: one that is known, or any id.
func (s *Server) patient(q *request) (cloud.Device, bool, error) {
	d, err := s.device(q)
	if err == nil {
		return d, true, nil
	}
	if id, notID := keys.ParseDeviceID(q.variable("id")); notID == nil && q.runs() {
		return cloud.Device{ID: id}, false, nil
	}
	return d, false, err
}

// findState says how far a device came.
func (s *Server) findState(d cloud.Device, known bool, r deviceReport, add func(what, next string)) {
	if r.Knock != nil && !r.Online {
		add("It connected from "+r.Knock.Address+" ("+r.Knock.Transport+") and was not let in, at the step "+string(r.Knock.Step)+": "+r.Knock.What+
			" Its light: "+r.Knock.LED+".", r.Knock.Next)
	}
	if now := s.Hub.Status(d.ID); now.Replaced >= manyReplaced {
		add(fmt.Sprintf("%d times it connected again while an older connection was open, last from %s while one from %s was: two boards use the same id and key "+
			"(duplicate id), or its network breaks often.", now.Replaced, now.Address, now.Rival), "Switch one of the two off. If there is only one, check its Wi-Fi signal.")
	}
	switch {
	case r.Online && d.SafeMode:
		add("It is online in safe mode: its own program does not run. Its light: breathing magenta.", "Flash the Device OS that the program needs, and the program, over USB.")
	case r.Online:
		add("It is online. Its light: breathing cyan.", "")
	case !known && r.Knock == nil:
		add("This cloud does not know it, and it never tried to connect since the cloud started.", "Put it into DFU mode (blinking yellow) on a USB cable: localcloud device rekey")
	case known && d.Key.IsZero():
		add("It is registered without a public key, so it cannot prove who it is.", "localcloud device rekey, with the board in DFU mode (blinking yellow)")
	case known && d.LastHandshake.IsZero() && r.Knock == nil:
		add("It is registered and never came.", "What does its light show? See: localcloud doctor")
	case known && r.Knock == nil:
		add("It is offline; it was last heard at "+d.LastHeard.UTC().Format(time.RFC3339)+", from "+d.LastAddress+".", "Check its power and its Wi-Fi. What does its light show? See: localcloud doctor")
	}
}

// findGiven says whether what a board was given still leads here.
func (s *Server) findGiven(g keys.Given, online bool, add func(what, next string)) {
	if g.Writing != "" {
		add("A command that changed it did not end well, so it may hold half of something. Its backup is "+g.Writing+".",
			"Plug it in, in DFU mode (blinking yellow): localcloud device rekey to go on, localcloud device restore to go back")
	}
	if online {
		return
	}
	if net.ParseIP(g.Host) != nil && !slices.Contains(s.addresses(), g.Host) {
		add("It looks for this cloud at "+g.Host+", which this machine does not have.",
			"Let your router give this machine that address (a fixed lease), or: localcloud device rekey --host ADDRESS")
	}
	listening := s.listening()
	if at := listening[string(g.Transport)]; at == "" {
		add("This cloud does not listen on "+string(g.Transport)+", which it uses.", "localcloud status")
	} else if want := fmt.Sprint(g.Port); g.Port != 0 && portOf(at) != want {
		add("It looks at port "+want+", and this cloud listens at "+portOf(at)+".", "localcloud serve --"+string(g.Transport)+" :"+want)
	}
}

// listening returns the sockets of this cloud by transport, as main says.
func (s *Server) listening() map[string]string {
	out := map[string]string{"http": "", "tcp": "", "udp": "", "relay": ""}
	if s.Status == nil {
		return out
	}
	status, err := objectOf(s.Status())
	if err != nil {
		return out
	}
	listeners, _ := status["listeners"].(map[string]any)
	for name := range out {
		out[name], _ = listeners[name].(string)
	}
	return out
}

// addresses returns the IPv4 addresses by which boards can reach this machine.
func (s *Server) addresses() []string {
	list := []string{}
	for _, host := range s.Hosts.Own() {
		if ip := net.ParseIP(host).To4(); ip != nil && !ip.IsLoopback() && !ip.IsLinkLocalUnicast() {
			list = append(list, ip.String())
		}
	}
	return list
}

func portOf(address string) string {
	_, port, _ := net.SplitHostPort(address)
	return port
}

func hostOnly(host string) string {
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	return strings.Map(func(r rune) rune {
		if r <= ' ' || r > '~' || strings.ContainsRune(`<>&"'`, r) {
			return -1
		}
		return r
	}, bound(host))
}
