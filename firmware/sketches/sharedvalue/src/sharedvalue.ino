// A button on one board changes a value on all of them. The newest change wins; a board that starts asks the others, so it
// has the value that there is, the very first one too.
//
//   shared/value {"v":3,"r":17}   the value is 3, and this is its 17th change
//   shared/ask                    who knows it?
#include "Particle.h"

SYSTEM_THREAD(ENABLED);

const pin_t button = D2; // to GND
const pin_t led = D7;
const int values = 4;                  // 0 to 3
const system_tick_t debounce = 50;     // ms
const system_tick_t pace = 1010;       // ms between publishes

int value = 0;
int revision = 0; // of the value; 0: nobody has set it

bool tell = false, ask = true; // what waits to be published

void onShared(const char* event, const char* data) {
    if (strcmp(event, "shared/ask") == 0) {
        tell = revision > 0;
        return;
    }
    int v, r;
    if (!data || sscanf(data, "{\"v\":%d,\"r\":%d}", &v, &r) != 2 || r <= revision) return;
    value = v;
    revision = r;
    digitalWrite(led, value > 0 ? HIGH : LOW);
    Serial.printlnf("value %d revision %d", value, revision);
}

bool pressed() {
    static bool down = false;
    static system_tick_t changed = 0;
    bool now = digitalRead(button) == LOW;
    if (now == down || millis() - changed < debounce) return false;
    down = now;
    changed = millis();
    return down;
}

void publish() {
    static system_tick_t last = 0;
    static bool published = false;
    if ((!tell && !ask) || !Particle.connected() || (published && millis() - last < pace)) return;
    published = true;
    last = millis();
    if (tell) {
        char data[48];
        snprintf(data, sizeof data, "{\"v\":%d,\"r\":%d}", value, revision);
        tell = !Particle.publish("shared/value", data, PRIVATE);
    } else {
        ask = !Particle.publish("shared/ask", "", PRIVATE);
    }
}

void setup() {
    pinMode(button, INPUT_PULLUP);
    pinMode(led, OUTPUT);
    Particle.variable("value", value);
    Particle.subscribe("shared/", onShared, MY_DEVICES);
}

void loop() {
    if (pressed()) {
        value = (value + 1) % values;
        revision++;
        tell = true;
        digitalWrite(led, value > 0 ? HIGH : LOW);
        Serial.printlnf("value %d revision %d", value, revision);
    }
    publish();
}
