// A counter every ten seconds, as an event. The smallest sketch that shows that a board publishes: `localcloud events`.
#include "Particle.h"

SYSTEM_THREAD(ENABLED);

const system_tick_t period = 10000; // ms

int counter = 0;

void setup() {
    Particle.variable("counter", counter);
}

void loop() {
    static system_tick_t last = 0;
    static bool first = true;
    if (!Particle.connected() || (!first && millis() - last < period)) return;
    first = false;
    last = millis();
    char data[32];
    snprintf(data, sizeof data, "{\"counter\":%d}", counter);
    if (Particle.publish("sse-examples-01", data, PRIVATE)) counter++;
}
