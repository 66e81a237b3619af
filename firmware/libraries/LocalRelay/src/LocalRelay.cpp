#include "LocalRelay.h"

#include "base64.h"
#include "websocket.h"

namespace {

const system_tick_t waitForCall = 10000;    // ms; the relay answers within 100 ms where all is well
const system_tick_t waitForAnswer = 5000;   // ms, for the WebSocket's 101
const system_tick_t firstPause = 2000;      // ms, doubled with each failure
const system_tick_t longestPause = 60000;   // ms
const system_tick_t goodStream = 10000;     // ms after which a connection has been a success

// A write that finds no room comes back after this time, in ms. 0 would wait for ever on Gen 3 and later.
const system_tick_t writeTimeout = 1;

// How much is written at once: the buffers of older boards are small, and a write may take only a part.
const size_t chunk = 512;

// parseCall reads "192.168.1.4,8070,<nonce>".
bool parseCall(const char* argument, IPAddress* address, uint16_t* port, char nonce[33]) {
    unsigned a, b, c, d, p;
    if (sscanf(argument, "%3u.%3u.%3u.%3u,%5u,%32[0-9A-Za-z]", &a, &b, &c, &d, &p, nonce) != 6) return false;
    if (a > 255 || b > 255 || c > 255 || d > 255 || p == 0 || p > 65535) return false;
    *address = IPAddress(a, b, c, d);
    *port = p;
    return true;
}

} // namespace

LocalRelay::LocalRelay(uint8_t* memory, size_t size, Wire wire) : memory(memory), size(size), wire(wire) {}

void LocalRelay::begin() {
    Particle.function("devices", &LocalRelay::onDevices, this);
    enter(State::Asking);
}

// The relay calls only a board that it does not hear, so a call is always a reason to connect anew.
int LocalRelay::onDevices(String argument) {
    if (!parseCall(argument.c_str(), &address, &port, nonce)) return -1;
    counts.calls++;
    called = true;
    return 0;
}

void LocalRelay::enter(State next) {
    state = next;
    since = millis();
}

// pause waits longer after each failure, and never as long as the board beside this one: after a power cut all start at once.
void LocalRelay::pause() {
    system_tick_t most = firstPause << (failed < 5 ? failed : 5);
    if (most > longestPause) most = longestPause;
    pauseFor = most / 2 + random(most / 2 + 1);
    if (failed < 255) failed++;
    enter(State::Pausing);
}

void LocalRelay::loop() {
    if (called) connect();
    system_tick_t age = millis() - since;
    switch (state) {
    case State::Asking:
        if (Particle.connected()) ask();
        break;
    case State::Waiting:
        if (age >= waitForCall) pause();
        break;
    case State::Pausing:
        if (age >= pauseFor) enter(State::Asking);
        break;
    case State::Greeting:
        readAnswer();
        if (state == State::Greeting && (age >= waitForAnswer || !client.connected())) lose();
        break;
    case State::Streaming:
        if (age >= goodStream) failed = 0;
        if (wire == Wire::WebSocket) receive();
        flush();
        if (state == State::Streaming && !client.connected()) lose();
        break;
    }
}

void LocalRelay::ask() {
#if Wiring_WiFi
    IPAddress own = WiFi.localIP();
#else
    IPAddress own = Ethernet.localIP();
#endif
    char data[16];
    snprintf(data, sizeof data, "%u.%u.%u.%u", own[0], own[1], own[2], own[3]);
    if (Particle.publish("devicesRequest", data, 10, PRIVATE)) counts.requests++;
    enter(State::Waiting);
}

void LocalRelay::connect() {
    called = false;
    client.stop();
    head = used = 0;
    if (!client.connect(address, port) || !greet()) return lose();
    enter(wire == Wire::WebSocket ? State::Greeting : State::Streaming);
    if (connected()) counts.connects++;
}

void LocalRelay::lose() {
    client.stop();
    head = used = 0;
    counts.failures++;
    pause();
}

// greet sends the request's head, which a fresh connection always has room for.
bool LocalRelay::greet() {
    char text[320];
    if (wire == Wire::Post) {
        snprintf(text, sizeof text, "POST /devices HTTP/1.0\r\nAuthorization: %s\r\nContent-Length: 99999999\r\n\r\n", nonce);
    } else {
        char key[25];
        websocket::makeKey(key);
        websocket::makeAccept(key, accept);
        length = 0;
        accepted = switched = false;
        step = opcode = frame = 0;
        snprintf(text, sizeof text,
                 "GET /devices/ws?nonce=%s HTTP/1.1\r\nHost: %u.%u.%u.%u:%u\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                 "Sec-WebSocket-Key: %s\r\nSec-WebSocket-Version: 13\r\n\r\n",
                 nonce, address[0], address[1], address[2], address[3], port, key);
    }
    size_t n = strlen(text);
    return client.write((const uint8_t*)text, n) == n;
}

// Messages on their way out: a ring, so nothing is moved.

void LocalRelay::put(const void* data, size_t n) {
    const uint8_t* from = static_cast<const uint8_t*>(data);
    for (size_t i = 0; i < n; i++) memory[(head + used++) % size] = from[i];
}

void LocalRelay::flush() {
    while (used > 0) {
        size_t n = used < size - head ? used : size - head;
        if (n > chunk) n = chunk;
        size_t wrote = client.write(memory + head, n, writeTimeout);
        head = (head + wrote) % size;
        used -= wrote;
        counts.bytes += wrote;
        if (wrote < n) return; // the network is full: the rest at the next loop()
    }
}

bool LocalRelay::send(const char* line) {
    size_t n = strlen(line);
    bool fits = connected() && (wire == Wire::WebSocket ? putFrame(websocket::text, line, n) : n + 1 <= room());
    if (fits && wire == Wire::Post) {
        put(line, n);
        put("\n", 1);
    }
    fits ? counts.sent++ : counts.refused++;
    return fits;
}

bool LocalRelay::sendBinary(const uint8_t* data, size_t n) {
    bool fits = connected() && (wire == Wire::WebSocket ? putFrame(websocket::binary, data, n) : (n + 2) / 3 * 4 + 1 <= room());
    if (fits && wire == Wire::Post) {
        for (size_t i = 0; i < n; i += 3) {
            char four[4];
            base64Group(data + i, n - i < 3 ? n - i : 3, four);
            put(four, 4);
        }
        put("\n", 1);
    }
    fits ? counts.sent++ : counts.refused++;
    return fits;
}

// WebSocket (RFC 6455), the client's side.

bool LocalRelay::putFrame(uint8_t opcode, const void* data, size_t n) {
    if (n > 0xFFFF || n + 8 > room()) return false;
    uint8_t head[8] = {uint8_t(0x80 | opcode), uint8_t(0x80 | n)};
    size_t at = 2;
    if (n > 125) {
        head[1] = 0x80 | 126;
        head[2] = n >> 8;
        head[3] = n;
        at = 4;
    }
    uint8_t* mask = head + at;
    for (int i = 0; i < 4; i++) mask[i] = random(256);
    put(head, at + 4);
    const uint8_t* from = static_cast<const uint8_t*>(data);
    for (size_t i = 0; i < n; i++) {
        uint8_t masked = from[i] ^ mask[i % 4];
        put(&masked, 1);
    }
    return true;
}

// readAnswer reads the head of the 101, line by line, and checks what RFC 6455 section 4.1 asks for.
void LocalRelay::readAnswer() {
    while (client.available() > 0) {
        char c = client.read();
        if (c != '\n') {
            if (c != '\r' && length < inbox) text[length++] = c;
            continue;
        }
        text[length] = 0;
        bool end = length == 0;
        if (strncmp(text, "HTTP/1.1 101", 12) == 0) switched = true;
        if (strncasecmp(text, "Sec-WebSocket-Accept:", 21) == 0) accepted = strcmp(text + 21 + strspn(text + 21, " \t"), accept) == 0;
        length = 0;
        if (!end) continue;
        if (!switched || !accepted) return lose();
        enter(State::Streaming);
        counts.connects++;
        return;
    }
}

void LocalRelay::receive() {
    for (int budget = 512; budget > 0 && state == State::Streaming && client.available() > 0; budget--) receiveByte(client.read());
}

// receiveByte steps through a frame: 0 opcode, 1 length, 2 and 3 its two bytes, 4 payload.
void LocalRelay::receiveByte(uint8_t byte) {
    switch (step) {
    case 0:
        frame = byte & 0x0F;
        final = byte & 0x80;
        controlLength = 0;
        if (byte & 0x70) return lose(); // no extension was asked for
        if (frame == websocket::text || frame == websocket::binary) {
            opcode = frame;
            length = 0;
            tooLong = false;
        }
        step = 1;
        return;
    case 1:
        remaining = byte;
        if (byte > 126) return lose(); // masked, or longer than any message for a board
        step = byte == 126 ? 2 : 4;
        break;
    case 2:
        remaining = byte << 8;
        step = 3;
        return;
    case 3:
        remaining |= byte;
        step = 4;
        break;
    default:
        remaining--;
        if (frame >= websocket::close) {
            if (controlLength < sizeof control) control[controlLength++] = byte;
        } else if (length < inbox) {
            text[length++] = byte;
        } else {
            tooLong = true;
        }
    }
    if (remaining == 0) endFrame();
}

void LocalRelay::endFrame() {
    step = 0;
    if (frame == websocket::ping) putFrame(websocket::pong, control, controlLength);
    if (frame == websocket::close) {
        putFrame(websocket::close, control, controlLength < 2 ? 0 : 2);
        flush();
        return lose();
    }
    if (frame >= websocket::close || !final) return;
    text[length] = 0;
    counts.received++;
    if (tooLong) counts.skipped++;
    if (!tooLong && handler) handler(text, length);
}
