// What the parts of the stand-in share. Not for sketches.
#pragma once

#include <string>

// One JSON object in a line, as `localcloud virtual --stdio` writes them: string members only, others are skipped.
class Line {
public:
    static bool parse(const std::string& text, Line* line);
    const std::string& operator[](const char* member) const;

private:
    static const int limit = 8;
    std::string names[limit], values[limit];
    int count = 0;
};

// quote returns text as a JSON string.
std::string quote(const std::string& text);

void startCloud();               // starts the virtual device and registers nothing yet
void waitForCloud();             // until it is online
void startControl();             // reads commands for the pins from stdin
bool resetIsPressed();
void startRetained();            // loads retained memory
void keepRetained();             // what retained memory holds now outlives the process
[[noreturn]] void reset();       // as the reset button: the process starts again
[[noreturn]] void fail(const char* what);

// Memory is allowed to be taken by the stand-in itself at any time, by the sketch only until setup() has ended.
class HostScope {
public:
    HostScope();
    ~HostScope();
};

// In a handler that the stand-in calls, it is the sketch again that runs.
class SketchScope {
public:
    SketchScope();
    ~SketchScope();

private:
    int before;
};
void forbidHeap();
