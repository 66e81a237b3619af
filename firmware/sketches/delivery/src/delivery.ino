// A reading every ten seconds, or at each press of a button, that is not lost by an outage, a reset or a night without power
// on the network's side. It is confirmed by a program that has stored it: ../../libraries/GuaranteedDelivery/examples/store.
#include "GuaranteedDelivery.h"
#include "Particle.h"

SYSTEM_THREAD(ENABLED);

const pin_t button = D2; // to GND
const pin_t sensor = A0;
const system_tick_t period = 10000; // ms

retained uint8_t memory[1024] __attribute__((aligned(4)));
GuaranteedDelivery delivery(memory, sizeof memory, "ssetest13");

volatile uint32_t presses = 0;

void onPress() {
    presses = presses + 1;
}

void take() {
    char members[32];
    snprintf(members, sizeof members, "\"a\":%ld", (long)analogRead(sensor));
    uint32_t id = delivery.add(members);
    Serial.printlnf("reading %lu waiting %u dropped %lu", (unsigned long)id, (unsigned)delivery.waiting(), (unsigned long)delivery.stats().dropped);
}

void setup() {
    pinMode(button, INPUT_PULLUP);
    attachInterrupt(button, onPress, FALLING);
    delivery.begin();
    Serial.printlnf("waiting %u damaged %lu", (unsigned)delivery.waiting(), (unsigned long)delivery.stats().damaged);
}

void loop() {
    static system_tick_t last = 0;
    static uint32_t seen = 0;
    if (millis() - last >= period) {
        last = millis();
        take();
    }
    for (; seen != presses; seen++) take();
    delivery.loop();
}
