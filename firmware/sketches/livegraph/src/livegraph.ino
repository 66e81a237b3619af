// A knob, fifty times a second, live in every browser: http://YOUR-CLOUD:8070/relay/livegraph/
#include "LocalRelay.h"
#include "Particle.h"

SYSTEM_THREAD(ENABLED);

const pin_t knob = A0;
const system_tick_t period = 20; // ms

uint8_t memory[1024];
LocalRelay relay(memory, sizeof memory);

void setup() {
    relay.begin();
}

void loop() {
    static system_tick_t last = 0;
    relay.loop();
    if (millis() - last < period) return;
    last = millis();
    char line[16];
    snprintf(line, sizeof line, "%ld", (long)analogRead(knob));
    relay.send(line);
}
