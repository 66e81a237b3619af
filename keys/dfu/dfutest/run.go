package dfutest

import (
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"

	"localcloud/keys"
)

// Exit codes of dfu-util (sysexits.h).
const (
	exitUsage = 64
	exitIO    = 74
)

// call is a parsed command line.
type call struct {
	list             bool
	device           string // vid:pid
	serial, path     string
	alt              string
	addressed        bool // there was a -s
	address, length  int  // length 0: none was given
	leave            bool
	upload, download string
}

func run(b *Bench, args []string, stdout, stderr io.Writer) int {
	if err := b.note(args); err != nil {
		fmt.Fprintln(stderr, err)
		return 1
	}
	c, err := parse(args)
	if err != nil {
		fmt.Fprintf(stderr, "%s: %v\nUsage: dfu-util [options] ...\n", program, err)
		return exitUsage
	}
	fmt.Fprint(stdout, "dfu-util 0.11\n\n")
	if c.list {
		return list(b, stdout, stderr)
	}
	board, err := find(b, c)
	if err == nil {
		err = board.do(c, stdout)
	}
	if err != nil {
		fmt.Fprintf(stderr, "%s: %v\n", program, err)
		return exitIO
	}
	return 0
}

func parse(args []string) (c call, err error) {
	for i := 0; i < len(args); i++ {
		flag, value := args[i], ""
		if flag != "-l" {
			if i++; i == len(args) {
				return c, fmt.Errorf("%s needs a value", flag)
			}
			value = args[i]
		}
		switch flag {
		case "-l":
			c.list = true
		case "-d":
			c.device = value
		case "-S":
			c.serial = value
		case "-p":
			c.path = value
		case "-a":
			c.alt = value
		case "-s":
			err = c.parseAddress(value)
		case "-U":
			c.upload = value
		case "-D":
			c.download = value
		default:
			err = fmt.Errorf("unknown option %s", flag)
		}
		if err != nil {
			return c, err
		}
	}
	if !c.list && (c.device == "" || c.alt != "1" || !c.addressed || (c.upload == "") == (c.download == "")) {
		return c, errors.New("-d, -a 1, -s and one of -U and -D are needed")
	}
	return c, nil
}

// parseAddress reads the option -s: ADDRESS[:LENGTH][:leave].
func (c *call) parseAddress(value string) (err error) {
	parts := strings.Split(value, ":")
	if c.address, err = strconv.Atoi(parts[0]); err != nil {
		return err
	}
	c.addressed = true
	for _, p := range parts[1:] {
		if p == "leave" {
			c.leave = true
			continue
		}
		if c.length, err = strconv.Atoi(p); err != nil {
			return err
		}
	}
	return nil
}

func list(b *Bench, stdout, stderr io.Writer) int {
	for i, board := range b.boards() {
		platform, _ := keys.ParsePlatform(board.Platform)
		if board.get("fault") == NoPermission {
			fmt.Fprintf(stderr, "%s: Cannot open DFU device %s found on devnum %d (LIBUSB_ERROR_ACCESS)\n", program, platform.DFU, i+1)
			continue
		}
		for _, alt := range []string{
			`alt=1, name="@DCT Flash   /0x00000000/01*016Kg"`, `alt=0, name="@Internal Flash   /0x08000000/03*016Ka,01*016Kg,01*064Kg,07*128Kg"`,
		} {
			fmt.Fprintf(stdout, "Found DFU: [%s] ver=0250, devnum=%d, cfg=1, intf=0, path=%q, %s, serial=%q\n", platform.DFU, i+1, board.Path, alt, board.Serial)
		}
	}
	return 0
}

// words is an error as dfu-util words it, capitals included.
type words string

func (w words) Error() string { return string(w) }

func wordsf(format string, args ...any) error { return words(fmt.Sprintf(format, args...)) }

func find(b *Bench, c call) (*Board, error) {
	fits := slices.DeleteFunc(b.boards(), func(board *Board) bool {
		platform, _ := keys.ParsePlatform(board.Platform)
		return platform.DFU.String() != c.device || (c.serial != "" && board.Serial != c.serial) || (c.path != "" && board.Path != c.path)
	})
	switch {
	case len(fits) == 0:
		return nil, words("No DFU capable USB device available")
	case len(fits) > 1:
		return nil, words("More than one DFU capable USB device found! Try `--list' and specify the serial number or disconnect all but one device")
	}
	return fits[0], nil
}

func (b *Board) do(c call, stdout io.Writer) error {
	if b.get("fault") == Protected {
		return words("Error during special command \"SET_ADDRESS\" get_status: errVENDOR")
	}
	if c.upload != "" {
		if err := b.upload(c, stdout); err != nil {
			return err
		}
	} else if err := b.download(c, stdout); err != nil {
		return err
	}
	if c.leave && b.get("fault") != StaysInDFU {
		fmt.Fprint(stdout, "Submitting leave request...\n")
		return b.set("mode", "running")
	}
	return nil
}

func (b *Board) upload(c call, stdout io.Writer) error {
	if b.get("fault") == FirstRead {
		b.set("fault", NoFault)
		return words("Error during upload (LIBUSB_ERROR_OTHER)")
	}
	image, err := os.ReadFile(b.image())
	if err != nil {
		return err
	}
	if c.length == 0 || c.address+c.length > len(image) {
		return wordsf("Page at 0x%08x is not readable", c.address)
	}
	f, err := os.OpenFile(c.upload, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return wordsf("Cannot open file %s for writing", c.upload)
	}
	_, err = f.Write(image[c.address : c.address+c.length])
	fmt.Fprintf(stdout, "Upload\t[=========================] 100%% %12d bytes\nUpload done.\n", c.length)
	return errors.Join(err, f.Close())
}

func (b *Board) download(c call, stdout io.Writer) error {
	data, err := os.ReadFile(c.download)
	if err != nil {
		return wordsf("Could not open file %s for reading", c.download)
	}
	image, err := os.ReadFile(b.image())
	if err != nil {
		return err
	}
	if c.address+len(data) > len(image) {
		return wordsf("Page at 0x%08x is not writeable", c.address)
	}
	fmt.Fprintf(stdout, "Download\t[============             ]  50%% %12d bytes\r", len(data)/2)
	if b.vanishes() {
		copy(image[c.address:], data[:len(data)/2])
		os.WriteFile(b.image(), image, 0o600)
		b.set("mode", "unplugged")
		return words("Error during download get_status (LIBUSB_ERROR_NO_DEVICE)")
	}
	copy(image[c.address:], data)
	if b.get("fault") == LosesBits {
		image[c.address+len(data)/2] ^= 0x10
	}
	if err := os.WriteFile(b.image(), image, 0o600); err != nil {
		return err
	}
	fmt.Fprintf(stdout, "Download\t[=========================] 100%% %12d bytes\nDownload done.\nFile downloaded successfully\n", len(data))
	return nil
}

// vanishes counts a write and reports whether it is the one at which the board is unplugged.
func (b *Board) vanishes() bool {
	left, ok := strings.CutPrefix(b.get("fault"), UnplugAfter)
	if !ok {
		return false
	}
	n, _ := strconv.Atoi(left)
	if n > 1 {
		b.set("fault", UnplugAfter+strconv.Itoa(n-1))
		return false
	}
	b.set("fault", NoFault)
	return true
}
