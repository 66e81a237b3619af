#include "GuaranteedDelivery.h"

namespace {

const uint32_t magic = 0x4C434744;       // "LCGD"
const system_tick_t pace = 1010;         // ms between publishes: Device OS lets one a second through for ever
const system_tick_t sendAgain = 30000;   // ms without a confirmation

// store writes a word of the header behind everything that was written before it.
void store(uint32_t* word, uint32_t value) {
    asm volatile("" ::: "memory");
    *static_cast<volatile uint32_t*>(word) = value;
    asm volatile("" ::: "memory");
}

// fnv1a, 32 bits: finds what a cut-off write left behind.
uint32_t hash(uint32_t h, const void* data, size_t size) {
    const uint8_t* from = static_cast<const uint8_t*>(data);
    for (size_t i = 0; i < size; i++) h = (h ^ from[i]) * 16777619u;
    return h;
}
const uint32_t hashStart = 2166136261u;

} // namespace

GuaranteedDelivery::GuaranteedDelivery(uint8_t* memory, size_t size, const char* event)
    : header(reinterpret_cast<Header*>(memory)), ring(memory + sizeof(Header)), size((size - sizeof(Header)) & ~size_t(3)), event(event) {}

void GuaranteedDelivery::begin() {
    sound() ? recover() : format();
    Particle.function("deliveryConf", &GuaranteedDelivery::onConfirmed, this);
}

// The memory.

bool GuaranteedDelivery::sound() const {
    return header->magic == magic && header->size == size && header->check == hash(hashStart, header, 8) && header->head < size &&
           header->tail < size && header->head % 4 == 0 && header->tail % 4 == 0;
}

void GuaranteedDelivery::format() {
    header->magic = 0;
    header->size = size;
    header->head = header->tail = 0;
    header->lastID = header->dropped = header->droppedSaid = 0;
    header->droppedFrom = header->droppedTo = 0;
    store(&header->magic, magic);
    header->check = hash(hashStart, header, 8);
}

uint32_t GuaranteedDelivery::checkOf(const Item* item) {
    uint32_t h = hash(hashStart, &item->length, sizeof item->length);
    h = hash(h, &item->id, sizeof item->id);
    return hash(h, item + 1, item->length);
}

// after returns the offset of the item behind the one at offset. A remnant too small for an item is skipped.
uint32_t GuaranteedDelivery::after(uint32_t offset) const {
    offset += spaceOf(itemAt(offset));
    return offset + sizeof(Item) > size ? 0 : offset;
}

// recover walks the items and keeps those that are whole. At the first that is not, what lies behind cannot be found.
void GuaranteedDelivery::recover() {
    uint32_t at = header->head;
    count = 0;
    for (size_t walked = 0; at != header->tail;) {
        Item* item = itemAt(at);
        walked += spaceOf(item);
        if (at + spaceOf(item) > size || walked > size || item->check != checkOf(item)) {
            counts.damaged++;
            store(&header->tail, at);
            break;
        }
        item->sent = 0;
        if (!item->done) count++;
        at = after(at);
    }
    counts.dropped = header->dropped;
    forgetDone();
}

uint32_t GuaranteedDelivery::nextID() {
    uint32_t now = Time.isValid() ? Time.now() : 0;
    store(&header->lastID, now > header->lastID ? now : header->lastID + 1);
    return header->lastID;
}

// makeRoom lets need bytes follow at tail, without the tail reaching the head: full would look like empty.
bool GuaranteedDelivery::makeRoom(size_t need) {
    if (need + sizeof(Item) > size / 2) return false;
    for (;;) {
        uint32_t head = header->head, tail = header->tail;
        if (head == tail) { // nothing is there: begin at the start
            store(&header->tail, 0);
            store(&header->head, 0);
            return true;
        }
        if (tail < head) {
            if (tail + need < head) return true;
        } else if (tail + need <= size) {
            bool wraps = tail + need + sizeof(Item) > size; // then tail becomes 0, where head must not be
            if (!wraps || head > 0) return true;
        } else if (head > 0) {
            Item* filler = itemAt(tail); // the rest of the ring is one item that is done
            filler->length = size - tail - sizeof(Item);
            filler->done = 1;
            filler->id = 0;
            filler->check = checkOf(filler);
            store(&header->tail, 0);
            continue;
        }
        dropOldest();
    }
}

uint32_t GuaranteedDelivery::add(const char* members) {
    size_t n = strlen(members);
    size_t need = (sizeof(Item) + n + 3) & ~size_t(3);
    if (n > longest || !makeRoom(need)) {
        counts.refused++;
        return 0;
    }
    Item* item = itemAt(header->tail);
    memset(item, 0, sizeof *item);
    item->length = n;
    item->id = nextID();
    memcpy(item + 1, members, n);
    item->check = checkOf(item);
    store(&header->tail, after(header->tail));
    count++;
    counts.added++;
    return item->id;
}

void GuaranteedDelivery::dropOldest() {
    Item* item = itemAt(header->head);
    if (!item->done) {
        if (header->dropped == header->droppedSaid) store(&header->droppedFrom, item->id);
        store(&header->droppedTo, item->id);
        store(&header->dropped, header->dropped + 1);
        counts.dropped = header->dropped;
        count--;
    }
    store(&header->head, after(header->head));
    forgetDone();
}

void GuaranteedDelivery::forgetDone() {
    while (header->head != header->tail && itemAt(header->head)->done) store(&header->head, after(header->head));
}

// The cloud.

int GuaranteedDelivery::onConfirmed(String argument) {
    uint32_t id = strtoul(argument.c_str(), nullptr, 10);
    for (uint32_t at = header->head; at != header->tail; at = after(at)) {
        Item* item = itemAt(at);
        if (item->done || item->id != id) continue;
        item->done = 1;
        count--;
        counts.confirmed++;
        forgetDone();
        return 0;
    }
    return -1; // confirmed before, or dropped
}

void GuaranteedDelivery::loop() {
    if (!Particle.connected() || (published && millis() - publishedAt < pace)) return;
    if (header->dropped != header->droppedSaid) {
        sayDropped();
    } else if (!sendOne()) {
        return;
    }
    published = true; // refused or not: an attempt counts
    publishedAt = millis();
}

// sendOne publishes the oldest item that was not sent, or not confirmed for long.
bool GuaranteedDelivery::sendOne() {
    for (uint32_t at = header->head; at != header->tail; at = after(at)) {
        Item* item = itemAt(at);
        if (item->done || (item->sent && millis() - item->sentAt < sendAgain)) continue;
        if (!publish(item)) return true;
        item->sent = 1;
        item->sentAt = millis();
        counts.sent++;
        return true;
    }
    return false;
}

bool GuaranteedDelivery::publish(Item* item) {
    char data[longest + 32];
    snprintf(data, sizeof data, "{\"ts\":%lu%s%.*s}", (unsigned long)item->id, item->length ? "," : "", (int)item->length,
             reinterpret_cast<const char*>(item + 1));
    return Particle.publish(event, data, PRIVATE);
}

void GuaranteedDelivery::sayDropped() {
    char name[64], data[96];
    snprintf(name, sizeof name, "%.54s/dropped", event);
    snprintf(data, sizeof data, "{\"count\":%lu,\"from\":%lu,\"to\":%lu,\"total\":%lu}", (unsigned long)(header->dropped - header->droppedSaid),
             (unsigned long)header->droppedFrom,
             (unsigned long)header->droppedTo, (unsigned long)header->dropped);
    if (!Particle.publish(name, data, PRIVATE)) return;
    store(&header->droppedSaid, header->dropped);
}
