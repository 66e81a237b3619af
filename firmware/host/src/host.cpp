// The process around a sketch: main, retained memory, memory that setup() may take and loop() may not.
#include "host.h"

#include <cerrno>
#include <fcntl.h>
#include <new>
#include <unistd.h>

#include "Particle.h"

static bool threaded = false;
static System_Mode_TypeDef mode = AUTOMATIC;
static char** arguments;

SystemThreadSetting::SystemThreadSetting(bool on) { threaded = on; }
SystemModeSetting::SystemModeSetting(System_Mode_TypeDef wanted) { mode = wanted; }

void fail(const char* what) {
    fprintf(stderr, "host: %s: %s\n", what, strerror(errno));
    _exit(3);
}

// Retained memory: the section's bytes, copied to a file after each loop(). A kill loses what the last loop() wrote.

extern "C" __attribute__((weak)) uint8_t __start_retained_memory[], __stop_retained_memory[];

static const char* retainedFile() { return getenv("HOST_RETAINED"); }

void startRetained() {
    const char* name = retainedFile();
    int fd = name && __start_retained_memory ? open(name, O_RDONLY) : -1;
    if (fd < 0) return;
    size_t size = __stop_retained_memory - __start_retained_memory;
    if (lseek(fd, 0, SEEK_END) == (off_t)size && pread(fd, __start_retained_memory, size, 0) != (ssize_t)size) fail(name);
    close(fd);
}

void keepRetained() {
    static int fd = -1;
    const char* name = retainedFile();
    if (!name || !__start_retained_memory) return;
    if (fd < 0 && (fd = open(name, O_RDWR | O_CREAT | O_CLOEXEC, 0600)) < 0) fail(name);
    size_t size = __stop_retained_memory - __start_retained_memory;
    if (pwrite(fd, __start_retained_memory, size, 0) != (ssize_t)size) fail(name);
}

void reset() {
    keepRetained();
    execv("/proc/self/exe", arguments);
    fail("reset");
}

// The heap. Device OS takes memory for its own purposes at any time, and so does the stand-in.

static thread_local int inHost = 0;
static bool forbidden = false;
static pid_t sketchThread;

HostScope::HostScope() { inHost++; }
HostScope::~HostScope() { inHost--; }
SketchScope::SketchScope() : before(inHost) { inHost = 0; }
SketchScope::~SketchScope() { inHost = before; }

void forbidHeap() {
    sketchThread = gettid();
    forbidden = true;
}

static void* take(size_t size) {
    if (forbidden && inHost == 0 && gettid() == sketchThread) {
        static const char text[] = "host: the sketch or a library takes memory from the heap after setup()\n";
        (void)!write(STDERR_FILENO, text, sizeof text - 1);
        abort();
    }
    void* p = malloc(size ? size : 1);
    if (!p) abort();
    return p;
}
void* operator new(size_t size) { return take(size); }
void* operator new[](size_t size) { return take(size); }
void operator delete(void* p) noexcept { free(p); }
void operator delete[](void* p) noexcept { free(p); }
void operator delete(void* p, size_t) noexcept { free(p); }
void operator delete[](void* p, size_t) noexcept { free(p); }

// Without SYSTEM_THREAD a board in automatic mode runs setup() when it is online. With it, at once.
int main(int, char** argv) {
    arguments = argv;
    setvbuf(stdout, nullptr, _IOLBF, 0);
    startRetained();
    startControl();
    startCloud();
    if (!threaded && mode == AUTOMATIC) waitForCloud();
    setup();
    forbidHeap();
    for (;;) {
        loop();
        keepRetained();
        Particle.process();
        HostScope host;
        usleep(200);
    }
}
