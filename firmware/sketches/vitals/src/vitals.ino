// How the board is: free memory, uptime, the time that loop() takes, many values in one event a few seconds.
#include "EventBatch.h"
#include "Particle.h"

SYSTEM_THREAD(ENABLED);

const system_tick_t period = 200; // ms

EventBatch::Value values[120];
EventBatch batch(values, 120, "vitals");

double loopTime = 0; // ms, the longest since the last value

void setup() {
    Particle.variable("loopTime", loopTime);
    batch.setMaxAge(5000);
}

void loop() {
    static system_tick_t last = 0, begun = micros();
    double took = (micros() - begun) / 1000.0;
    begun = micros();
    if (took > loopTime) loopTime = took;
    if (millis() - last >= period) {
        last = millis();
        batch.add("free", System.freeMemory());
        batch.add("up", System.uptime());
        batch.add("loop", float(loopTime));
        loopTime = 0;
    }
    batch.loop();
}
