package main

import (
	"context"
	"errors"

	"localcloud/cloud/client"
	"localcloud/keys"
)

type keysRotateCmd struct {
	place
	Only   string `enum:"tcp,udp," default:"" help:"Only the key for boards on this transport: tcp (Core, Photon, P1) or udp (newer boards)." placeholder:"TRANSPORT"`
	Finish bool   `help:"Let go of the old key: boards that hold nothing else are not let in any more."`
	Undo   bool   `help:"Go back to the old key: boards that were given the new one are not let in any more."`
	Force  bool   `help:"With --finish: although boards hold the old key."`
	Yes    bool   `short:"y" help:"Do not ask before it is done."`
	JSON   bool   `name:"json" help:"Print JSON."`
}

// Help is the long text of --help.
func (*keysRotateCmd) Help() string {
	return "Gives this cloud new keys, as when an old backup of it got into wrong hands. The old ones go on being honoured, so nothing stops working: a board " +
		"with either key is let in, and the cloud sees which it holds. Give the new key to one board after another (localcloud device rekey); " +
		"localcloud keys show says which still hold the old one, and localcloud keys rotate --finish lets go of it. It takes effect at once, and lasts over restarts."
}

// Run begins a rotation, finishes or undoes it.
func (c *keysRotateCmd) Run(ctx context.Context, t *terminal) error {
	step, question := "begin", "Make new keys for this cloud. Boards go on with the old ones until they are given the new."
	switch {
	case c.Finish && c.Undo:
		return usagef("--finish and --undo: choose one of them")
	case c.Force && !c.Finish:
		return usagef("--force goes with --finish")
	case c.Finish:
		step, question = "finish", "Let go of the old keys. Boards that hold nothing else have to be re-keyed over USB before they can come again."
	case c.Undo:
		step, question = "undo", "Go back to the old keys. Boards that were given the new ones have to be re-keyed over USB before they can come again."
	}
	return c.with(ctx, needData, func(conn *connection) error {
		if !c.JSON {
			t.printf("%s\n", question)
		}
		if !confirm(t, c.Yes) {
			return errors.New("nothing was changed")
		}
		list, err := conn.RotateKeys(ctx, step, keys.Transport(c.Only), c.Force)
		switch {
		case err != nil:
			return err
		case c.JSON:
			return t.json(list)
		}
		sayRotation(t, list)
		if step == "begin" {
			t.printf("Next, for each board, in DFU mode (blinking yellow): localcloud device rekey. A new backup of this cloud holds the new keys: localcloud backup FILE\n")
		}
		return nil
	})
}

// sayRotation says how far rotations are.
func sayRotation(t *terminal, list []client.ServerKeyInfo) {
	for _, k := range list {
		switch {
		case k.Old == "":
			t.printf("%s: %s\n", k.Transport, clean(string(k.Fingerprint)))
			continue
		case k.HoldOld+k.HoldUnknown == 0:
			t.printf("%s: %s\n  takes the place of %s; no board holds that any more\n  -> localcloud keys rotate --finish\n", k.Transport, clean(string(k.Fingerprint)), clean(string(k.Old)))
			continue
		}
		t.printf("%s: %s\n  takes the place of %s\n  %d board(s) hold the new key, %d the old one, %d never came\n",
			k.Transport, clean(string(k.Fingerprint)), clean(string(k.Old)), k.HoldPresent, k.HoldOld, k.HoldUnknown)
		for _, id := range k.Waiting {
			t.printf("    to be re-keyed: %s\n", clean(id))
		}
	}
}
