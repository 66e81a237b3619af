package main

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"strconv"
	"strings"

	"localcloud/cloud/client"
	"localcloud/keys"
)

// doctorCmd is "localcloud doctor".
type doctorCmd struct {
	place
	Device string `arg:"" optional:"" help:"Id or name of the device that does not come; without it, the cloud and all boards."`
	LED    string `name:"led" help:"What the light of the board shows, such as \"blinking green\": says what that means." placeholder:"PATTERN"`
	JSON   bool   `name:"json" help:"Print JSON."`
}

// Run says why boards do not come, and what to do.
func (c *doctorCmd) Run(ctx context.Context, t *terminal) error {
	if c.LED != "" {
		return explainLED(t, c.LED)
	}
	if c.Device != "" {
		return (&deviceDoctorCmd{place: c.place, ID: c.Device, JSON: c.JSON}).Run(ctx, t)
	}
	return c.with(ctx, needData, func(conn *connection) error {
		r, err := conn.Doctor(ctx)
		if err == nil {
			r = withFirewall(ctx, conn, r)
		}
		switch {
		case err != nil:
			return err
		case c.JSON:
			return t.json(r)
		case !conn.running:
			t.printf("localcloud does not run on the data in %s, so no board can come.\n  -> localcloud serve --data %s\n", conn.where, conn.where)
		}
		showReport(t, r, conn.running)
		if in, ok := t.in.(*os.File); ok && isTerminal(in) && r.Online == 0 {
			return askLED(t, in, r.Symptoms)
		}
		showSymptoms(t, r.Symptoms)
		return nil
	})
}

func showReport(t *terminal, r client.CloudReport, running bool) {
	if running {
		t.printf("Boards come to: tcp %s, udp %s, on %s\n", said(r.Listening["tcp"]), said(r.Listening["udp"]), said(strings.Join(r.Addresses, ", ")))
		t.printf("%d devices are known, %d online; last sign of a board: %s\n", r.Devices, r.Online, ago(r.LastSign))
	}
	showFindings(t, r.Findings)
	for _, page := range r.ReachPages {
		t.printf("To try the network, open on a phone in the boards' Wi-Fi: %s\n", clean(page))
	}
}

func said(s string) string {
	if s == "" {
		return "(nowhere)"
	}
	return clean(s)
}

func showFindings(t *terminal, findings []client.Finding) {
	for _, f := range findings {
		t.printf("- %s\n", clean(f.What))
		if f.Next != "" {
			t.printf("  -> %s\n", clean(f.Next))
		}
	}
}

func showSymptoms(t *terminal, symptoms []keys.Symptom) {
	t.printf("What the light of a board says (more of one: localcloud doctor --led \"PATTERN\"):\n")
	for _, s := range symptoms {
		t.printf("  %s: %s\n", s.LED, s.Meaning)
	}
}

// askLED lets a person choose what they see.
func askLED(t *terminal, in *os.File, symptoms []keys.Symptom) error {
	t.printf("What does the light of the board show?\n")
	for i, s := range symptoms {
		t.printf("  %2d  %s\n", i+1, s.LED)
	}
	fmt.Fprint(t.err, "Number (Enter: none of these): ")
	line, err := bufio.NewReader(in).ReadString('\n')
	n, notNumber := strconv.Atoi(strings.TrimSpace(line))
	if err != nil || notNumber != nil || n < 1 || n > len(symptoms) {
		return nil
	}
	showSymptom(t, symptoms[n-1])
	return nil
}

// explainLED finds the patterns that hold all the words.
func explainLED(t *terminal, pattern string) error {
	found := false
	for _, s := range keys.Symptoms() {
		fits := true
		for word := range strings.FieldsSeq(strings.ToLower(pattern)) {
			fits = fits && strings.Contains(strings.ToLower(s.LED), word)
		}
		if fits {
			found = true
			showSymptom(t, s)
		}
	}
	if !found {
		return usagef("there is no light like %q; see which there are: localcloud doctor", pattern)
	}
	return nil
}

func showSymptom(t *terminal, s keys.Symptom) {
	t.printf("%s: %s\n  Why: %s\n  -> %s\n", s.LED, s.Meaning, s.Cause, s.Next)
}

type deviceDoctorCmd struct {
	place
	ID   string `arg:"" help:"Id or name of the device."`
	JSON bool   `name:"json" help:"Print JSON."`
}

// Run says why one device does not come.
func (c *deviceDoctorCmd) Run(ctx context.Context, t *terminal) error {
	return c.with(ctx, needData, func(conn *connection) error {
		r, err := conn.DeviceDoctor(ctx, c.ID)
		switch {
		case err != nil:
			return unknownDevice(c.ID, err)
		case c.JSON:
			return t.json(r)
		}
		t.printf("%s %s\n", clean(r.ID), clean(r.Name))
		if r.Given != nil {
			t.printf("It was given %s:%d over %s, %s\n", clean(r.Given.Host), r.Given.Port, clean(string(r.Given.Transport)), ago(&r.Given.At))
		}
		showFindings(t, r.Findings)
		if !conn.running {
			t.printf("- localcloud does not run on the data in %s, so no board can come.\n  -> localcloud serve --data %s\n", conn.where, conn.where)
		}
		return nil
	})
}
