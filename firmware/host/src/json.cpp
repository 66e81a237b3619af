// The little JSON that the virtual device's lines need.
#include "host.h"

#include <cstdio>

std::string quote(const std::string& text) {
    std::string out = "\"";
    for (unsigned char c : text) {
        char escape[8];
        if (c == '"' || c == '\\') {
            out += '\\';
            out += c;
        } else if (c < 0x20) {
            snprintf(escape, sizeof escape, "\\u%04x", c);
            out += escape;
        } else {
            out += c;
        }
    }
    return out + "\"";
}

static void appendUTF8(std::string* out, unsigned c) {
    if (c < 0x80) {
        *out += char(c);
    } else if (c < 0x800) {
        *out += char(0xC0 | c >> 6);
        *out += char(0x80 | (c & 0x3F));
    } else {
        *out += char(0xE0 | c >> 12);
        *out += char(0x80 | (c >> 6 & 0x3F));
        *out += char(0x80 | (c & 0x3F));
    }
}

static bool parseString(const std::string& text, size_t* at, std::string* out) {
    if (*at >= text.size() || text[*at] != '"') return false;
    out->clear();
    for (++*at; *at < text.size(); ++*at) {
        char c = text[*at];
        if (c == '"') return ++*at, true;
        if (c != '\\') {
            *out += c;
            continue;
        }
        if (++*at >= text.size()) return false;
        switch (c = text[*at]) {
        case 'n': *out += '\n'; break;
        case 'r': *out += '\r'; break;
        case 't': *out += '\t'; break;
        case 'b': *out += '\b'; break;
        case 'f': *out += '\f'; break;
        case 'u': {
            unsigned code = 0;
            if (sscanf(text.substr(*at + 1, 4).c_str(), "%4x", &code) != 1) return false;
            appendUTF8(out, code);
            *at += 4;
            break;
        }
        default: *out += c;
        }
    }
    return false;
}

bool Line::parse(const std::string& text, Line* line) {
    line->count = 0;
    size_t at = text.find('{');
    if (at == std::string::npos) return false;
    for (++at; at < text.size() && line->count < limit; ++at) {
        std::string name, value;
        if (!parseString(text, &at, &name) || at >= text.size() || text[at++] != ':') return false;
        if (text[at] != '"') {
            at = text.find_first_of(",}", at); // a number, a bool, null
            if (at == std::string::npos) return false;
        } else if (!parseString(text, &at, &value)) {
            return false;
        }
        line->names[line->count] = name;
        line->values[line->count++] = value;
        if (at < text.size() && text[at] == '}') return true;
    }
    return false;
}

const std::string& Line::operator[](const char* member) const {
    static const std::string none;
    for (int i = 0; i < count; i++) {
        if (names[i] == member) return values[i];
    }
    return none;
}
