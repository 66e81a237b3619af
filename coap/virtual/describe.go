package virtual

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/plgd-dev/go-coap/v3/message"
	"github.com/plgd-dev/go-coap/v3/message/codes"

	"localcloud/coap"
)

const (
	describeAll = coap.DescribeSystem | coap.DescribeApplication

	// redescribeWait is how long functions and variables that are registered
	// online are gathered before the device describes itself again.
	redescribeWait = 50 * time.Millisecond
	// blocksKept is how long a describe is kept for a server that takes it in
	// blocks. Device OS communication/inc/protocol_defs.h COAP_BLOCKWISE_RESPONSE_TIMEOUT.
	blocksKept = 90 * time.Second
	// blockOverhead is what a block needs around it, at most.
	// Device OS communication/src/description.cpp MAX_RESPONSE_COAP_OVERHEAD.
	blockOverhead = 16
)

// errNoSuchDescribe ends the connection, as ProtocolError INTERNAL does on a board.
var errNoSuchDescribe = errors.New("virtual: asked for a describe that this release has not")

// describing is the state of what the device says about itself.
type describing struct {
	againAt time.Time      // when it tells its application again; zero: not planned
	posting *blockPost     // in blocks, one at a time
	queue   []byte         // flags of describes that wait for that
	serving []*blockAnswer // in blocks, as the server asks for them
}

type blockPost struct {
	flags byte
	id    uint16 // of the block that is to be acknowledged
	num   uint32
	rest  []byte
	form  int
}

type blockAnswer struct {
	flags  byte
	etag   uint32
	data   []byte
	format int
	takers int // requests for the first block that are not at the last one yet
	used   time.Time
}

// blocks returns how many blocks of size bytes n bytes take.
func blocks(n, size int) uint32 { return uint32((n + size - 1) / size) }

// describe returns what the device says of the parts that flags name, and its
// content format, or -1 where it says none.
func (d *Device) describe(now time.Time, flags byte) ([]byte, int, error) {
	if flags == coap.DescribeMetrics && d.os.hasMetrics {
		return coap.AppendMetrics(nil, d.metrics(now)), -1, nil
	}
	if d.os.protobuf {
		switch flags {
		case coap.DescribeSystem:
			return d.description().Part(flags).AppendProto(nil), coap.FormatBinary, nil
		case coap.DescribeApplication:
			return d.description().Part(flags).AppendJSON(nil), -1, nil
		}
		return nil, 0, errNoSuchDescribe
	}
	if flags&describeAll == 0 && d.os.blockwise {
		return nil, 0, errNoSuchDescribe
	}
	// Asked for both parts at once, Device OS 3.3.1 forgets the comma between them
	// (communication/src/description.cpp serialize). It was not observed, and is not kept.
	return d.description().Part(flags).AppendJSON(nil), -1, nil
}

// description returns application and system.
func (d *Device) description() coap.Describe {
	d.mu.Lock()
	all := d.applicationLocked()
	d.mu.Unlock()
	all.HasSystem = true
	all.HasPlatform = true
	all.Platform = int(d.cfg.PlatformID)
	all.Modules = d.modules()
	return all
}

func (d *Device) applicationLocked() coap.Describe {
	app := coap.Describe{HasApplication: true}
	for _, f := range d.functions {
		app.Functions = append(app.Functions, f.name)
	}
	for _, v := range d.variables {
		if app.Variables == nil {
			app.Variables = make(map[string]coap.VariableType, len(d.variables))
		}
		app.Variables[v.name] = v.kind
		app.VariableNames = append(app.VariableNames, v.name)
	}
	return app
}

// describableLocked refuses what would make the describe longer than a message
// where it cannot come in blocks. A board refuses at 768 bytes or, when it
// counted wrong, stops. Device OS communication/src/protocol.cpp get_describe_data.
func (d *Device) describableLocked() error {
	if d.os.blockwise {
		return nil
	}
	longest := d.os.maxMessage - blockOverhead
	if d.os.reply != replyApart { // both parts in one
		longest -= len(coap.Describe{HasSystem: true, HasPlatform: true, Modules: d.modules()}.AppendJSON(nil))
	}
	if len(d.applicationLocked().AppendJSON(nil)) > longest {
		return ErrTooMany
	}
	return nil
}

// describeAgain has the server told of a new function or variable, by those
// that can tell. A board would not before its next connection. c is nil when
// the device is offline.
func (c *connection) describeAgain() {
	if c == nil || !c.d.os.posts {
		return
	}
	// If the connection has just ended, the next one tells.
	_ = c.ask(func(c *connection, now time.Time) error {
		if c.describing.againAt.IsZero() {
			c.describing.againAt = now.Add(redescribeWait)
		}
		return nil
	})
}

// onDescribe answers a request in the way of the release.
func (c *connection) onDescribe(now time.Time, m coap.Message) error {
	flags, asked := coap.DescribeFlags(m)
	if c.d.os.blockwise {
		if !asked {
			return c.refuseDescribe(m, codes.BadRequest)
		}
		return c.describeInBlocks(now, m, flags)
	}
	if !asked || flags == coap.DescribeMetrics && !c.d.os.hasMetrics {
		flags = describeAll
	}
	switch c.d.os.reply {
	case replyTwice:
		// Once as system and once as application, whatever was asked; a slip (&&
		// for &) puts the application into both. Device OS 0.4.9
		// communication/src/spark_protocol.cpp description.
		if err := c.describeWhole(now, m, coap.Acknowledgement, m.ID, describeAll); err != nil {
			return err
		}
		return c.describeWhole(now, m, coap.Acknowledgement, m.ID, coap.DescribeApplication)
	case replyInACK:
		return c.describeWhole(now, m, coap.Acknowledgement, m.ID, flags)
	}
	if err := c.send(coap.Ack(m.ID)); err != nil {
		return err
	}
	return c.describeWhole(now, m, coap.Confirmable, c.nextID(), flags)
}

func (c *connection) describeWhole(now time.Time, m coap.Message, t coap.Type, id uint16, flags byte) error {
	payload, format, err := c.d.describe(now, flags)
	if err != nil {
		return err
	}
	reply := coap.DescribeReply(t, id, m.Token[0], format, payload)
	if !c.fits(reply) { // where a board would panic
		return fmt.Errorf("virtual: a describe of %d bytes does not fit", len(payload))
	}
	return c.send(reply)
}

func (c *connection) refuseDescribe(m coap.Message, code codes.Code) error {
	switch m.Type {
	case coap.Confirmable:
		return c.send(coap.AckCode(m.ID, m.Token, code))
	case coap.NonConfirmable:
		return c.send(coap.Message{Type: coap.NonConfirmable, Code: code, ID: c.nextID(), Token: m.Token})
	}
	return nil
}

// describeInBlocks answers with one message if it fits, else with the block
// that is asked for. The server must use the device's block size and take the
// blocks in order. Device OS communication/src/description.cpp receiveRequest.
func (c *connection) describeInBlocks(now time.Time, m coap.Message, flags byte) error {
	var num uint32
	if _, ok := optionValue(m, message.Block2); ok {
		block, ok := coap.Block2(m)
		if !ok || block.SZX != c.blockSZX() {
			return c.refuseDescribe(m, codes.BadOption)
		}
		num = block.Num
	}
	answer := c.served(now, flags)
	if answer == nil && num != 0 || answer != nil && num >= blocks(len(answer.data), c.blockSize()) {
		return c.refuseDescribe(m, codes.NotFound)
	}
	if err := c.send(coap.Ack(m.ID)); err != nil {
		return err
	}
	if answer == nil {
		payload, format, err := c.d.describe(now, flags)
		if err != nil {
			return err
		}
		whole := coap.DescribeReply(coap.Confirmable, 0, m.Token[0], format, payload)
		if c.fits(whole) {
			whole.ID = c.nextID()
			return c.send(whole)
		}
		c.d.etag++
		answer = &blockAnswer{flags: flags, etag: c.d.etag, data: payload, format: format}
		c.describing.serving = append(c.describing.serving, answer)
	}
	return c.sendBlock(now, answer, m.Token[0], num)
}

// served returns the describe that the server is taking in blocks, if it is.
func (c *connection) served(now time.Time, flags byte) *blockAnswer {
	serving := &c.describing.serving
	*serving = slices.DeleteFunc(*serving, func(a *blockAnswer) bool { return now.Sub(a.used) >= blocksKept })
	i := slices.IndexFunc(*serving, func(a *blockAnswer) bool { return a.flags == flags })
	if i < 0 {
		return nil
	}
	return (*serving)[i]
}

func (c *connection) sendBlock(now time.Time, answer *blockAnswer, token byte, num uint32) error {
	if num == 0 {
		answer.takers++
	}
	size := c.blockSize()
	part := answer.data[int(num)*size:]
	more := len(part) > size
	if more {
		part = part[:size]
	} else if answer.takers--; answer.takers == 0 {
		c.describing.serving = slices.DeleteFunc(c.describing.serving, func(a *blockAnswer) bool { return a == answer })
	}
	answer.used = now
	block := coap.Block{Num: num, More: more, SZX: c.blockSZX()}
	reply := coap.DescribeReply(coap.Confirmable, c.nextID(), token, answer.format, part)
	return c.send(reply.With(message.ETag, appendUint(nil, answer.etag)).With(message.Block2, block.Append(nil)))
}

// blockSZX says how large blocks are: 1024 bytes if that fits into a message,
// else 512.
func (c *connection) blockSZX() uint8 {
	if blockOverhead+1024 <= c.d.os.maxMessage {
		return 6
	}
	return 5
}

func (c *connection) blockSize() int { return coap.Block{SZX: c.blockSZX()}.Size() }

func (c *connection) fits(m coap.Message) bool {
	b, err := m.Append(nil)
	return err == nil && len(b) <= c.d.os.maxMessage
}

// postDescribe tells the server of a part unasked. While one goes out in
// blocks, others wait.
func (c *connection) postDescribe(now time.Time, flags byte) error {
	d := &c.describing
	if d.posting != nil {
		if !slices.Contains(d.queue, flags) {
			d.queue = append(d.queue, flags)
		}
		return nil
	}
	payload, format, err := c.d.describe(now, flags)
	if err != nil {
		return err
	}
	var token []byte
	if c.d.os.blockwise {
		token = []byte{c.nextToken()}
	}
	whole := coap.DescribePost(0, token, flags, format, payload)
	if !c.d.os.blockwise || c.fits(whole) {
		whole.ID = c.nextID()
		return c.send(whole)
	}
	d.posting = &blockPost{flags: flags, rest: payload, form: format}
	return c.postBlock(token)
}

func (c *connection) postBlock(token []byte) error {
	p := c.describing.posting
	size := c.blockSize()
	part := p.rest[:min(size, len(p.rest))]
	p.rest = p.rest[len(part):]
	p.id = c.nextID()
	block := coap.Block{Num: p.num, More: len(p.rest) > 0, SZX: c.blockSZX()}
	p.num++
	m := coap.DescribePost(p.id, token, p.flags, p.form, part)
	return c.send(m.With(message.Block1, block.Append(nil)))
}

// describeAcknowledged goes on with the next block, or with the next describe.
// A board looks at no code here; after a reset it gives up.
func (c *connection) describeAcknowledged(m coap.Message) error {
	d := &c.describing
	if d.posting == nil || d.posting.id != m.ID {
		return nil
	}
	if m.Type != coap.Reset && len(d.posting.rest) > 0 {
		return c.postBlock([]byte{c.nextToken()})
	}
	d.posting = nil
	queue := d.queue
	d.queue = nil
	for _, flags := range queue {
		if err := c.postDescribe(time.Now(), flags); err != nil {
			return err
		}
	}
	return nil
}

func (c *connection) describeTick(now time.Time) error {
	if again := c.describing.againAt; again.IsZero() || now.Before(again) {
		return nil
	}
	c.describing.againAt = time.Time{}
	return c.postDescribe(now, coap.DescribeApplication)
}
