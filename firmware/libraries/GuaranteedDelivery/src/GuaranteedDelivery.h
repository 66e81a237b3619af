// GuaranteedDelivery keeps events in retained memory until they are confirmed.
//
//   board                                         a program of yours
//     publish NAME {"ts":1700000000,"a":7} ->       stores it, once for each ts
//     <- function deliveryConf("1700000000")
//
// What is not confirmed is sent again, after a reset too. An item's `ts` is its id: the time in seconds, but never one that
// was used before. When the memory is full the oldest item goes, and an event NAME/dropped says which.
//
//   retained uint8_t memory[1024];
//   GuaranteedDelivery delivery(memory, sizeof memory, "reading");
//
// begin() in setup(), loop() in loop(), add() for each reading. Retained memory is static RAM with a backup: writing to it
// wears nothing out.
#pragma once

#include "Particle.h"

class GuaranteedDelivery {
public:
    struct Stats {
        uint32_t added, confirmed;
        uint32_t sent;       // publishes that Device OS took, again ones included
        uint32_t dropped;    // for want of room, since the memory was fresh
        uint32_t refused;    // too long for the memory, or for an event
        uint32_t damaged;    // items that a power cut destroyed, found by begin()
    };

    static const size_t longest = 200; // bytes of an item's members: fits the events of every Device OS with the id

    // memory is retained, 4-byte aligned, of 128 to 32768 bytes. event is the event's name; it has to live on.
    GuaranteedDelivery(uint8_t* memory, size_t size, const char* event);

    // In setup(). Takes over what the memory holds from before the reset, and registers the function `deliveryConf`.
    void begin();

    // In loop(), each time.
    void loop();

    // add queues members, such as "\"a\":7,\"b\":8", the inside of a JSON object. It returns the item's id, or 0 when
    // members are longer than longest.
    uint32_t add(const char* members);

    size_t waiting() const { return count; }
    const Stats& stats() const { return counts; }

private:
    // The memory: a header, then a ring of items. An item never wraps; what is left over at the end is one that is done.
    // head and tail move last, each by one store, so a reset at any moment leaves whole items.
    struct Header {
        uint32_t magic;
        uint32_t size;     // of the ring, bytes
        uint32_t head;     // offset of the oldest item
        uint32_t tail;     // offset behind the newest; equal to head: empty
        uint32_t lastID;
        uint32_t dropped;  // items that went for want of room
        uint32_t droppedSaid; // how many of them an event has told of
        uint32_t droppedFrom; // ids of those that no event has told of
        uint32_t droppedTo;
        uint32_t check;    // of magic and size
    };
    struct Item {
        uint16_t length;   // of the members
        uint8_t done;      // confirmed, or filler
        uint8_t sent;      // once at least since begin()
        uint32_t id;
        uint32_t sentAt;   // millis()
        uint32_t check;    // of length, id and the members
    };

    int onConfirmed(String argument);
    void format();
    bool sound() const;
    void recover();
    uint32_t nextID();
    bool makeRoom(size_t need);
    void dropOldest();
    void forgetDone();
    bool sendOne();
    bool publish(Item* item);
    void sayDropped();

    Item* itemAt(uint32_t offset) const { return reinterpret_cast<Item*>(ring + offset); }
    static size_t spaceOf(const Item* item) { return (sizeof(Item) + item->length + 3) & ~size_t(3); }
    uint32_t after(uint32_t offset) const;
    static uint32_t checkOf(const Item* item);

    Header* const header;
    uint8_t* const ring;
    const size_t size; // of the ring
    const char* const event;

    size_t count = 0;
    Stats counts = {};
    system_tick_t publishedAt = 0;
    bool published = false;
};
