// The part of Device OS's Wiring API that the libraries and sketches here use, for Linux: a sketch compiled against it is
// a process whose cloud is `localcloud virtual --stdio` and whose TCPClient is a real socket. Nothing is declared that
// Device OS does not declare; names and signatures are those of its public headers (wiring/inc). What it does not do:
// serial input, SPI, I2C, analog output.
#pragma once

#include <cstdarg>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>

#define PLATFORM_THREADING 1
#define Wiring_WiFi 1

typedef uint32_t system_tick_t;
typedef uint16_t pin_t;

// Retained memory: what it holds outlives a reset. The stand-in keeps it in the file HOST_RETAINED.
#define retained __attribute__((section("retained_memory")))
#define PARTICLE_RETAINED retained

#define SYSTEM_VERSION_v123(major, minor, patch) (((major) << 24) | ((minor) << 16) | ((patch) << 8))
#define SYSTEM_VERSION SYSTEM_VERSION_v123(3, 3, 1)

// Numbers and time.

system_tick_t millis();
system_tick_t micros();
void delay(unsigned long ms);
long random(long max);
long random(long min, long max);
void randomSeed(unsigned int seed);

// Pins.

enum PinMode { INPUT, OUTPUT, INPUT_PULLUP, INPUT_PULLDOWN };
enum InterruptMode { CHANGE, RISING, FALLING };
const uint8_t LOW = 0, HIGH = 1;
const pin_t D0 = 0, D1 = 1, D2 = 2, D3 = 3, D4 = 4, D5 = 5, D6 = 6, D7 = 7;
const pin_t A0 = 10, A1 = 11, A2 = 12, A3 = 13, A4 = 14, A5 = 15;

void pinMode(pin_t pin, PinMode mode);
int32_t digitalRead(pin_t pin);
void digitalWrite(pin_t pin, uint8_t value);
int32_t analogRead(pin_t pin);

typedef void (*raw_interrupt_handler_t)(void);
typedef std::function<void()> wiring_interrupt_handler_t;
bool attachInterrupt(pin_t pin, raw_interrupt_handler_t handler, InterruptMode mode, int8_t priority = -1, uint8_t subpriority = 0);

int HAL_disable_irq();
void HAL_enable_irq(int previous);

class AtomicSection {
public:
    AtomicSection() : previous(HAL_disable_irq()) {}
    ~AtomicSection() { HAL_enable_irq(previous); }

private:
    int previous;
};

#define ATOMIC_BLOCK() for (bool todo_ = true; todo_;) for (AtomicSection section_; todo_; todo_ = false)

// Text.

class String {
public:
    String(const char* text = "");
    String(const String& other);
    String& operator=(const String& other);
    ~String();

    const char* c_str() const { return text; }
    operator const char*() const { return text; }
    unsigned int length() const { return strlen(text); }
    long toInt() const { return atol(text); }
    bool operator==(const char* other) const { return strcmp(text, other) == 0; }

private:
    char* text;
};

class Print {
public:
    virtual ~Print() {}
    virtual size_t write(uint8_t byte) = 0;
    virtual size_t write(const uint8_t* buffer, size_t size);
    size_t write(const char* text) { return write((const uint8_t*)text, strlen(text)); }

    size_t print(const char text[]) { return write(text); }
    size_t println(const char text[]);
    size_t println();
    size_t printf(const char* format, ...) __attribute__((format(printf, 2, 3)));
    size_t printlnf(const char* format, ...) __attribute__((format(printf, 2, 3)));

    int getWriteError() { return writeError; }
    void clearWriteError() { writeError = 0; }

protected:
    void setWriteError(int error = 1) { writeError = error; }

private:
    int writeError = 0;
};

class USBSerial : public Print {
public:
    void begin(long baud = 9600);
    size_t write(uint8_t byte) override;
    size_t write(const uint8_t* buffer, size_t size) override;
    using Print::write;
};
extern USBSerial Serial;

// Network.

class IPAddress {
public:
    IPAddress() : octets{0, 0, 0, 0} {}
    IPAddress(uint8_t a, uint8_t b, uint8_t c, uint8_t d) : octets{a, b, c, d} {}
    operator bool() const { return octets[0] || octets[1] || octets[2] || octets[3]; }
    uint8_t operator[](int index) const { return octets[index]; }
    uint8_t& operator[](int index) { return octets[index]; }

private:
    uint8_t octets[4];
};

class WiFiClass {
public:
    bool ready();
    IPAddress localIP();
};
extern WiFiClass WiFi;

typedef uint32_t network_interface_t;

class TCPClient : public Print {
public:
    TCPClient() {}
    ~TCPClient() override { stop(); }
    TCPClient(const TCPClient&) = delete;
    TCPClient& operator=(const TCPClient&) = delete;

    int connect(IPAddress ip, uint16_t port, network_interface_t nif = 0);
    size_t write(uint8_t byte) override;
    size_t write(const uint8_t* buffer, size_t size) override;
    size_t write(const uint8_t* buffer, size_t size, system_tick_t timeout);
    using Print::write;
    int available();
    int read();
    int read(uint8_t* buffer, size_t size);
    void stop();
    uint8_t connected();

private:
    int fd = -1;
};

// Cloud.

typedef void (*EventHandler)(const char* event_name, const char* data);
typedef int (user_function_int_str_t)(String paramString);
enum Spark_Subscription_Scope_TypeDef { MY_DEVICES, ALL_DEVICES };

class PublishFlags {
public:
    constexpr explicit PublishFlags(uint8_t value = 0) : bits(value) {}
    constexpr PublishFlags operator|(PublishFlags other) const { return PublishFlags(bits | other.bits); }
    constexpr uint8_t value() const { return bits; }

private:
    uint8_t bits;
};
const PublishFlags PUBLIC(0x0), PRIVATE(0x1), NO_ACK(0x2), WITH_ACK(0x8);

namespace particle {
template <typename T> class Future {
public:
    explicit Future(T result) : value(result) {}
    operator T() const { return value; }

private:
    T value;
};
} // namespace particle

class CloudClass {
public:
    bool variable(const char* name, const int& value);
    bool variable(const char* name, const double& value);
    bool function(const char* name, user_function_int_str_t* handler);
    template <typename T> bool function(const char* name, int (T::*handler)(String), T* instance) {
        return function(name, std::bind(handler, instance, std::placeholders::_1));
    }

    particle::Future<bool> publish(const char* name, const char* data, PublishFlags flags1, PublishFlags flags2 = PublishFlags());
    particle::Future<bool> publish(const char* name, const char* data, int ttl, PublishFlags flags1, PublishFlags flags2 = PublishFlags());

    bool subscribe(const char* name, EventHandler handler, Spark_Subscription_Scope_TypeDef scope);

    bool connected();
    void process();

private:
    bool function(const char* name, std::function<int(String)> handler);
};
extern CloudClass Particle;

class TimeClass {
public:
    static time_t now();
    static bool isValid();
};
extern TimeClass Time;

class SystemClass {
public:
    static String deviceID();
    static uint32_t freeMemory();
    static unsigned uptime();
    static void reset();
};
extern SystemClass System;

// What a sketch says of itself at its top.

enum System_Mode_TypeDef { AUTOMATIC, SEMI_AUTOMATIC, MANUAL };
struct SystemModeSetting {
    explicit SystemModeSetting(System_Mode_TypeDef mode);
};
struct SystemThreadSetting {
    explicit SystemThreadSetting(bool on);
};
#define ENABLED true
#define DISABLED false
#define SYSTEM_MODE(mode) static SystemModeSetting systemModeSetting(mode)
#define SYSTEM_THREAD(state) static SystemThreadSetting systemThreadSetting(state)

void setup();
void loop();
