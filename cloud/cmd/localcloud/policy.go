package main

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"localcloud/cloud"
)

// policyCmd is "localcloud policy".
type policyCmd struct {
	Show policyShowCmd `cmd:"" help:"Show how many events devices may send."`
	Set  policySetCmd  `cmd:"" help:"Change how many events devices may send; it works at once."`
}

type policyShowCmd struct {
	place
	JSON bool `name:"json" help:"Print JSON."`
}

// Run shows the rate limits: the general ones, and of each device that has one of its own.
func (c *policyShowCmd) Run(ctx context.Context, t *terminal) error {
	return c.with(ctx, needData, func(conn *connection) error {
		p, err := conn.Policies(ctx)
		switch {
		case err != nil:
			return err
		case c.JSON:
			return t.json(p)
		}
		devices, err := conn.AllDevices(ctx)
		if err != nil {
			return err
		}
		rows := [][]string{
			{"each device", p.Device.String(), inWords(p.Device)},
			{"all devices together", p.Server.String(), inWords(p.Server)},
		}
		for _, id := range slices.Sorted(maps.Keys(p.Products)) {
			policy := p.Products[id]
			rows = append(rows, []string{fmt.Sprintf("product %d", id), policy.String(), inWords(policy)})
		}
		for _, d := range devices {
			if d.Policy != nil {
				rows = append(rows, []string{"device " + nameOrID(d), d.Policy.String(), inWords(*d.Policy)})
			}
		}
		return t.table([]string{"WHO", "POLICY", "MEANS"}, rows)
	})
}

// inWords says what a policy does.
func inWords(p cloud.Policy) string {
	switch {
	case p.IsOff():
		return "no limit"
	case p.Action == cloud.Warn:
		return "more is delivered, and counted"
	case p.Action == cloud.Drop:
		return "more is dropped"
	}
	return "more is refused, and the device is told"
}

type policySetCmd struct {
	place
	What   string `arg:"" enum:"events,server" help:"events: of each device; server: of all devices together."`
	Policy string `arg:"" help:"off (no limit), warn (count only), particle (as the official cloud: 1/s:4 drop), or RATE/s:BURST such as 2/s:10."`
	Action string `enum:"warn,drop,reject," default:"" help:"What happens to more events than that: warn, drop or reject." placeholder:"ACTION"`
	Device string `help:"Only for this device, instead of the general policy. Takes the policy default as well." placeholder:"ID"`

	Product *int `help:"For all devices with this product id together. Takes the policy default as well, which removes it." placeholder:"NUMBER"`
}

// Run changes a rate limit.
func (c *policySetCmd) Run(ctx context.Context, t *terminal) error {
	if c.Device != "" {
		if c.What != "events" {
			return usagef("--device goes with: policy set events")
		}
		return (&devicePolicyCmd{place: c.place, ID: c.Device, Policy: c.Policy, Action: c.Action}).Run(ctx, t)
	}
	if c.Product != nil {
		return c.setProduct(ctx, t)
	}
	p, err := parsePolicy(c.Policy, c.Action)
	if err != nil {
		return err
	}
	var device, server *cloud.Policy
	if c.What == "server" {
		server = &p
	} else {
		device = &p
	}
	return c.with(ctx, needAny, func(conn *connection) error {
		if _, err := conn.SetPolicies(ctx, device, server); err != nil {
			return err
		}
		t.printf("%s: %s\n", p, inWords(p))
		return nil
	})
}

// setProduct changes or removes the rate limit of one product.
func (c *policySetCmd) setProduct(ctx context.Context, t *terminal) error {
	if c.What != "events" {
		return usagef("--product goes with: policy set events")
	}
	var policy *cloud.Policy
	said := "no policy of its own"
	if c.Policy != "default" {
		p, err := parsePolicy(c.Policy, c.Action)
		if err != nil {
			return err
		}
		policy, said = &p, p.String()+": "+inWords(p)
	}
	return c.with(ctx, needAny, func(conn *connection) error {
		if _, err := conn.SetProductPolicy(ctx, *c.Product, policy); err != nil {
			return err
		}
		t.printf("product %d: %s\n", *c.Product, said)
		return nil
	})
}

// parsePolicy reads a policy and the action that --action gives it.
func parsePolicy(text, action string) (cloud.Policy, error) {
	p, err := cloud.ParsePolicy(text)
	if err != nil {
		return cloud.Policy{}, usageError{err}
	}
	if action != "" && p.IsOff() {
		return cloud.Policy{}, usagef("--action goes with a rate, such as 1/s:4; the policy off never does anything")
	}
	if action != "" {
		p.Action = cloud.Action(action)
	}
	return p, nil
}
