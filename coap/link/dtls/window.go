package dtls

// windowSize is how far a record may be behind the newest one.
const windowSize = 64

// window remembers which record numbers of one epoch came (RFC 6347 section 4.1.2.6). The zero value has seen none.
type window struct {
	next uint64 // one more than the greatest number that came
	bits uint64 // bit n: number next-1-n came
}

// fresh reports whether a number has not come yet and is not too old to know.
func (w *window) fresh(n uint64) bool {
	if n >= w.next {
		return true
	}
	behind := w.next - 1 - n
	return behind < windowSize && w.bits>>behind&1 == 0
}

// note remembers a number and reports whether it is the greatest that ever came. Call it only for records that authenticate.
func (w *window) note(n uint64) (newest bool) {
	if n < w.next {
		w.bits |= 1 << (w.next - 1 - n)
		return false
	}
	w.bits = w.bits<<(n+1-w.next) | 1 // a shift by 64 or more gives 0
	w.next = n + 1
	return true
}
