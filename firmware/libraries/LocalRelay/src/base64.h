#pragma once

#include "Particle.h"

// base64Group writes the four characters of the n bytes (1 to 3) at in.
inline void base64Group(const uint8_t* in, size_t n, char four[4]) {
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    uint32_t b = in[0] << 16 | (n > 1 ? in[1] : 0) << 8 | (n > 2 ? in[2] : 0);
    four[0] = digits[b >> 18];
    four[1] = digits[b >> 12 & 63];
    four[2] = n > 1 ? digits[b >> 6 & 63] : '=';
    four[3] = n > 2 ? digits[b & 63] : '=';
}
