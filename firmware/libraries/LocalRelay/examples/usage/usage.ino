// Sends the time since the start ten times a second, and lights the LED as the browser says ("on", "off").
#include "LocalRelay.h"
#include "Particle.h"

uint8_t memory[1024];
LocalRelay relay(memory, sizeof memory, LocalRelay::Wire::WebSocket);

void onMessage(const char* text, size_t size) {
    digitalWrite(D7, size == 2 && strcmp(text, "on") == 0 ? HIGH : LOW);
}

void setup() {
    pinMode(D7, OUTPUT);
    relay.onMessage(onMessage);
    relay.begin();
}

void loop() {
    static system_tick_t last = 0;
    relay.loop();
    if (millis() - last < 100) return;
    last = millis();
    char line[16];
    snprintf(line, sizeof line, "%lu", (unsigned long)last);
    relay.send(line);
}
