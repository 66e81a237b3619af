// Particle.*: a virtual device runs beside the sketch (HOST_DEVICE, a shell command), JSON lines each way. What it says is
// kept until the sketch's thread asks for it: between two loop() or in Particle.process(), as on a board.
#include <csignal>
#include <deque>
#include <fcntl.h>
#include <map>
#include <mutex>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>
#include <vector>

#include "Particle.h"
#include "host.h"

CloudClass Particle;

static FILE* toDevice;
static std::mutex mutex;
static std::deque<Line> arrived; // guarded by mutex

static bool online = false;
static std::map<std::string, std::function<int(String)>> functions;
static std::vector<std::pair<std::string, EventHandler>> subscriptions;

struct Variable {
    std::string name;
    const char* type;
    std::function<std::string()> read;
    std::string told;
};
static std::vector<Variable> variables;

static void tell(const std::string& line) {
    fprintf(toDevice, "%s\n", line.c_str());
    fflush(toDevice);
}

static void hear(FILE* from) {
    char* text = nullptr;
    size_t size = 0;
    Line line;
    while (getline(&text, &size, from) > 0) {
        if (!Line::parse(text, &line)) continue;
        std::lock_guard<std::mutex> hold(mutex);
        arrived.push_back(line);
    }
    _exit(0); // the device has gone, and with it the board
}

void startCloud() {
    HostScope host;
    const char* command = getenv("HOST_DEVICE");
    int in[2], out[2];
    if (!command || pipe(in) != 0 || pipe(out) != 0) fail("HOST_DEVICE, the command of the virtual device");
    signal(SIGPIPE, SIG_IGN);
    if (fork() == 0) {
        prctl(PR_SET_PDEATHSIG, SIGTERM);
        dup2(in[0], STDIN_FILENO);
        dup2(out[1], STDOUT_FILENO);
        for (int fd : {in[0], in[1], out[0], out[1]}) close(fd);
        execl("/bin/sh", "sh", "-c", command, (char*)nullptr);
        _exit(127);
    }
    close(in[0]);
    close(out[1]);
    for (int fd : {in[1], out[0]}) fcntl(fd, F_SETFD, FD_CLOEXEC); // a reset starts another device
    toDevice = fdopen(in[1], "w");
    std::thread(hear, fdopen(out[0], "r")).detach();
}

// The board's own limit: an attempt is refused when the fourth attempt before it is less than a second old, and every
// attempt counts (device-os communication/src/publisher.h).
static bool limited() {
    static system_tick_t attempts[5];
    static int next = 0, made = 0;
    system_tick_t now = millis(), oldest = attempts[(next + 1) % 5];
    attempts[next] = now;
    next = (next + 1) % 5;
    if (made < 4) {
        made++;
        return false;
    }
    return now - oldest < 1000;
}

particle::Future<bool> CloudClass::publish(const char* name, const char* data, PublishFlags flags1, PublishFlags flags2) {
    return publish(name, data, 60, flags1, flags2);
}

particle::Future<bool> CloudClass::publish(const char* name, const char* data, int ttl, PublishFlags flags1, PublishFlags flags2) {
    HostScope host;
    bool isPrivate = (flags1 | flags2).value() & PRIVATE.value();
    if (!online || limited()) return particle::Future<bool>(false);
    tell("{\"op\":\"publish\",\"name\":" + quote(name) + ",\"data\":" + quote(data ? data : "") + ",\"ttl\":" + std::to_string(ttl) +
         ",\"private\":" + (isPrivate ? "true" : "false") + "}");
    return particle::Future<bool>(true);
}

bool CloudClass::function(const char* name, std::function<int(String)> handler) {
    HostScope host;
    functions[name] = handler;
    tell("{\"op\":\"function\",\"name\":" + quote(name) + ",\"ret\":0}");
    return true;
}

bool CloudClass::function(const char* name, user_function_int_str_t* handler) {
    return function(name, std::function<int(String)>(handler));
}

bool CloudClass::subscribe(const char* name, EventHandler handler, Spark_Subscription_Scope_TypeDef scope) {
    HostScope host;
    subscriptions.emplace_back(name, handler);
    tell("{\"op\":\"subscribe\",\"prefix\":" + quote(name) + ",\"mine\":" + (scope == MY_DEVICES ? "true" : "false") + "}");
    return true;
}

bool CloudClass::variable(const char* name, const int& value) {
    HostScope host;
    variables.push_back({name, "int", [&value] { return std::to_string(value); }, ""});
    return true;
}

bool CloudClass::variable(const char* name, const double& value) {
    HostScope host;
    variables.push_back({name, "double", [&value] { return std::to_string(value); }, ""});
    return true;
}

static void tellVariables() {
    for (Variable& v : variables) {
        std::string value = v.read();
        if (value == v.told) continue;
        v.told = value;
        tell("{\"op\":\"variable\",\"name\":" + quote(v.name) + ",\"type\":\"" + v.type + "\",\"value\":" + value + "}");
    }
}

static void obey(const Line& line) {
    const std::string& what = line["ev"];
    if (what == "online") online = true;
    if (what == "offline") online = false;
    if (what == "call") {
        auto found = functions.find(line["name"]);
        if (found == functions.end()) return;
        String argument(line["arg"].c_str());
        SketchScope sketch;
        found->second(argument);
    }
    if (what == "event") {
        for (auto& s : subscriptions) {
            if (line["name"].compare(0, s.first.size(), s.first) != 0) continue;
            SketchScope sketch;
            s.second(line["name"].c_str(), line["data"].c_str());
        }
    }
}

bool CloudClass::connected() { return online; }

void CloudClass::process() {
    static bool running = false;
    if (running) return; // a handler that delays gets no other handler's calls
    running = true;
    HostScope host;
    if (resetIsPressed()) reset();
    for (;;) {
        Line line;
        {
            std::lock_guard<std::mutex> hold(mutex);
            if (arrived.empty()) break;
            line = arrived.front();
            arrived.pop_front();
        }
        obey(line);
    }
    tellVariables();
    running = false;
}

void waitForCloud() {
    while (!Particle.connected()) {
        Particle.process();
        usleep(1000);
    }
}
