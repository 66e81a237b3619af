// EventBatch gathers small values and sends many of them in one event:
//
//   {"t":1700000000,"v":[[0,"temp",21.5],[20,"hum",44],[1020,"temp",21.6]]}
//
// t is the time of the first value in seconds; each value has its milliseconds after that, its name and its number.
// Device OS refuses the fifth event within a second, whatever a cloud allows; so more values have to share one.
//
//   EventBatch::Value values[100];
//   EventBatch batch(values, 100, "readings");
//
// add() where a value is measured, loop() in loop().
#pragma once

#include "Particle.h"

class EventBatch {
public:
    struct Value {
        system_tick_t at; // millis()
        const char* name;
        float number;
    };
    struct Stats {
        uint32_t added, sent; // values
        uint32_t events;      // that carried them
        uint32_t refused;     // publishes that Device OS refused; the values stay
        uint32_t dropped;     // values that had no room: the oldest go
    };

    static const size_t longest = 622; // bytes that this library puts into one event at most

    // values is where they wait, room for capacity of them. event is the event's name. Both have to live on. eventSize is
    // the longest data that the board can send: 255 before Device OS 0.8, 622 since, 864 and more on newer ones.
    EventBatch(Value* values, size_t capacity, const char* event, size_t eventSize = longest);

    // add takes a value. name has to live on (a literal), of at most 24 bytes that need no escape in JSON; number has six
    // digits in the event. It returns false when the oldest value had to go for it.
    bool add(const char* name, float number);

    // loop sends when an event would be full, or when the oldest value has waited for maxAge ms.
    void loop();

    void setMaxAge(system_tick_t ms) { maxAge = ms; }
    size_t waiting() const { return count; }
    const Stats& stats() const { return counts; }

private:
    size_t format(char* data, size_t* taken) const;
    const Value& valueAt(size_t i) const { return values[(first + i) % capacity]; }

    Value* const values;
    const size_t capacity;
    const char* const event;
    const size_t eventSize;

    size_t first = 0, count = 0;
    size_t tried = 0; // count when they were last too few for an event
    system_tick_t maxAge = 2000;
    system_tick_t publishedAt = 0;
    bool published = false;
    Stats counts = {};
};
