// TCPClient on a real socket, and the address of this machine.
#include <arpa/inet.h>
#include <cerrno>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "Particle.h"
#include "host.h"

WiFiClass WiFi;

bool WiFiClass::ready() { return true; }

IPAddress WiFiClass::localIP() {
    const char* text = getenv("HOST_IP");
    in_addr address = {};
    if (!text || inet_pton(AF_INET, text, &address) != 1) return IPAddress(127, 0, 0, 1);
    uint8_t b[4];
    memcpy(b, &address, sizeof b);
    return IPAddress(b[0], b[1], b[2], b[3]);
}

static bool waitWritable(int fd, int ms) {
    pollfd p = {fd, POLLOUT, 0};
    return poll(&p, 1, ms) == 1;
}

int TCPClient::connect(IPAddress ip, uint16_t port, network_interface_t) {
    stop();
    int s = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    sockaddr_in to = {};
    to.sin_family = AF_INET;
    to.sin_port = htons(port);
    const uint8_t b[4] = {ip[0], ip[1], ip[2], ip[3]};
    memcpy(&to.sin_addr, b, sizeof b);
    int error = ::connect(s, (sockaddr*)&to, sizeof to) == 0 ? 0 : errno;
    if (error == EINPROGRESS && waitWritable(s, 5000)) {
        socklen_t size = sizeof error;
        getsockopt(s, SOL_SOCKET, SO_ERROR, &error, &size);
    }
    if (error != 0) {
        close(s);
        return 0;
    }
    fd = s;
    return 1;
}

size_t TCPClient::write(uint8_t byte) { return write(&byte, 1); }
size_t TCPClient::write(const uint8_t* buffer, size_t size) { return write(buffer, size, 0); }

// A timeout of 0 waits for ever, as on Gen 3 and later.
size_t TCPClient::write(const uint8_t* buffer, size_t size, system_tick_t timeout) {
    clearWriteError();
    if (fd < 0 || !waitWritable(fd, timeout ? (int)timeout : -1)) {
        setWriteError(fd < 0 ? ENOTCONN : EAGAIN);
        return 0;
    }
    ssize_t n = send(fd, buffer, size, MSG_NOSIGNAL);
    if (n < 0) setWriteError(errno);
    return n < 0 ? 0 : n;
}

int TCPClient::available() {
    char byte[512];
    ssize_t n = fd < 0 ? 0 : recv(fd, byte, sizeof byte, MSG_PEEK);
    return n > 0 ? (int)n : 0;
}

int TCPClient::read() {
    uint8_t byte;
    return read(&byte, 1) == 1 ? byte : -1;
}

int TCPClient::read(uint8_t* buffer, size_t size) {
    ssize_t n = fd < 0 ? -1 : recv(fd, buffer, size, 0);
    return n > 0 ? (int)n : -1;
}

// A closed connection still counts as connected while bytes of it wait to be read.
uint8_t TCPClient::connected() {
    char byte;
    if (fd < 0) return 0;
    ssize_t n = recv(fd, &byte, 1, MSG_PEEK);
    if (n > 0 || (n < 0 && (errno == EAGAIN || errno == EINTR))) return 1;
    stop();
    return 0;
}

void TCPClient::stop() {
    if (fd >= 0) close(fd);
    fd = -1;
}
