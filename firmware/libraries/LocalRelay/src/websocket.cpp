#include "websocket.h"

#include "base64.h"

namespace {

// base64 of n bytes; out gets a NUL.
void base64(const uint8_t* in, size_t n, char* out) {
    for (size_t i = 0; i < n; i += 3, out += 4) base64Group(in + i, n - i < 3 ? n - i : 3, out);
    *out = 0;
}

uint32_t rotate(uint32_t x, int n) { return x << n | x >> (32 - n); }

// SHA-1 (RFC 3174) of one padded block of 64 bytes.
void block(uint32_t h[5], const uint8_t* in) {
    uint32_t w[80];
    for (int t = 0; t < 16; t++) w[t] = uint32_t(in[4 * t]) << 24 | in[4 * t + 1] << 16 | in[4 * t + 2] << 8 | in[4 * t + 3];
    for (int t = 16; t < 80; t++) w[t] = rotate(w[t - 3] ^ w[t - 8] ^ w[t - 14] ^ w[t - 16], 1);
    uint32_t a = h[0], b = h[1], c = h[2], d = h[3], e = h[4];
    for (int t = 0; t < 80; t++) {
        uint32_t f = t < 20   ? ((b & c) | (~b & d)) + 0x5A827999
                     : t < 40 ? (b ^ c ^ d) + 0x6ED9EBA1
                     : t < 60 ? ((b & c) | (b & d) | (c & d)) + 0x8F1BBCDC
                              : (b ^ c ^ d) + 0xCA62C1D6;
        uint32_t next = rotate(a, 5) + f + e + w[t];
        e = d;
        d = c;
        c = rotate(b, 30);
        b = a;
        a = next;
    }
    h[0] += a;
    h[1] += b;
    h[2] += c;
    h[3] += d;
    h[4] += e;
}

// sha1 of at most 119 bytes: two blocks.
void sha1(const char* text, size_t n, uint8_t digest[20]) {
    uint8_t padded[128] = {};
    memcpy(padded, text, n);
    padded[n] = 0x80;
    size_t end = n < 56 ? 64 : 128;
    padded[end - 2] = n * 8 >> 8;
    padded[end - 1] = n * 8;
    uint32_t h[5] = {0x67452301, 0xEFCDAB89, 0x98BADCFE, 0x10325476, 0xC3D2E1F0};
    for (size_t at = 0; at < end; at += 64) block(h, padded + at);
    for (int i = 0; i < 20; i++) digest[i] = h[i / 4] >> (24 - 8 * (i % 4));
}

} // namespace

void websocket::makeKey(char key[25]) {
    uint8_t bytes[16];
    for (uint8_t& b : bytes) b = random(256);
    base64(bytes, sizeof bytes, key);
}

void websocket::makeAccept(const char* key, char accept[29]) {
    char text[24 + 36 + 1];
    snprintf(text, sizeof text, "%.24s258EAFA5-E914-47DA-95CA-C5AB0DC85B11", key);
    uint8_t digest[20];
    sha1(text, strlen(text), digest);
    base64(digest, sizeof digest, accept);
}
