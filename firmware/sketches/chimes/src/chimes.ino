// Six buttons that ring six chimes in every browser. Buttons are pressed in bursts and two at once, so an interrupt only
// counts; loop() tells. A line says how often each button was pressed since the board started:
//
//   {"chimes":[12,0,3,0,0,7]}
//
// A line that is lost costs nothing: the next one has all presses. When there is no relay, an event has the same, once a second.
#include "LocalRelay.h"
#include "Particle.h"

SYSTEM_THREAD(ENABLED);

const int buttons = 6;
const pin_t pins[buttons] = {D0, D1, D2, D3, D4, D5}; // each to GND
const system_tick_t bounce = 5000; // microseconds in which a contact only bounces
const system_tick_t again = 5000;  // ms after which the counts are sent though nothing was pressed
const system_tick_t pace = 1010;   // ms between events

// Each is written by one interrupt only and read by loop(): a 32-bit access is whole, no lock is needed.
volatile uint32_t presses[buttons];
volatile system_tick_t pressedAt[buttons];

void press(int button) {
    system_tick_t now = micros();
    if (presses[button] > 0 && now - pressedAt[button] < bounce) return;
    pressedAt[button] = now;
    presses[button] = presses[button] + 1;
}
void onPress0() { press(0); }
void onPress1() { press(1); }
void onPress2() { press(2); }
void onPress3() { press(3); }
void onPress4() { press(4); }
void onPress5() { press(5); }
const raw_interrupt_handler_t handlers[buttons] = {onPress0, onPress1, onPress2, onPress3, onPress4, onPress5};

uint8_t memory[2048];
LocalRelay relay(memory, sizeof memory);

uint32_t sent[buttons];      // by the relay
uint32_t published[buttons]; // by an event

bool copyIfNew(uint32_t told[buttons]) {
    bool isNew = false;
    for (int i = 0; i < buttons; i++) {
        uint32_t n = presses[i];
        isNew |= n != told[i];
        told[i] = n;
    }
    return isNew;
}

void format(const uint32_t n[buttons], char* line, size_t size) {
    snprintf(line, size, "{\"chimes\":[%lu,%lu,%lu,%lu,%lu,%lu]}", (unsigned long)n[0], (unsigned long)n[1], (unsigned long)n[2], (unsigned long)n[3],
             (unsigned long)n[4], (unsigned long)n[5]);
}

void stream() {
    static system_tick_t last = 0;
    if (!relay.connected() || relay.room() < 128) return;
    if (!copyIfNew(sent) && millis() - last < again) return;
    last = millis();
    char line[100];
    format(sent, line, sizeof line);
    relay.send(line);
}

void publish() {
    static system_tick_t last = 0;
    if (relay.connected() || !Particle.connected() || millis() - last < pace) return;
    uint32_t now[buttons];
    memcpy(now, published, sizeof now);
    if (!copyIfNew(now)) return;
    last = millis();
    char data[100];
    format(now, data, sizeof data);
    if (Particle.publish("chimes", data, PRIVATE)) memcpy(published, now, sizeof now);
}

void setup() {
    for (int i = 0; i < buttons; i++) {
        pinMode(pins[i], INPUT_PULLUP);
        attachInterrupt(pins[i], handlers[i], FALLING);
    }
    relay.begin();
}

void loop() {
    relay.loop();
    stream();
    publish();
}
