// Package listening talks to boards in listening mode (blinking dark blue) over their serial port: who they are, and which
// Wi-Fi network they shall join.
//
//	Ports     the serial ports of boards, as USB names them
//	Open      a Console on one of them
//	Identify  i, v, m: device id, modem, Device OS, MAC address
//	SetWiFi   w: name, security, cipher, password
//
// A console waits for one letter and answers with text. For w it asks one question after another and echoes what is
// answered; which it asks depends on the board and on whether it sees the network (device-os system/src/system_setup.cpp,
// read in 0.7.0, 1.4.4, 1.5.2, 2.3.1, 3.3.1, 4.2.0, 5.9.0 and 6.2.0: the questions are the same in all of them).
//
// A board that is not in listening mode says nothing, or whatever its program prints.
package listening
