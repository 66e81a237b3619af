#include "EventBatch.h"

namespace {
const system_tick_t pace = 1010; // ms between publishes: Device OS lets one a second through for ever
}

EventBatch::EventBatch(Value* values, size_t capacity, const char* event, size_t eventSize)
    : values(values), capacity(capacity), event(event), eventSize(eventSize < longest ? eventSize : longest) {}

bool EventBatch::add(const char* name, float number) {
    bool room = count < capacity;
    if (!room) {
        first = (first + 1) % capacity;
        count--;
        counts.dropped++;
    }
    values[(first + count++) % capacity] = Value{millis(), name, number};
    counts.added++;
    return room;
}

void EventBatch::loop() {
    if (count == 0 || !Particle.connected() || (published && millis() - publishedAt < pace)) return;
    bool old = millis() - valueAt(0).at >= maxAge;
    if (!old && count == tried) return;
    char data[longest + 1];
    size_t taken = 0;
    format(data, &taken);
    tried = taken == count ? count : 0;
    if (!old && tried) return;
    published = true;
    publishedAt = millis();
    if (!Particle.publish(event, data, PRIVATE)) {
        counts.refused++;
        return;
    }
    first = (first + taken) % capacity;
    count -= taken;
    counts.sent += taken;
    counts.events++;
}

// format writes as many of the oldest values as an event holds, and says how many.
size_t EventBatch::format(char* data, size_t* taken) const {
    system_tick_t now = millis(), start = valueAt(0).at;
    unsigned long t = Time.now() - (now - start) / 1000;
    size_t n = snprintf(data, eventSize + 1, "{\"t\":%lu,\"v\":[", t);
    for (*taken = 0; *taken < count; ++*taken) {
        const Value& value = valueAt(*taken);
        char text[64];
        size_t length = snprintf(text, sizeof text, "%s[%lu,\"%.24s\",%.6g]", *taken ? "," : "", (unsigned long)(value.at - start), value.name,
                                 double(value.number));
        if (n + length + 2 > eventSize) break;
        memcpy(data + n, text, length);
        n += length;
    }
    memcpy(data + n, "]}", 3);
    return n + 2;
}
