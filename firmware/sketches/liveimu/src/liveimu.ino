// Position, height and weather of a board, 25 times a second: http://YOUR-CLOUD:8070/relay/liveimu/
// A line is roll,pitch,heading,altitude,pressure,temperature (degrees, degrees, degrees, m, hPa, degrees Celsius).
// Without the sensor board three knobs stand in for it.
#include "LocalRelay.h"
#include "Particle.h"

#include <math.h>

SYSTEM_THREAD(ENABLED);

const system_tick_t period = 40; // ms

uint8_t memory[2048];
LocalRelay relay(memory, sizeof memory);

// turn makes degrees from a knob: -180 to 180 over its 4096 steps.
float turn(pin_t pin) {
    return analogRead(pin) * (360.0f / 4096) - 180;
}

// measure writes what the sensors say as a line. Put yours in here.
void measure(char* line, size_t size) {
    float pressure = 1013.25f, temperature = 20; // hPa, degrees Celsius
    float altitude = 44330 * (1 - powf(pressure / 1013.25f, 0.1903f));
    snprintf(line, size, "%.3f,%.3f,%.3f,%.3f,%.2f,%.1f", double(turn(A0)), double(turn(A1)), double(turn(A2) + 180), double(altitude),
             double(pressure), double(temperature));
}

void setup() {
    relay.begin();
}

void loop() {
    static system_tick_t last = 0;
    relay.loop();
    if (millis() - last < period) return;
    last = millis();
    char line[96];
    measure(line, sizeof line);
    relay.send(line);
}
