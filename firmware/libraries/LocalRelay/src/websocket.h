// The parts of RFC 6455 that are not LocalRelay's state.
#pragma once

#include "Particle.h"

namespace websocket {

const uint8_t text = 1, binary = 2, close = 8, ping = 9, pong = 10;

// makeKey writes a random Sec-WebSocket-Key: 16 bytes in base64, 24 characters and NUL.
void makeKey(char key[25]);

// makeAccept writes what a server answers to key: base64 of SHA-1 of key and the RFC's GUID, 28 characters and NUL.
void makeAccept(const char* key, char accept[29]);

} // namespace websocket
