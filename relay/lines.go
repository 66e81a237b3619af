package relay

import "bytes"

// Bounds of what a device sends.
const (
	maxLine  = 64 << 10 // bytes of one line; what is longer is cut, and counted
	readSize = 16 << 10 // bytes read from a device at a time
	fastRead = 64 << 10 // from one that fills these
)

// Frames are lines in the one form in which they are kept and sent:
//
//	data:<line>\n\n
//
// which is what the pages of the original read from /data. A line holds no
// CR and no LF, so that "\n\n" ends every frame and nothing else.
const (
	frameHead = "data:"
	frameTail = "\n\n"
)

// splitter makes frames of what a device sends, however it is cut into
// segments. LF, CR LF and CR end a line; empty lines are nothing.
type splitter struct {
	rest      []byte // the line that has no end yet
	skipping  bool   // it is too long: what comes until its end is dropped
	truncated uint64 // lines that were too long
}

// feed appends to dst a frame for each line that ends within b, and returns how many.
func (s *splitter) feed(dst, b []byte) ([]byte, int) {
	n := 0
	for len(b) > 0 {
		i := bytes.IndexAny(b, "\r\n")
		if i < 0 {
			s.keep(b)
			break
		}
		if len(s.rest) == 0 && !s.skipping && i <= maxLine {
			if i > 0 {
				dst, n = appendFrame(dst, b[:i]), n+1
			}
		} else {
			s.keep(b[:i])
			var more int
			dst, more = s.end(dst)
			n += more
		}
		b = b[i+1:]
	}
	return dst, n
}

// end appends the frame of a line that has no end, if there is one.
func (s *splitter) end(dst []byte) ([]byte, int) {
	line := s.rest
	s.rest, s.skipping = s.rest[:0], false
	if cap(s.rest) > readSize {
		s.rest = nil // a long line leaves no memory behind
	}
	if len(line) == 0 {
		return dst, 0
	}
	return appendFrame(dst, line), 1
}

// keep holds on to the beginning of a line, up to what a line may have.
func (s *splitter) keep(b []byte) {
	if s.skipping {
		return
	}
	if room := maxLine - len(s.rest); len(b) > room {
		b, s.skipping = b[:room], true
		s.truncated++
	}
	s.rest = append(s.rest, b...)
}

func appendFrame(dst, line []byte) []byte {
	dst = append(dst, frameHead...)
	dst = append(dst, line...)
	return append(dst, frameTail...)
}

// cutFrame returns the line of the first frame, and what follows it.
func cutFrame(frames []byte) (line, rest []byte) {
	i := bytes.Index(frames, []byte(frameTail))
	if i < len(frameHead) {
		return nil, nil
	}
	return frames[len(frameHead):i], frames[i+len(frameTail):]
}
