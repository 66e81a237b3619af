package coap_test

import (
	"fmt"

	"localcloud/coap"
)

// What a server does with a message of a device.
func ExampleMessage_Kind() {
	frame := []byte("\x40\x02\x00\x0d\xb1\x45\x09vdev/tick\xffhi")
	m, err := coap.Parse(frame)
	if err != nil {
		fmt.Println(err) // the peer is broken: close, or drop the datagram
		return
	}
	fmt.Println(m)
	switch m.Kind(coap.FromDevice) {
	case coap.KindEvent:
		ev, err := coap.ParseEvent(m)
		fmt.Printf("%s = %s, %v\n", ev.Name, ev.Data, err)
		fmt.Println(coap.Ack(m.ID))
	case coap.KindUnknown:
		// 4.04 to a Confirmable
	}
	// Output:
	// CON POST E/vdev/tick id=000d payload="hi"
	// vdev/tick = hi, <nil>
	// ACK empty id=000d
}

// A function call, as it goes over the wire, and its result.
func ExampleFunctionMessage() {
	call := coap.FunctionMessage(0x6e09, 0x10, "led", "on")
	frame, err := call.Append(nil)
	fmt.Printf("%x %v\n", frame, err)

	answer, err := coap.Parse([]byte("\x51\x44\xf9\x88\x10\xff\x00\x00\x00\x01"))
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(coap.FunctionResult(answer))
	// Output:
	// 41026e0910b166036c6564426f6e <nil>
	// 1 <nil>
}
