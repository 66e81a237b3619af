// Text, time, chance and pins.
#include <cerrno>
#include <csignal>
#include <ctime>
#include <pthread.h>
#include <semaphore.h>
#include <thread>
#include <unistd.h>

#include "Particle.h"
#include "host.h"

USBSerial Serial;
TimeClass Time;
SystemClass System;

// Text.

static char* copyOf(const char* text) {
    HostScope host;
    char* copy = strdup(text);
    if (!copy) fail("memory");
    return copy;
}

String::String(const char* from) : text(copyOf(from ? from : "")) {}
String::String(const String& other) : text(copyOf(other.text)) {}
String::~String() { free(text); }
String& String::operator=(const String& other) {
    if (this != &other) {
        free(text);
        text = copyOf(other.text);
    }
    return *this;
}

size_t Print::write(const uint8_t* buffer, size_t size) {
    size_t n = 0;
    while (n < size && write(buffer[n]) == 1) n++;
    return n;
}

size_t Print::println() { return write("\r\n"); }
size_t Print::println(const char text[]) { return write(text) + println(); }

static size_t printTo(Print* out, const char* format, va_list args) {
    char text[1024];
    int n = vsnprintf(text, sizeof text, format, args);
    return n > 0 ? out->write(text) : 0;
}

size_t Print::printf(const char* format, ...) {
    va_list args;
    va_start(args, format);
    size_t n = printTo(this, format, args);
    va_end(args);
    return n;
}

size_t Print::printlnf(const char* format, ...) {
    va_list args;
    va_start(args, format);
    size_t n = printTo(this, format, args);
    va_end(args);
    return n + println();
}

void USBSerial::begin(long) {}
size_t USBSerial::write(uint8_t byte) { return write(&byte, 1); }
size_t USBSerial::write(const uint8_t* buffer, size_t size) {
    HostScope host;
    return fwrite(buffer, 1, size, stdout);
}

// Time. micros() and millis() begin with the process, as on a board with its reset.

static uint64_t nanoseconds() {
    timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return uint64_t(t.tv_sec) * 1000000000 + t.tv_nsec;
}
static const uint64_t started = nanoseconds();

system_tick_t micros() { return (nanoseconds() - started) / 1000; }
system_tick_t millis() { return (nanoseconds() - started) / 1000000; }

void delay(unsigned long ms) {
    for (uint64_t end = nanoseconds() + ms * 1000000ull; nanoseconds() < end;) {
        Particle.process();
        usleep(100);
    }
}

time_t TimeClass::now() { return time(nullptr); }
bool TimeClass::isValid() { return true; }

static unsigned seed = 1;
void randomSeed(unsigned value) { seed = value; }
long random(long max) { return max > 0 ? rand_r(&seed) % max : 0; }
long random(long min, long max) { return min < max ? min + random(max - min) : min; }

// System.

String SystemClass::deviceID() {
    const char* id = getenv("DEVICE_ID");
    return String(id ? id : "");
}
uint32_t SystemClass::freeMemory() { return 60 * 1024; }
unsigned SystemClass::uptime() { return millis() / 1000; }
void SystemClass::reset() { ::reset(); }

// Pins. An interrupt is a signal to the sketch's thread: it comes between any two of its instructions.

static const int pins = 32;
static volatile int32_t level[pins];
static struct {
    raw_interrupt_handler_t handler;
    InterruptMode mode;
} interrupt[pins];

static volatile int edge[pins]; // levels that the next signal brings; -1: none
static sem_t taken;

static void onSignal(int) {
    int before = errno;
    for (int pin = 0; pin < pins; pin++) { // first all levels, then all handlers: two at once are at once
        if (edge[pin] < 0) continue;
        bool rises = edge[pin] > level[pin], falls = edge[pin] < level[pin];
        level[pin] = edge[pin];
        InterruptMode mode = interrupt[pin].mode;
        bool calls = (rises && mode != FALLING) || (falls && mode != RISING);
        edge[pin] = calls && interrupt[pin].handler ? -2 : -1;
    }
    for (int pin = 0; pin < pins; pin++) {
        if (edge[pin] != -2) continue;
        edge[pin] = -1;
        interrupt[pin].handler();
    }
    errno = before;
    sem_post(&taken);
}

int HAL_disable_irq() {
    sigset_t all, before;
    sigemptyset(&all);
    sigaddset(&all, SIGUSR1);
    pthread_sigmask(SIG_BLOCK, &all, &before);
    return sigismember(&before, SIGUSR1);
}

void HAL_enable_irq(int previous) {
    if (previous) return;
    sigset_t all;
    sigemptyset(&all);
    sigaddset(&all, SIGUSR1);
    pthread_sigmask(SIG_UNBLOCK, &all, nullptr);
}

void pinMode(pin_t pin, PinMode mode) {
    if (mode == INPUT_PULLUP && level[pin] == 0) level[pin] = HIGH;
}
int32_t digitalRead(pin_t pin) { return level[pin] != 0; }
int32_t analogRead(pin_t pin) { return level[pin]; }
void digitalWrite(pin_t pin, uint8_t value) {
    level[pin] = value;
    HostScope host;
    printf("pin %d %d\n", pin, value);
}

bool attachInterrupt(pin_t pin, raw_interrupt_handler_t handler, InterruptMode mode, int8_t, uint8_t) {
    AtomicSection off;
    interrupt[pin].handler = handler;
    interrupt[pin].mode = mode;
    return true;
}

// Commands on stdin: "pin 3 0" or "pin 3 0 4 0" (at once) set pins, "wait 6" lets so many ms pass before the
// next, "reset" presses reset. The next is read when the interrupts of the one before have run. At the end of stdin nothing
// more happens to the pins.

static pthread_t sketch;
static volatile bool resetPressed = false;

static void setPins(char* words) {
    char* rest = nullptr;
    for (char* word = strtok_r(words, " ", &rest); word; word = strtok_r(nullptr, " ", &rest)) {
        char* value = strtok_r(nullptr, " ", &rest);
        int pin = atoi(word);
        if (!value || pin < 0 || pin >= pins) fail("a command names no pin");
        edge[pin] = atoi(value);
    }
    pthread_kill(sketch, SIGUSR1);
    while (sem_wait(&taken) != 0) {}
}

static void readCommands() {
    char line[256];
    while (fgets(line, sizeof line, stdin)) {
        line[strcspn(line, "\r\n")] = 0;
        if (strncmp(line, "pin ", 4) == 0) setPins(line + 4);
        if (strncmp(line, "wait ", 5) == 0) usleep(atoi(line + 5) * 1000);
        if (strcmp(line, "reset") == 0) resetPressed = true;
    }
}

bool resetIsPressed() { return resetPressed; }

void startControl() {
    HostScope host;
    for (volatile int& e : edge) e = -1;
    sem_init(&taken, 0, 0);
    sketch = pthread_self();
    struct sigaction action = {};
    action.sa_handler = onSignal;
    action.sa_flags = SA_RESTART;
    sigaction(SIGUSR1, &action, nullptr);
    sigset_t usr1; // only the sketch's thread gets interrupts
    sigemptyset(&usr1);
    sigaddset(&usr1, SIGUSR1);
    pthread_sigmask(SIG_BLOCK, &usr1, nullptr);
    std::thread(readCommands).detach();
    pthread_sigmask(SIG_UNBLOCK, &usr1, nullptr);
}
