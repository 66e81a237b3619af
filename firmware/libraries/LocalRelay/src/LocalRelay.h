// LocalRelay streams data from a board to the relay of a localcloud on the same network.
//
//   board                                    localcloud
//     publish devicesRequest "192.168.1.20" ->
//     <- function devices("192.168.1.4,8070,<nonce>")
//     TCP connect to 192.168.1.4:8070 ->
//     POST /devices, Authorization: <nonce> -> (no answer: it listens)
//     line LF line LF ... ->                   -> every browser that watches
//
// Use: call begin() in setup(), loop() in loop(), and send() when there is something to say. Nothing of it waits for the
// network but the connecting itself, which Device OS does in one piece; it is only begun when the relay has just called.
#pragma once

#include "Particle.h"

class LocalRelay {
public:
    enum class Wire { Post, WebSocket };
    enum class State { Asking, Waiting, Pausing, Greeting, Streaming };

    struct Stats {
        uint32_t requests; // devicesRequest events that Device OS took
        uint32_t calls;    // calls of `devices` that were understood
        uint32_t connects; // connections that reached streaming
        uint32_t failures; // connections that could not be made or broke
        uint32_t sent;     // messages taken by send() and sendBinary()
        uint32_t refused;  // messages not taken: no connection, or no room
        uint32_t bytes;    // bytes handed to the network
        uint32_t received; // messages from the relay (WebSocket)
        uint32_t skipped;  // messages from the relay that were longer than inbox
    };

    static const size_t inbox = 128; // longest message from the relay, bytes

    // memory is where messages wait for the network: give it what a second of your data needs. It has to live as long as
    // the object.
    LocalRelay(uint8_t* memory, size_t size, Wire wire = Wire::Post);

    // In setup(). Registers the function `devices`, of which a board can have only one.
    void begin();

    // In loop(), each time.
    void loop();

    // send takes a line, without its end, whole or not at all. It returns false, and counts, when there is no connection or
    // no room: what is old is not worth sending later. Nothing in line may be below 0x20, but tabs.
    bool send(const char* line);

    // sendBinary takes bytes: on a WebSocket as a binary message, otherwise as a line of base64.
    bool sendBinary(const uint8_t* data, size_t size);

    // What handler gets is text from a browser or the API, ended by NUL (WebSocket only). It is called from loop().
    typedef void (*Handler)(const char* text, size_t size);
    void onMessage(Handler handler) { this->handler = handler; }

    bool connected() const { return state == State::Streaming; }
    size_t room() const { return size - used; } // bytes that still fit
    State getState() const { return state; }
    const Stats& stats() const { return counts; }

private:
    int onDevices(String argument);
    void enter(State next);
    void pause();
    void ask();
    void connect();
    bool greet();
    void readAnswer();
    void lose();

    void put(const void* data, size_t length);
    void flush();
    bool putFrame(uint8_t opcode, const void* data, size_t length);
    void receive();
    void receiveByte(uint8_t byte);
    void endFrame();

    uint8_t* const memory;
    const size_t size;
    size_t head = 0, used = 0;

    const Wire wire;
    Handler handler = nullptr;
    State state = State::Asking;
    Stats counts = {};
    system_tick_t since = 0;    // when state was entered
    system_tick_t pauseFor = 0; // ms
    uint8_t failed = 0;         // in a row

    TCPClient client;
    IPAddress address;
    uint16_t port = 0;
    char nonce[33] = "";
    bool called = false;

    // The WebSocket's side: the answer to the greeting, then frames.
    char accept[29] = "";       // what the relay has to answer
    char text[inbox + 1] = "";  // a line of the answer, then a message
    size_t length = 0;
    bool accepted = false, switched = false;
    uint8_t opcode = 0, step = 0, frame = 0;
    bool final = false, tooLong = false;
    uint32_t remaining = 0;
    uint8_t control[125] = {};  // payload of a ping or close
    uint8_t controlLength = 0;
};
